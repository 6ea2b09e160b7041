"""Frozen 4-bit weights stay what they are, whatever a model has done before."""

from pathlib import Path
from typing import Any

import pytest
import torch

from text2sql_lightning.modeling.backends import LoadRequest, get_backend
from text2sql_lightning.modeling.settings import LoraSettings

pytestmark = pytest.mark.unit


def load(folder: Path, **changes: Any) -> Any:
    request = {
        "base_model": str(folder), "quantization": "nf4", "lora": LoraSettings(), "adapter_path": None,
        "trainable": True, "compute_dtype": torch.float32, "device": torch.device("cpu"),
        "gradient_checkpointing": False, "max_seq_length": 64, "seed": 1,
    }  # fmt: skip
    return get_backend("transformers").load(LoadRequest(**{**request, **changes}))


def gradients(model: Any) -> list[torch.Tensor]:
    ids = torch.arange(10, 40).reshape(2, 15)
    model.train()
    model.zero_grad()
    model(input_ids=ids, labels=ids).loss.backward()
    return [parameter.grad for parameter in model.parameters() if parameter.requires_grad]


def test_gradients_are_the_same_after_a_validation(tiny_llama_dir: Path) -> None:
    """On CPUs with AVX512-BF16 bitsandbytes would switch to a kernel without gradients in evaluation mode."""
    model = load(tiny_llama_dir)
    before = gradients(model)
    model.eval()
    with torch.no_grad():
        model(input_ids=torch.arange(8)[None])
    after = gradients(model)
    assert len(before) == len(after) == 28
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_training_and_evaluation_mode_compute_the_same(tiny_llama_dir: Path) -> None:
    model = load(tiny_llama_dir)
    ids = torch.arange(8)[None]
    with torch.no_grad():
        training, evaluation = model.train()(input_ids=ids).logits, model.eval()(input_ids=ids).logits
    assert torch.equal(training, evaluation)
