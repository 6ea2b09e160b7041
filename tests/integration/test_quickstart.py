"""The main job at full size: what `make quickstart` promises, on the embedded sample and on real rows."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
REAL_ROWS = ROOT.parent / "shared" / "data" / "sql_create_context" / "rows.jsonl.gz"


def quickstart(out: Path, *more: str) -> dict[str, Any]:
    command = [sys.executable, "scripts/quickstart.py", "--out", str(out), *more]
    subprocess.run(command, cwd=ROOT, check=True)
    result: dict[str, Any] = json.loads((out / "quickstart.json").read_text(encoding="utf-8"))
    return result


def check(result: dict[str, Any], out: Path) -> None:
    assert result["n"] >= 150
    assert result["schemas"] >= 12
    base, tuned = result["base"], result["tuned"]
    assert tuned["execution_accuracy"] >= 0.50
    assert tuned["execution_accuracy"] >= base["execution_accuracy"] + 0.35
    for part in (base, tuned):
        assert {"execution_accuracy", "execution_accuracy_case_blind", "exact_match", "interval_95"} <= set(part)
        assert sum(level["n"] for level in part["by_hardness"].values()) == result["n"]
    meta = json.loads((out / "run" / "run_meta.json").read_text(encoding="utf-8"))
    assert meta["status"] == "completed"
    assert meta["peak_memory_bytes"] <= 8 * 1024**3
    assert "val/loss" in json.loads((out / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert (out / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_embedded_sample(tmp_path: Path) -> None:
    check(quickstart(tmp_path), tmp_path)


def test_real_rows(tmp_path: Path) -> None:
    if not REAL_ROWS.exists():
        pytest.skip("needs the reference data beside the repository")
    check(quickstart(tmp_path, "--rows", str(REAL_ROWS)), tmp_path)
