"""The table "What works together" of docs/training.md: what can run on a CPU does, the rest is refused in its words."""

import json
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

QUANTIZATIONS, PACKINGS, PRECISIONS = (
    ("nf4", "none", "int8"),
    ("none", "sequence", "shared_prefix"),
    ("32-true", "bf16-mixed"),
)
CELLS = list(product(QUANTIZATIONS, PACKINGS, PRECISIONS))
FEW = [("nf4", "sequence", "bf16-mixed"), ("int8", "shared_prefix", "32-true"), ("none", "none", "bf16-mixed")]

# All cells of Unsloth in one process: it cannot share one with another backend, and its import takes long.
UNSLOTH = """
import json, sys
from text2sql_lightning.__main__ import main
cells, flags, folder = json.loads(sys.argv[1])
for number, cell in enumerate(cells):
    assert main(["fit", *flags, *cell, "--model.backend", "unsloth", "--output_dir", f"{folder}/{number}"]) == 0, cell
"""


def settings(quantization: str, packing: str, precision: str) -> list[str]:
    cell = ["--model.quantization", quantization, "--data.packing", packing, "--trainer.precision", precision]
    cell += ["--trainer.gradient_clip_val", "1.0"]
    return [*cell, "--trainer.max_steps", "2", "--execution_accuracy.fit_examples", "2"]


def check(folder: Path, backend: str, cell: tuple[str, str, str]) -> None:
    meta = json.loads((folder / "run_meta.json").read_text(encoding="utf-8"))
    assert (meta["status"], meta["backend"], meta["quantization"], meta["precision"]) == (
        "completed",
        backend,
        cell[0],
        cell[2],
    )
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert 5 < metrics["train/loss"] < 7  # ln(512) = 6.24: a random model of 512 tokens
    assert metrics["val/num_scored"] == 2


@pytest.mark.parametrize(
    "cell", [cell if cell in FEW else pytest.param(cell, marks=pytest.mark.slow) for cell in CELLS], ids="-".join
)
def test_transformers(tiny: Any, text2sql: Any, tmp_path: Path, cell: Any) -> None:
    done = text2sql("fit", *tiny.flags(tmp_path / "run"), *settings(*cell))
    assert done.code == 0, done.err[-3000:]
    check(tmp_path / "run", "transformers", cell)


@pytest.mark.slow
def test_unsloth(tiny: Any, shell: Any, tmp_path: Path) -> None:
    if find_spec("unsloth") is None:
        pytest.skip("unsloth is not installed; `make setup` installs it")
    cells = [cell for cell in CELLS if cell[0] != "int8"]
    job = json.dumps([[settings(*cell) for cell in cells], tiny.flags(Path("unused")), str(tmp_path)])
    done = shell("-c", UNSLOTH, job, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]
    for number, cell in enumerate(cells):
        check(tmp_path / str(number), "unsloth", cell)


@pytest.mark.slow
@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[1] != "sequence"], ids="-".join)
def test_two_processes(tiny: Any, shell: Any, tmp_path: Path, cell: Any) -> None:
    ddp = ["--trainer.devices", 2, "--trainer.strategy", "ddp"]
    done = shell("-m", "text2sql_lightning", "fit", *tiny.flags(tmp_path / "run"), *settings(*cell), *ddp)
    assert done.returncode == 0, done.stderr[-3000:]
    check(tmp_path / "run", "transformers", cell)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--trainer.strategy", "fsdp"], "use --trainer.strategy ddp"),
        (["--trainer.strategy", "deepspeed_stage_2"], "use --trainer.strategy ddp"),
        (["--trainer.strategy", "lightning.pytorch.strategies.ModelParallelStrategy"], "use --trainer.strategy ddp"),
        (["--trainer.precision", "bf16-true"], "use --trainer.precision bf16-mixed"),
        (["--trainer.precision", "16-true"], "use --trainer.precision 16-mixed"),
        (["--trainer.precision", "64-true"], "use --trainer.precision 32-true"),
        (["--trainer.precision", "16-mixed"], "needs a GPU: leave it out for 32-true"),
    ],
)
def test_refused_before_anything_is_loaded(tiny: Any, text2sql: Any, tmp_path: Path, flags: Any, words: str) -> None:
    done = text2sql("fit", *tiny.flags(tmp_path / "run"), "--model.base_model", "nobody/nothing", *flags)
    assert words in done.error
    assert not (tmp_path / "run").exists()
