from pathlib import Path
from typing import Any

import pytest
import torch

from text2sql_lightning.modeling.backends import LoadRequest, get_backend
from text2sql_lightning.modeling.cpu.lora import fuse_lora
from text2sql_lightning.modeling.settings import LoraSettings

pytestmark = pytest.mark.unit

IDS = torch.arange(10, 40).reshape(2, 15)


def load(folder: Path, quantization: str, lora: LoraSettings, dtype: torch.dtype = torch.float32) -> Any:
    request = LoadRequest(
        base_model=str(folder), quantization=quantization, lora=lora, adapter_path=None, trainable=True,
        compute_dtype=dtype, device=torch.device("cpu"), gradient_checkpointing=False, max_seq_length=64,
        seed=1,
    )  # fmt: skip
    model = get_backend("transformers").load(request)
    for module in model.modules():
        vars(module).pop("forward", None)  # as peft made it
    torch.manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model


def step(model: Any) -> tuple[torch.Tensor, list[torch.Tensor]]:
    model.zero_grad()
    loss = model(input_ids=IDS, labels=IDS).loss
    loss.backward()
    return loss.detach(), [parameter.grad for parameter in model.parameters() if parameter.requires_grad]


@pytest.mark.parametrize("quantization", ["none", "nf4"])
@pytest.mark.parametrize("lora", [LoraSettings(), LoraSettings(r=4, alpha=32, use_rslora=True)])
def test_loss_and_gradients_are_those_of_peft(tiny_llama_dir: Path, quantization: str, lora: LoraSettings) -> None:
    model = load(tiny_llama_dir, quantization, lora).train()
    expected_loss, expected = step(model)
    assert fuse_lora(model) == 14
    loss, gradients = step(model)
    assert len(gradients) == 28
    torch.testing.assert_close(loss, expected_loss, rtol=1e-6, atol=0)
    for one, other in zip(gradients, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("lora", [LoraSettings(dropout=0.3), LoraSettings(use_dora=True)])
def test_dropout_and_dora_stay_with_peft(tiny_llama_dir: Path, lora: LoraSettings) -> None:
    model = load(tiny_llama_dir, "none", lora).train()
    torch.manual_seed(5)
    expected = step(model)[0]
    fuse_lora(model)
    torch.manual_seed(5)
    assert torch.equal(step(model)[0], expected)


def test_without_gradients_and_without_the_adapter_nothing_changes(tiny_llama_dir: Path) -> None:
    model = load(tiny_llama_dir, "none", LoraSettings()).eval()
    with torch.no_grad():
        expected = model(input_ids=IDS).logits
        with model.disable_adapter():
            bare = model(input_ids=IDS).logits
        fuse_lora(model)
        assert torch.equal(model(input_ids=IDS).logits, expected)
        with model.disable_adapter():
            assert torch.equal(model(input_ids=IDS).logits, bare)


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_bfloat16_autocast(tiny_llama_dir: Path, quantization: str) -> None:
    model = load(tiny_llama_dir, quantization, LoraSettings(), torch.bfloat16).train()
    with torch.autocast("cpu", torch.bfloat16):
        expected_loss, expected = step(model)
        assert fuse_lora(model) == 14
        loss, gradients = step(model)
    torch.testing.assert_close(loss, expected_loss, rtol=1e-2, atol=0)
    for one, other in zip(gradients, expected, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() < 0.05 * other.norm()


def test_float16_stays_with_peft(tiny_llama_dir: Path) -> None:
    model = load(tiny_llama_dir, "none", LoraSettings(), torch.float16).train()
    with torch.autocast("cpu", torch.float16):
        expected = step(model)[0]
        fuse_lora(model)
        assert torch.equal(step(model)[0], expected)
