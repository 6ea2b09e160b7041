"""The diffs of docs/first_contribution.md, applied to a copy of the package and used."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "first_contribution.md"


def apply(diff: str, root: Path) -> list[str]:
    """Apply a diff whose hunks are found by their text, not by their line numbers; return the files it touches."""
    touched = []
    for part in re.split(r"^--- .*\n(?=\+\+\+ )", diff, flags=re.MULTILINE)[1:]:
        name, *hunks = re.split(r"^@@ .*\n", part, flags=re.MULTILINE)
        path = root / name.removeprefix("+++ b/").strip()
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for hunk in hunks:
            lines = hunk.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[:1] in " -")
            new = "".join(line[1:] for line in lines if line[:1] in " +")
            assert text.count(old) == 1 or not old, f"{path.name}: {old!r} is there {text.count(old)} times"
            text = text.replace(old, new, 1) if old else new
        path.write_text(text, encoding="utf-8")
        touched.append(path.name)
    return touched


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    root = tmp_path_factory.mktemp("contribution")
    shutil.copytree(ROOT / "text2sql_lightning", root / "text2sql_lightning")
    shutil.copytree(ROOT / "configs", root / "configs")
    diffs = re.findall(r"```diff\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return root, [apply(diff, root) for diff in diffs]


def run(root: Path, *arguments: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def test_what_each_addition_touches(changed: Any) -> None:
    assert changed[1] == [
        ["count.py", "__main__.py"],
        ["text_rows.py", "sources.py"],
        ["results.py"],
        ["milestones.py"],
        ["eager.py", "settings.py"],
    ]


def test_command_and_source(changed: Any) -> None:
    root = changed[0]
    lines = []
    for number in range(40):
        lines += [f"How many wines of grape {number} are there?", f"CREATE TABLE wine_{number} (grape INTEGER)"]
        lines.append(f"SELECT COUNT(*) FROM wine_{number} WHERE grape = {number}")
    (root / "rows.txt").write_text("\n".join(lines))
    flags = ["--input_text", "rows.txt", "--distractors", 0, "--out_dir", root / "records"]
    done = run(root, "-m", "text2sql_lightning", "build", *flags)
    assert done.returncode == 0, done.stderr
    counted = run(root, "-m", "text2sql_lightning", "count", root / "records" / "train.jsonl")
    read = len((root / "records" / "train.jsonl").read_text().splitlines())
    assert (counted.stdout, counted.stderr) == (f"{read} records\n", "")
    assert "count the records of a file" in run(root, "-m", "text2sql_lightning", "--help").stdout


def test_metric_callback_and_backend(changed: Any, tiny: Any, tmp_path: Path) -> None:
    root = changed[0]
    flags = [*tiny.flags(tmp_path / "run"), "--model.backend", "eager"]
    callback = "--trainer.callbacks+=text2sql_lightning.callbacks.milestones.Milestones"
    fitted = run(root, "-m", "text2sql_lightning", "fit", *flags, callback, "--trainer.callbacks.tokens", 100)
    assert fitted.returncode == 0, fitted.stderr[-2000:]
    assert "00 tokens seen" in fitted.stdout + fitted.stderr
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert 0 <= metrics["val/answered"] <= 1
    assert json.loads((tmp_path / "run" / "run_meta.json").read_text())["backend"] == "eager"
