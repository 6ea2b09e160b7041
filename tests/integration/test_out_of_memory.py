"""Memory that does not suffice: the step is not lost; and where it would be, the run says which setting to change."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from text2sql_lightning.module import Text2SQLModule

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
WORDS = "CUDA out of memory. Tried to allocate 2.00 GiB."
RANK_1_RUNS_OUT = f"""
import os, sys, torch
from text2sql_lightning.__main__ import main
from text2sql_lightning.module import Text2SQLModule
whole = Text2SQLModule.completion_loss
def cramped(self, batch):
    if os.environ.get("LOCAL_RANK") == "1" and self.training and self.global_step == 2:
        raise torch.OutOfMemoryError("{WORDS}")
    return whole(self, batch)
Text2SQLModule.completion_loss = cramped
sys.exit(main())
"""


def cramp(patch: pytest.MonkeyPatch, most: int) -> None:
    """Let training run out of memory with more rows than that."""
    whole = Text2SQLModule.completion_loss

    def cramped(self: Any, batch: Any) -> Any:
        if self.training and batch["input_ids"].shape[0] > most:
            raise torch.OutOfMemoryError(WORDS)
        return whole(self, batch)

    patch.setattr(Text2SQLModule, "completion_loss", cramped)


def test_a_micro_batch_is_split(
    tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--data.batch_size", 4, "--trainer.accumulate_grad_batches", 1, "--trainer.max_steps", 4]
    assert text2sql("fit", *tiny.flags(tmp_path / "whole"), *flags).code == 0
    cramp(monkeypatch, 2)
    done = text2sql("fit", *tiny.flags(tmp_path / "parts"), *flags)
    assert done.code == 0, done.err
    assert done.err.count("Out of memory with a micro-batch of ") <= 2
    whole, parts = (read_json(tmp_path / name / "run_meta.json") for name in ("whole", "parts"))
    assert (whole["out_of_memory_splits"], parts["status"]) == (0, "completed")
    assert 1 <= parts["out_of_memory_splits"] <= 2
    assert (whole["tokens_seen"], whole["target_tokens_seen"]) == (parts["tokens_seen"], parts["target_tokens_seen"])
    losses = [read_json(tmp_path / name / "metrics.json")["train/loss"] for name in ("whole", "parts")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_single_example_that_does_not_fit(
    tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cramp(monkeypatch, 0)
    error = text2sql("fit", *tiny.flags(tmp_path / "run")).error
    assert error.startswith("out of memory with a single example of ")
    assert "--data.max_seq_length" in error
    meta = read_json(tmp_path / "run" / "run_meta.json")
    assert (meta["status"], meta["error"]) == ("failed", f"RunError: {error}")


def test_another_error_is_not_taken_for_it(
    tiny: Any, text2sql: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Any, batch: Any) -> Any:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(Text2SQLModule, "completion_loss", broken)
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        text2sql("fit", *tiny.flags(tmp_path / "run"))


def test_one_of_two_processes_runs_out(tiny: Any, read_json: Any, tmp_path: Path) -> None:
    """Processes that Lightning starts: both end, and the run says what to change."""
    script, folder = tmp_path / "fit.py", tmp_path / "run"
    script.write_text(RANK_1_RUNS_OUT)
    flags = [*tiny.flags(folder), "--trainer.devices", 2, "--trainer.strategy", "ddp", "--trainer.max_steps", 1000]
    started = time.monotonic()
    command = [sys.executable, str(script), "fit", *map(str, flags)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    assert time.monotonic() - started < 180
    assert "out of memory with " in done.stderr
    assert "lower --data.batch_size" in done.stderr
    assert read_json(folder / "run_meta.json")["status"] == "failed"
