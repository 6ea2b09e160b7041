"""run_meta.json from start to end, however a run ends."""

import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.errors import RunError
from text2sql_lightning.runs import run_meta
from text2sql_lightning.runs.run_meta import RunMeta, git_state, hardware, package_versions

pytestmark = pytest.mark.unit

CONFIG = {
    "seed_everything": 7,
    "output_dir": "out",
    "model": {"base_model": "owner/model", "backend": "auto", "quantization": "nf4"},
    "data": {"train_path": "train.jsonl", "val_path": None},
    "trainer": {"precision": "32-true"},
}


@pytest.fixture
def run(tmp_path: Path) -> Any:
    return RunMeta(tmp_path, "train", CONFIG, ["text2sql", "fit"])


def read(run: Any) -> Any:
    return json.loads(run.path.read_text(encoding="utf-8"))


def test_fields_of_the_start(run: Any) -> None:
    run.begin()
    meta = read(run)
    expected = {
        "format_version": 1,
        "mode": "train",
        "status": "running",
        "error": None,
        "base_model": "owner/model",
        "backend": "auto",
        "quantization": "nf4",
        "precision": "32-true",
        "train_path": "train.jsonl",
        "val_path": None,
        "output_dir": "out",
        "config": CONFIG,
        "seed": 7,
        "num_train_examples": None,
        "num_val_examples": None,
        "data_sha256": {},
        "world_size": 1,
        "finished_at": None,
        "wall_time_s": None,
        "tokens_seen": 0,
        "target_tokens_seen": 0,
        "peak_memory_bytes": None,
        "command": ["text2sql", "fit"],
        "decontaminated": None,
        "dropped": {},
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "wandb_run_id": None,
    }
    assert {key: meta[key] for key in expected} == expected
    assert {"prompt_sha256", "git_commit", "git_dirty", "versions", "hardware", "started_at", "heartbeat_at"} == set(
        meta
    ) - set(expected)
    assert meta["started_at"].endswith("+00:00")


def test_the_heartbeat_goes_on_until_the_end(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_meta, "HEARTBEAT_S", 0.01)
    times = iter(f"2100-01-01T00:00:{second:02}+00:00" for second in range(60))
    monkeypatch.setattr(run_meta, "now", lambda: next(times, "2100-01-01T00:01:00+00:00"))
    before = set(threading.enumerate())
    run.begin()
    (heartbeat,) = set(threading.enumerate()) - before
    deadline = time.monotonic() + 10
    while read(run)["heartbeat_at"] < "2100-01-01T00:00:03" and time.monotonic() < deadline:
        time.sleep(0.01)
    run.finish("completed")
    assert "2100-01-01T00:00:03" <= read(run)["heartbeat_at"] < read(run)["finished_at"] <= "2100-01-01T00:01:00+00:00"
    heartbeat.join(10)
    assert not heartbeat.is_alive()


def test_a_run_that_completes(run: Any) -> None:
    run.begin()
    run.update(num_train_examples=24)
    assert read(run)["num_train_examples"] == 24
    run.meta["tokens_seen"] = 99
    run.finish("completed")
    meta = read(run)
    assert (meta["status"], meta["error"], meta["tokens_seen"]) == ("completed", None, 99)
    assert meta["wall_time_s"] >= 0
    assert meta["peak_memory_bytes"] > 1_000_000
    assert meta["finished_at"] >= meta["started_at"]


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (RunError("the loss is nan\nmore"), "failed", "RunError: the loss is nan"),
        (ValueError(), "failed", "ValueError: "),
        (KeyboardInterrupt(), "interrupted", "interrupted"),
        (SystemExit(1), "interrupted", "interrupted"),
    ],
)
def test_a_run_that_does_not(run: Any, error: Any, status: Any, text: Any) -> None:
    run.begin()
    run.fail(error)
    assert (read(run)["status"], read(run)["error"]) == (status, text)


def test_the_first_end_counts(run: Any) -> None:
    run.begin()
    run.fail(KeyboardInterrupt())
    run.fail(SystemExit(1))
    run.finish("completed")
    run.update(num_train_examples=3)
    assert read(run)["status"] == "interrupted"
    assert read(run)["num_train_examples"] is None


def test_facts() -> None:
    versions = package_versions()
    assert {"python", "torch", "lightning", "transformers", "peft", "bitsandbytes", "unsloth"} <= set(versions)
    assert versions["python"].startswith("3.")
    assert {"platform", "cpus"} <= set(hardware())
    assert set(git_state()) == {"git_commit", "git_dirty"}
