"""`text2sql estimate` says what a run takes, and what it says of the checkpoint is so."""

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

CONFIG = ["--config", "configs/experiment/mistral7b_qlora.yaml"]


def test_mistral(text2sql: Any) -> None:
    done = text2sql("estimate", *CONFIG, "--model.backend", "transformers")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[:2] == [
        "mistralai/Mistral-7B-Instruct-v0.1: 7.24 B weights, nf4; LoRA r 16: 41.9 M weights to train",
        "transformers backend, micro-batches of 2048 tokens, gradient checkpointing on",
    ]
    assert "  base weights                                  3.84" in lines
    assert "fits, with 5 % and 1 GiB to spare: T4, L4, A10G, RTX 4090, A100 80 GB, H100 80 GB, H200" in lines


def test_what_does_not_fit(text2sql: Any) -> None:
    done = text2sql("estimate", *CONFIG, "--model.quantization", "none", "--model.gradient_checkpointing", "false")
    (line,) = [line for line in done.out.splitlines() if line.startswith("does not fit: ")]
    assert line.startswith("does not fit: T4")
    assert line.endswith("(less: --data.max_seq_length, --data.batch_size, --model.gradient_checkpointing true)")


def test_docs_have_the_table_of_the_code(text2sql: Any) -> None:
    flags = ["--data.batch_size", "8", "--trainer.accumulate_grad_batches", "1", "--mean_tokens", "512"]
    done = text2sql("estimate", *CONFIG, "--model.backend", "unsloth", *flags, "--scaling")
    page = (Path(__file__).parents[2] / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert done.out.strip() in page


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--mean_tokens", "-1"], "--mean_tokens is -1.0; it must be a number above 0"),
        (["--model.lora", "null"], "model.lora null: there is no weight to train"),
        (["--model.base_model", "no/such"], "model.base_model no/such"),
        (["--gpu", "abacus"], "argument --gpu: invalid choice: 'abacus'"),
    ],
)
def test_mistakes(text2sql: Any, flags: list[str], message: str) -> None:
    assert text2sql("estimate", *CONFIG, *flags).error.startswith(message)


def test_the_checkpoint_has_the_size_that_is_estimated(tiny_run: Path) -> None:
    from text2sql_lightning.modeling.backends import get_backend
    from text2sql_lightning.modeling.estimate import TrainingLoad, checkpoint_bytes

    path = tiny_run / "checkpoints" / "last.ckpt"
    import torch

    saved = torch.load(path, weights_only=True, map_location="cpu")
    weights = sum(tensor.numel() for tensor in saved["state_dict"].values())
    load = TrainingLoad(
        tokens=1,
        targets=1,
        costs=get_backend("transformers").costs(),
        quantization="none",
        value_bytes=4,
        adapter_weights=weights,
        checkpointing=False,
        eight_bit_optimizer=False,
    )
    state = saved["optimizer_states"][0]["state"].values()
    tensors = [*saved["state_dict"].values(), *(value for part in state for value in part.values() if value.dim())]
    assert sum(tensor.nbytes for tensor in tensors) == checkpoint_bytes(load)
