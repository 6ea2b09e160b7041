"""A model of Mistral-7B's shape with random weights: a short QLoRA run fits into 24 GB."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.skipif(shutil.disk_usage("/tmp").free < 20e9, reason="needs 20 GB of disk for random 7B weights"),
]


@pytest.fixture
def mistral_7b_dir(tmp_path: Path, tiny_llama_dir: Path) -> Any:
    """14.5 GB of random bfloat16 weights; the tokenizer is the tiny one."""
    from transformers import MistralConfig, MistralForCausalLM

    folder = tmp_path / "mistral_7b"
    config = MistralConfig(vocab_size=32000, bos_token_id=1, eos_token_id=2, pad_token_id=0, dtype="bfloat16")
    assert (config.hidden_size, config.intermediate_size, config.num_hidden_layers) == (4096, 14336, 32)
    previous = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda"):
            model = MistralForCausalLM(config)
    finally:
        torch.set_default_dtype(previous)
    model.save_pretrained(folder, max_shard_size="4GB")
    del model
    torch.cuda.empty_cache()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tiny_llama_dir / name, folder)
    yield folder
    shutil.rmtree(folder)


def test_a_short_run(fit: Any, mistral_7b_dir: Any) -> None:
    from text2sql_lightning.modeling.backends import Hardware, choose_precision
    from text2sql_lightning.modeling.settings import LoraSettings

    torch.cuda.reset_peak_memory_stats()
    trainer = fit(
        mistral_7b_dir,
        precision=choose_precision(Hardware.here()),
        steps=2,
        quantization="nf4",
        lora=LoraSettings(r=16),
        learning_rate=2e-4,
    )
    trained = sum(p.numel() for p in trainer.lightning_module.parameters() if p.requires_grad)
    assert trained == 41_943_040
    assert torch.isfinite(trainer.callback_metrics["train/loss"])
    assert torch.cuda.max_memory_allocated() < 24e9
