"""Memory that does not suffice: the run says which settings to change."""

import subprocess
import sys
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


@pytest.mark.parametrize("when", ["forward", "backward"])
def test_the_settings_to_change_are_named(
    tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    whole = Text2SQLModule.completion_loss

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError(WORDS)

    def cramped(self: Any, batch: Any) -> Any:
        if when == "forward":
            full()
        sums = whole(self, batch)
        if self.training:
            sums.loss_sum.register_hook(full)
        return sums

    monkeypatch.setattr(Text2SQLModule, "completion_loss", cramped)
    error = text2sql("fit", *tiny.flags(tmp_path / "run")).error
    assert error.startswith("out of memory in a training step")
    for setting in ("--data.batch_size", "--trainer.accumulate_grad_batches", "--data.max_seq_length"):
        assert setting in error
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
    command = [sys.executable, str(script), "fit", *map(str, flags)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode != 0
    assert "out of memory in a training step" in done.stderr
    assert "lower --data.batch_size" in done.stderr
    assert read_json(folder / "run_meta.json")["status"] == "failed"
