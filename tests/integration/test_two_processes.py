"""Two processes: the gradient of one with the same batch, each file once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
DDP = ["--trainer.devices", 2, "--trainer.strategy", "ddp"]
# Keeps the gradients that the optimizer gets, and takes no step with them.
RECORD = """
import sys, torch
from pathlib import Path
from text2sql_lightning.__main__ import main
from text2sql_lightning.module import Text2SQLModule

def record(self, optimizer, gradient_clip_val=None, gradient_clip_algorithm=None):
    gradients = {name: p.grad.clone() for name, p in self.named_parameters() if p.grad is not None}
    torch.save(gradients, Path(__file__).with_name(f"rank{self.global_rank}of{self.trainer.world_size}.pt"))

Text2SQLModule.configure_gradient_clipping = record
sys.exit(main())
"""


def fit(script: Path, *flags: Any) -> None:
    command = [sys.executable, str(script), "fit", *map(str, flags)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize(
    ("quantization", "packing"),
    [
        ("none", "none"),
        ("nf4", "shared_prefix"),
        *[
            pytest.param(*pair, marks=pytest.mark.slow)
            for pair in [("none", "sequence"), ("none", "shared_prefix"), ("nf4", "none"), ("nf4", "sequence")]
        ],
    ],
)
def test_gradients_are_those_of_one_process(
    tiny: Any, uneven: Path, tmp_path: Path, quantization: str, packing: str
) -> None:
    script = tmp_path / "fit.py"
    script.write_text(RECORD)
    flags = [*tiny.flags(tmp_path / "run"), "--overwrite", "true", "--data.train_path", uneven]
    flags += ["--trainer.max_steps", 1, "--trainer.accumulate_grad_batches", 1, "--trainer.limit_val_batches", 0]
    flags += ["--model.quantization", quantization, "--data.packing", packing]
    fit(script, *flags, "--data.batch_size", 8)
    fit(script, *flags, "--data.batch_size", 4, *DDP)
    names = ("rank0of1.pt", "rank0of2.pt", "rank1of2.pt")
    one, first, second = (torch.load(tmp_path / name, weights_only=True) for name in names)
    assert len(one) == 2 * 7 * 2
    flat = [torch.cat([gradients[name].flatten() for name in one]) for gradients in (one, first, second)]
    assert torch.equal(flat[1], flat[2])
    assert (flat[0] - flat[1]).norm() / flat[0].norm() < 1e-5


def test_resumed_as_if_never_stopped(tiny: Any, shell: Any, tmp_path: Path) -> None:
    """Two steps with gradient checkpointing and a validation that generates between them, then two more, resumed."""
    flags = ["--data.packing", "shared_prefix", "--trainer.accumulate_grad_batches", 1, *DDP]
    flags += ["--trainer.val_check_interval", 2, "--trainer.check_val_every_n_epoch", "null"]
    flags += ["--model.gradient_checkpointing", "true"]
    for name, steps in (("whole", [4]), ("parts", [2, 4])):
        for number in steps:
            more = ["--trainer.max_steps", number, *(["--ckpt_path", "last"] if number != steps[0] else [])]
            done = shell("-m", "text2sql_lightning", "fit", *tiny.flags(tmp_path / name), *flags, *more)
            assert done.returncode == 0, done.stderr[-3000:]
    whole, parts = (tmp_path / name / "adapters" / "adapter_model.safetensors" for name in ("whole", "parts"))
    assert whole.read_bytes() == parts.read_bytes()


def test_train_validate_and_predict(shell: Any, tiny: Any, read_json: Any, read_lines: Any, tmp_path: Path) -> None:
    """The batches are shared, each file is written once and each prediction once, and the figures are those of one."""
    folder = tmp_path / "run"
    done = shell("-m", "text2sql_lightning", "fit", *tiny.flags(folder), *DDP)
    assert done.returncode == 0, done.stderr[-3000:]
    meta = read_json(folder / "run_meta.json")
    assert (meta["status"], meta["world_size"], meta["num_train_examples"]) == ("completed", 2, 8)
    assert read_json(folder / "metrics.json")["val/num_scored"] > 0

    found = {}
    for name, more in (("two", DDP), ("one", ["--trainer.devices", 1])):
        for command in ("validate", "predict"):
            done = shell("-m", "text2sql_lightning", command, *tiny.flags(folder), *more, "--ckpt_path", "last")
            assert done.returncode == 0, done.stderr[-3000:]
        found[name] = (
            read_json(folder / "validate" / "metrics.json"),
            (folder / "predict" / "predictions.jsonl").read_text(encoding="utf-8"),
        )
    rows = read_lines(folder / "predict" / "predictions.jsonl")
    assert [row["id"] for row in rows] == [record["id"] for record in read_lines(tiny.predict)]
    assert found["two"][1] == found["one"][1]
    for metrics, _ in found.values():
        metrics.pop("val/execution_accuracy_seconds")
    assert found["two"][0] == pytest.approx(found["one"][0], rel=1e-5)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_is_killed_ends_the_other(tiny: Any, read_json: Any, tmp_path: Path, rank: int) -> None:
    folder = tmp_path / "run"
    flags = [*tiny.flags(folder), *DDP, "--trainer.max_steps", 100_000, "--checkpoint.every_n_steps", 2]
    command = [sys.executable, "-m", "text2sql_lightning", "fit", *map(str, flags)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        deadline = time.monotonic() + 180
        while not (folder / "checkpoints" / "last.ckpt").exists() and time.monotonic() < deadline:
            assert process.poll() is None, process.stderr.read()[-3000:]  # type: ignore[union-attr]
            time.sleep(0.2)
        (other,) = [child for child in psutil.Process(process.pid).children() if "fit" in child.cmdline()]
        os.kill([process.pid, other.pid][rank], signal.SIGKILL)
        killed = time.monotonic()
        _, err = process.communicate(timeout=60)
        other.wait(60)
    finally:
        process.kill()
    assert process.returncode not in (0, None)
    assert time.monotonic() - killed < 60
    meta = read_json(folder / "run_meta.json")
    if rank == 1:
        cause = "the process of rank 1 was ended by SIGKILL, which ends the run: its own output says more"
        assert (meta["status"], meta["error"]) == ("failed", cause)
        assert err.splitlines()[-1] == f"error: {cause}"
    else:
        assert (meta["status"], meta["pid"]) == ("running", process.pid)  # the next start says that it died
