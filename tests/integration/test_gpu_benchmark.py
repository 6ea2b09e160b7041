"""The GPU benchmark, tried on a CPU: every path of transformers and ours on it sees the same rows and the same loss."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration


def test_it_runs_and_losses_agree(shell: Any, tmp_path: Path) -> None:
    out = tmp_path / "gpu_benchmark.json"
    flags = ["--allow_cpu", "--libraries", "transformers", "--steps", "1", "--out", str(out)]
    done = shell("scripts/bench/gpu_benchmark.py", *flags)
    assert done.returncode == 0, done.stderr[-4000:]
    results = {row["path"]: row for row in json.loads(out.read_text())["results"]}
    assert list(results) == [
        "transformers",
        "ours, transformers",
        "ours, transformers, shared",
        "ours, transformers, shared, no recompute",
    ]
    reference = results["transformers"]
    for row in results.values():
        assert row["loss"] == pytest.approx(reference["loss"], rel=1e-5)
        assert row["gradient_norm"] == pytest.approx(reference["gradient_norm"], rel=1e-4)
    assert results["ours, transformers, shared"]["distinct_tokens"] < reference["distinct_tokens"] == 480
    assert "| 120 | ours, transformers, shared |" in done.stdout
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_without_a_gpu_it_says_so(shell: Any) -> None:
    done = shell("scripts/bench/gpu_benchmark.py")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "error: gpu_benchmark: there is no CUDA GPU here; --allow_cpu tries the script with a tiny model"
    )
