"""Training on a GPU: quantized, in mixed precision, with the paged optimizer; and the same answers as on the CPU."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

BF16 = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
needs_bf16 = pytest.mark.skipif(not BF16, reason="needs compute capability 8 or higher for bfloat16")


def adapter_of(trainer: Any) -> Any:
    return {name: p.detach() for name, p in trainer.lightning_module.named_parameters() if p.requires_grad}


def loss_of(trainer: Any) -> Any:
    return trainer.callback_metrics["train/loss"].item()


@needs_bf16
def test_nf4_in_bfloat16(fit: Any, tiny_llama_dir: Path) -> None:
    """Base weights in 4 bits, products in bfloat16, adapter and optimizer in float32."""
    trainer = fit(tiny_llama_dir, precision="bf16-mixed", steps=8, quantization="nf4")
    adapter = adapter_of(trainer)
    assert len(adapter) == 2 * 7 * 2
    assert {p.dtype for p in adapter.values()} == {torch.float32}
    assert trainer.devices_seen == {"cuda"}
    assert any(type(p).__name__ == "Params4bit" for p in trainer.lightning_module.parameters())
    assert all(p.isfinite().all() for p in adapter.values())
    assert loss_of(trainer) < 6.2  # ln 512 = 6.24, where it starts
    assert trainer.lightning_module.backend_name == "transformers"


def test_float16_with_a_scaler(fit: Any, tiny_llama_dir: Path) -> None:
    trainer = fit(tiny_llama_dir, precision="16-mixed", steps=8, quantization="nf4", optimizer="adamw")
    adapter = adapter_of(trainer)
    assert {p.dtype for p in adapter.values()} == {torch.float32}
    assert all(p.isfinite().all() for p in adapter.values())
    assert any(p.abs().sum() > 0 for name, p in adapter.items() if "lora_B" in name)  # not every step was skipped
    assert loss_of(trainer) < 6.2


def test_paged_adamw_is_what_auto_means_here(fit: Any, tiny_llama_dir: Path, tmp_path: Path) -> None:
    trainer = fit(tiny_llama_dir, precision="32-true", steps=4, quantization="none")
    (optimizer,) = trainer.optimizers
    assert type(optimizer).__name__ == "PagedAdamW8bit"
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    saved = torch.load(tmp_path / "last.ckpt", weights_only=True, map_location="cpu")
    assert all("lora_" in name for name in saved["state_dict"])
    assert saved["optimizer_states"][0]["state"]


def test_losses_on_gpu_and_cpu_agree(fit: Any, tiny_llama_dir: Path) -> None:
    """The first step of a new adapter: the loss of the base model on the same batch."""
    settings = {"precision": "32-true", "steps": 1, "quantization": "none", "optimizer": "adamw"}
    on_gpu = fit(tiny_llama_dir, **settings)
    on_cpu = fit(tiny_llama_dir, accelerator="cpu", **settings)
    assert loss_of(on_gpu) == pytest.approx(loss_of(on_cpu), abs=1e-4)


def test_greedy_answers_on_gpu_and_cpu_are_equal(tiny_llama_dir: Path) -> None:
    from transformers import AutoModelForCausalLM

    from text2sql_lightning.inference.generation import generate_samples
    from text2sql_lightning.modeling.settings import GenerationSettings
    from text2sql_lightning.text.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(str(tiny_llama_dir))
    prompts = ["SELECT", "How many singers are there?\n" * 3, "Which city?", "### Response:\n"]
    answers = []
    for device in ("cpu", "cuda"):
        model = AutoModelForCausalLM.from_pretrained(tiny_llama_dir, dtype=torch.float32).to(device).eval()
        settings = GenerationSettings(max_new_tokens=16, batch_size=3)
        answers.append([answer.raw for (answer,) in generate_samples(model, tokenizer, prompts, settings)])
    assert answers[0] == answers[1]


UNSLOTH = """
import json, sys
import unsloth
from lightning.pytorch import Callback, Trainer, seed_everything
from text2sql_lightning.data.datamodule import Text2SQLDataModule
from text2sql_lightning.modeling.settings import GenerationSettings, LoraSettings
from text2sql_lightning.module import Text2SQLModule

base, records, precision = json.loads(sys.argv[1])
losses, answers = {}, {}

class Ask(Callback):
    def on_train_end(self, trainer, module):
        asked = ["SELECT", "How many singers are there?", "How many singers are old?"]
        answers[module.quantization] = [answer.num_tokens for answer in module.generate(asked)]

for quantization, packing in (("none", "none"), ("nf4", "none"), ("nf4", "shared_prefix"), ("nf4", "sequence")):
    seed_everything(42)
    module = Text2SQLModule(base_model=base, backend="unsloth", quantization=quantization, lora=LoraSettings(r=8),
                            learning_rate=1e-2, warmup_steps=0, packing=packing,
                            generation=GenerationSettings(max_new_tokens=8, batch_size=2))
    trainer = Trainer(accelerator="gpu", devices=1, precision=precision, max_steps=1, limit_val_batches=0, logger=False,
                      enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                      use_distributed_sampler=False, callbacks=[Ask()])
    trainer.fit(module, Text2SQLDataModule(train_path=records, tokenizer=base, batch_size=16, packing=packing))
    losses[f"{quantization} {packing}"] = trainer.callback_metrics["train/loss"].item()
print(json.dumps([losses, answers]))
"""


@pytest.mark.skipif(find_spec("unsloth") is None, reason="unsloth is not installed")
def test_unsloth(fit: Any, tiny_llama_dir: Path, records_file: Any) -> None:
    """In a process of its own, against the reference in this one; in 16 bits, so they agree roughly."""
    precision = "bf16-mixed" if BF16 else "16-mixed"
    job = json.dumps([str(tiny_llama_dir), str(records_file("train", 16)), precision])
    done = subprocess.run(
        [sys.executable, "-c", UNSLOTH, job], capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    losses, answers = json.loads(done.stdout.splitlines()[-1])
    assert answers.keys() == {"none", "nf4"}
    assert all(1 <= tokens <= 8 for counts in answers.values() for tokens in counts)
    for quantization in ("none", "nf4"):
        reference = loss_of(fit(tiny_llama_dir, precision=precision, steps=1, quantization=quantization, batch_size=16))
        assert losses[f"{quantization} none"] == pytest.approx(reference, abs=0.03)
    for packing in ("shared_prefix", "sequence"):
        assert losses[f"nf4 {packing}"] == pytest.approx(losses["nf4 none"], abs=0.003)
