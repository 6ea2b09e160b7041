"""The notebook, as a user runs it: every cell in a kernel of its own, on a tiny model, as a fast dev run."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "finetune_mistral7b_qlora_text2sql.ipynb"
MOST_LINES = 30
PARAMETERS = {
    "MAX_EXAMPLES": 24,
    "MAX_STEPS": 2,
    "BATCH_SIZE": 2,
    "ACCUMULATE": 2,
    "MAX_SEQ_LENGTH": 512,
    "MAX_NEW_TOKENS": 8,
}


@pytest.fixture
def cells() -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return content


def test_committed_without_outputs(cells: list[dict[str, Any]]) -> None:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 10
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"]] == []


def test_cells_are_small(cells: list[dict[str, Any]]) -> None:
    assert max(len(cell["source"]) for cell in cells if cell["cell_type"] == "code") <= MOST_LINES


def test_unsloth_comes_before_everything_that_imports_transformers(cells: list[dict[str, Any]]) -> None:
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    unsloth = next(number for number, source in enumerate(code) if "import unsloth" in source)
    before = "\n".join(code[: unsloth + 1])
    assert "from text2sql_lightning" not in before
    assert "import lightning" not in before
    assert "transformers import" not in before


def test_runs_from_top_to_bottom(tiny_llama_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    out = tmp_path / "out"
    parameters = {**PARAMETERS, "BASE_MODEL": tiny_llama_dir, "OUTPUT_DIR": out}
    for name, value in parameters.items():
        monkeypatch.setenv(f"TEXT2SQL_NOTEBOOK_{name}", str(value))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # a tiny model on busy cores: threads would only wait for each other
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
    )
    client.execute()

    run = out / "run"
    assert (run / "adapters" / "adapter_model.safetensors").is_file()
    assert json.loads((run / "adapters" / "adapter_config.json").read_text())["r"] == 16
    assert {"best.ckpt", "last.ckpt"} <= {path.name for path in (run / "checkpoints").iterdir()}
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"train/loss", "val/loss", "val/execution_accuracy"} <= set(metrics)
    assert len((run / "samples.jsonl").read_text().splitlines()) == 3
    printed = printed_by(notebook)
    assert "2 steps of 4 examples, nf4, r 16" in printed
    assert "step    2  loss" in printed
    assert printed.count("-> right") + printed.count("-> wrong") == 5


def printed_by(notebook: Any) -> str:
    """Everything that the cells wrote to stdout."""
    streams = (
        output for cell in notebook.cells for output in cell.get("outputs", []) if output.get("name") == "stdout"
    )
    return "".join(stream["text"] for stream in streams)
