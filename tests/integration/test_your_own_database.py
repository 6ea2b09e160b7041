"""docs/your_own_database.md: its database, its pairs and its commands, with a tiny model."""

import json
import re
import runpy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.commands.build import main
from text2sql_lightning.data.records import read_records

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "your_own_database.md").read_text(encoding="utf-8")


def block(language: str, at: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[at]


COMMANDS = [shlex.split(line) for line in block("bash").splitlines()]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "make_shop.py").write_text(block("python"))
    (tmp_path / "pairs.csv").write_text(block("csv"))
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    runpy.run_path("make_shop.py")
    return tmp_path


def test_five_commands() -> None:
    assert [command[:2] for command in COMMANDS] == [
        ["text2sql", "build"],
        ["python", "-c"],
        ["text2sql", "fit"],
        ["text2sql", "validate"],
        ["text2sql", "ask"],
    ]


def test_from_pairs_to_a_tuned_adapter(folder: Path, text2sql: Callable[..., Any], tiny_llama_dir: Path) -> None:
    before = (folder / "shop.sqlite").read_bytes()
    assert main([*COMMANDS[0][2:], "--workers", "1"]) == 0
    assert (folder / "shop.sqlite").read_bytes() == before
    train, val = (read_records(folder / "data" / "shop" / f"{split}.jsonl") for split in ("train", "val"))
    assert (len(train), len(val)) == (24, 6)
    report = json.loads((folder / "data" / "shop" / "dataset_report.json").read_text())
    assert (report["rows_read"], report["rows_dropped"]) == (30, 0)
    tiny = (
        "--model.base_model",
        tiny_llama_dir,
        "--model.quantization",
        "none",
        "--model.generation.max_new_tokens",
        4,
    )
    fitted = text2sql(*COMMANDS[2][1:], *tiny, "--trainer.max_steps", 2)
    assert fitted.code == 0, fitted.err[-2000:]
    assert (folder / "outputs" / "shop" / "adapters" / "adapter_model.safetensors").is_file()
    validated = text2sql(*COMMANDS[3][1:], *tiny)
    assert validated.code == 0, validated.err[-2000:]
    metrics = json.loads((folder / "outputs" / "shop" / "validate" / "metrics.json").read_text())
    assert metrics["val/num_scored"] == 6


def test_the_values_that_the_page_shows(folder: Path) -> None:
    samples = ["--sample_values", "3", "--exclude_columns", "customer.name"]
    assert main([*COMMANDS[0][2:], "--workers", "1", *samples]) == 0
    shown = block("sql").strip().removesuffix(")")
    assert read_records(folder / "data" / "shop" / "train.jsonl")[0].context.startswith(shown)


def test_the_mix_that_the_page_shows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from text2sql_lightning.data.sources import RawRow
    from text2sql_lightning.prepare import sources

    rows = [
        RawRow(
            f"How big is {n}?",
            f"CREATE TABLE t{n} (c{n} INTEGER)",
            f"SELECT c{n} FROM t{n}",
            n,
            "b-mc2/sql-create-context",
        )
        for n in range(600)
    ]
    monkeypatch.setattr(sources, "hub_rows", lambda: iter(rows))
    assert main([*shlex.split(block("bash", 1))[2:], "--workers", "1"]) == 0
    train = read_records(folder / "data" / "mixed" / "train.jsonl")
    own = sum(record.source == "shop.sqlite" for record in train)
    assert abs(own / len(train) - 0.1) < 0.01
