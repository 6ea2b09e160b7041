"""Execution accuracy during `fit`: what it logs, and that it can choose the checkpoint and end the run."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.integration

MONITOR = ["--checkpoint.monitor", "val/execution_accuracy", "--checkpoint.mode", "max"]
STOP = [
    "--trainer.callbacks+=EarlyStopping",
    "--trainer.callbacks.monitor=val/execution_accuracy",
    "--trainer.callbacks.mode=max",
    "--trainer.callbacks.patience=1",
]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, tiny: Any, read_lines: Any) -> list[int]:
    """Let the model know the first n answers of `val` at each validation: 1, then 4, then 2, and so on."""
    from text2sql_lightning.module import Text2SQLModule
    from text2sql_lightning.text.prompts import build_prompt

    known = [1, 4, 2, 4, 6, 6]
    order = [build_prompt(row["instruction"], row["input"]) for row in read_lines(tiny.val)]
    golds = [row["output"] for row in read_lines(tiny.val)]

    def generate(self: Any, prompts: Any, progress: bool = False) -> Any:
        if len(prompts) < len(order):  # of SampleGenerations
            return [SimpleNamespace(sql="", raw="", num_tokens=1) for _ in prompts]
        right = known.pop(0)
        texts = [golds[i] if (i := order.index(prompt)) < right else "SELECT nothing" for prompt in prompts]
        return [SimpleNamespace(sql=text, raw=text, num_tokens=1) for text in texts]

    monkeypatch.setattr(Text2SQLModule, "generate", generate)
    return known


def column(folder: Path, name: str) -> list[float]:
    (path,) = (folder / "logs").rglob("metrics.csv")
    with path.open(encoding="utf-8") as file:
        return [float(row[name]) for row in csv.DictReader(file) if row.get(name)]


def test_the_best_checkpoint_and_the_end_of_the_run(
    tiny: Any, text2sql: Any, read_json: Any, answers: list[int], tmp_path: Path
) -> None:
    """4 steps an epoch: validated at 4 (1 of 6 right), 8 (4 of 6) and 12 (2 of 6), where it ends."""
    import torch

    flags = ["--trainer.max_steps", 40, "--trainer.max_epochs", -1, *MONITOR, *STOP]
    done = text2sql("fit", *tiny.flags(tmp_path), *flags)
    assert done.code == 0, done.err
    assert column(tmp_path, "val/execution_accuracy") == pytest.approx([1 / 6, 4 / 6, 2 / 6])
    steps = [
        torch.load(tmp_path / "checkpoints" / f"{name}.ckpt", weights_only=True)["global_step"]
        for name in ("best", "last")
    ]
    assert steps == [8, 12]
    metrics = read_json(tmp_path / "metrics.json")
    assert metrics["val/valid_sql"] == metrics["val/schema_adherence"] == pytest.approx(2 / 6)
    assert metrics["val/num_scored"] == 6
    assert metrics["val/execution_accuracy_seconds"] > 0
    assert {name for name in metrics if name.startswith("val/execution_accuracy_")} == {
        "val/execution_accuracy_case_blind",
        "val/execution_accuracy_easy",
        "val/execution_accuracy_seconds",
    }


def test_a_monitor_without_records(tiny: Any, text2sql: Any, tmp_path: Path) -> None:
    done = text2sql("fit", *tiny.flags(tmp_path), *MONITOR, "--execution_accuracy.fit_examples", 0)
    assert "execution_accuracy.fit_examples is 0" in done.error


def test_two_processes_monitor_the_same_values(
    shell: Any, tiny: Any, read_json: Any, read_lines: Any, tmp_path: Path
) -> None:
    """Each process stops and keeps checkpoints by what it logs itself: it has to be there, and equal, on both."""
    ddp = ["--trainer.devices", 2, "--trainer.strategy", "ddp", "--trainer.max_steps", 8, "--trainer.max_epochs", -1]
    done = shell("-m", "text2sql_lightning", "fit", *tiny.flags(tmp_path / "two"), *ddp, *MONITOR, *STOP)
    assert done.returncode == 0, done.stderr[-3000:]
    assert read_json(tmp_path / "two" / "run_meta.json")["world_size"] == 2
    assert column(tmp_path / "two", "val/execution_accuracy") == [0.0, 0.0]  # stopped after the second validation
    assert read_json(tmp_path / "two" / "metrics.json")["val/num_scored"] == 6
    done = shell("-m", "text2sql_lightning", "validate", *tiny.flags(tmp_path / "two"), *ddp[:4], "--ckpt_path", "best")
    assert done.returncode == 0, done.stderr[-3000:]
    rows = read_lines(tmp_path / "two" / "validate" / "predictions.jsonl")
    assert [row["id"] for row in rows] == [json.loads(line)["id"] for line in tiny.val.read_text().splitlines()]
