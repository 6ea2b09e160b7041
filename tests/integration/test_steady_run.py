"""A long fit takes no more memory, files, threads or processes at its end than in its middle."""

import threading
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from lightning.pytorch import Callback

pytestmark = pytest.mark.integration

_PROC = Path("/proc/self")
needs_proc = pytest.mark.skipif(not (_PROC / "fd").is_dir(), reason="counts open files in /proc")


class Meter(Callback):
    """Notes at each fiftieth step what the process holds."""

    def __init__(self) -> None:
        self.seen: list[dict[str, int]] = []

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step % 50 == 0:
            self.seen.append(held())


def held() -> dict[str, int]:
    """Resident memory in KiB, and numbers of open files, threads (Python's and the system's) and child processes."""
    status = dict(line.split(":", 1) for line in (_PROC / "status").read_text().splitlines())
    children = sum(len(path.read_text().split()) for path in (_PROC / "task").glob("*/children"))
    return {
        "rss": int(status["VmRSS"].split()[0]),
        "files": len(list((_PROC / "fd").iterdir())),
        "threads": int(status["Threads"]),
        "python_threads": threading.active_count(),
        "children": children,
    }


def train(text2sql: Any, tiny: Any, folder: Path, steps: int, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """Run the real command with a meter among its callbacks; validations and checkpoints in between."""
    from text2sql_lightning.commands import cli

    meter = Meter()
    instantiate = cli.Text2SQLCLI.instantiate_trainer

    def with_meter(self: Any, **kwargs: Any) -> Any:
        trainer = instantiate(self, **kwargs)
        trainer.callbacks.insert(0, meter)
        return trainer

    monkeypatch.setattr(cli.Text2SQLCLI, "instantiate_trainer", with_meter)
    done = text2sql(
        "fit",
        *tiny.flags(folder),
        "--trainer.max_steps",
        steps,
        "--checkpoint.every_n_steps",
        50,
        "--trainer.val_check_interval",
        100,
        "--trainer.check_val_every_n_epoch",
        "null",
        "--trainer.limit_val_batches",
        1,
        "--execution_accuracy.fit_examples",
        2,
        "--sample_generations.num_samples",
        1,
    )
    assert done.code == 0, done.err[-3000:]
    assert len(meter.seen) == steps // 50
    return meter.seen


@needs_proc
def test_200_steps_leave_nothing_open(
    text2sql: Any, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held()
    seen = train(text2sql, tiny, tmp_path / "run", 200, monkeypatch)
    for name in ("files", "threads", "python_threads", "children"):
        assert seen[-1][name] <= seen[1][name], (name, seen)
    assert held()["files"] <= before["files"] + 5, (before, held())


@needs_proc
@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_2000_steps_take_no_more_at_their_end(
    text2sql: Any, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = train(text2sql, tiny, tmp_path / "run", 2000, monkeypatch)
    half = len(seen) // 2
    for name in ("files", "threads", "python_threads", "children"):
        assert seen[-1][name] <= seen[half][name], (name, seen)
    memory = [entry["rss"] for entry in seen]
    middle, end = median(memory[half - 2 : half + 3]), median(memory[-5:])
    assert end < 1.02 * middle, memory
    print(f"resident memory: {middle:.0f} KiB after half of the steps, {end:.0f} KiB at the end")
