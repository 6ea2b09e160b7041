"""kill -9 at random moments, again and again: what is on disk can be read, and the run ends as if never killed."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
ADAPTER = "adapters/adapter_model.safetensors"
STEPS = 120
FLAGS = [
    "--model.lora.dropout",
    0.2,
    "--model.learning_rate",
    0.01,
    "--trainer.max_steps",
    STEPS,
    "--trainer.accumulate_grad_batches",
    2,
    "--checkpoint.every_n_steps",
    3,
    "--trainer.val_check_interval",
    10,
    "--trainer.check_val_every_n_epoch",
    "null",
    "--trainer.limit_val_batches",
    1,
]


def start(flags: list[Any]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "text2sql_lightning", "fit", *(str(flag) for flag in flags)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)


def check_readable(folder: Path) -> None:
    """Open every file that the run has written, but those whose names say that they are not finished."""
    import torch
    from safetensors.torch import load_file

    for path in folder.rglob("*"):
        if not path.is_file() or any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.suffix == ".ckpt":
            torch.load(path, weights_only=True, map_location="cpu")
        elif path.suffix == ".safetensors":
            load_file(path)
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".jsonl":
            for line in path.read_text(encoding="utf-8").splitlines():
                json.loads(line)


def kill_and_go_on(folder: Path, flags: list[Any], kills: int, seed: int, training_s: float) -> int:
    """Kill the run at random moments while it trains, going on each time; returns how often it was killed there."""
    draw, killed, victim = Random(seed), 0, None
    checkpoint = folder / "checkpoints" / "last.ckpt"
    for _ in range(4 * kills):
        begun = checkpoint.exists()
        more = ["--ckpt_path", "last"] if begun else ["--overwrite", "true"]
        before = checkpoint.stat().st_mtime_ns if begun else 0
        process = start([*flags, *more])
        # Random moments count from the first sign of training: the start takes several times as long.
        while process.poll() is None and not (checkpoint.exists() and checkpoint.stat().st_mtime_ns != before):
            time.sleep(0.005)
        wait = draw.uniform(0, training_s / kills)
        deadline = time.monotonic() + wait
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.001)
        if process.poll() is None and killed < kills:
            os.kill(process.pid, signal.SIGKILL)
            killed += 1
        _, err = process.communicate(timeout=300)
        check_readable(folder)
        if victim is not None:
            assert f"died, process {victim} on {socket.gethostname()}, last seen 20" in err.decode()
        victim = process.pid if process.returncode == -signal.SIGKILL else None
        if process.returncode == 0:
            return killed
        assert process.returncode == -signal.SIGKILL, err.decode()[-3000:]
    raise AssertionError("the run never ends")


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_run_ends_as_if_it_never_was(tiny: Any, read_json: Any, tmp_path: Path, kills: int) -> None:
    process = start([*tiny.flags(tmp_path / "whole"), *FLAGS])
    checkpoint = tmp_path / "whole" / "checkpoints" / "last.ckpt"
    while process.poll() is None and not checkpoint.exists():
        time.sleep(0.005)
    begun = time.monotonic()
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err.decode()[-3000:]
    training_s = time.monotonic() - begun

    flags = [*tiny.flags(tmp_path / "parts"), *FLAGS]
    assert kill_and_go_on(tmp_path / "parts", flags, kills, seed=kills, training_s=training_s) >= min(3, kills)
    assert (tmp_path / "parts" / ADAPTER).read_bytes() == (tmp_path / "whole" / ADAPTER).read_bytes()
    assert read_json(tmp_path / "parts" / "run_meta.json")["status"] == "completed"
