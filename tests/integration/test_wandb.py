"""An offline W&B run is read back from its file: one run with all that its users look for, and no secret."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from reference.wandb_file import RunFile, read_run

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
STEPS = 4
SECRETS = {"WANDB_API_KEY": "c0ffee" * 6 + "dead", "HF_TOKEN": "hf_MarkedDummyTokenOfTheTest"}
GIT_PASSWORD = "MarkedDummyPasswordOfTheRemote"
LEVELS = ("easy", "medium", "hard", "extra")
CHARTS = {
    "train/loss",
    "train/token_accuracy",
    "train/learning_rate",
    "train/gradient_norm",
    "train/target_tokens",
    "train/tokens_per_second",
    "train/target_tokens_per_second",
    "train/memory_gib",
    "val/loss",
    "val/token_accuracy",
    "val/execution_accuracy",
    "val/execution_accuracy_case_blind",
    "val/exact_match",
    "val/valid_sql",
    "val/schema_adherence",
    "val/num_scored",
    "val/execution_accuracy_seconds",
    *(f"val/execution_accuracy_{level}" for level in LEVELS),
}
LOGGERS = {
    "trainer": {
        "logger": [
            {"class_path": "lightning.pytorch.loggers.WandbLogger", "init_args": {"project": "tests"}},
            {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": ".", "name": "csv"}},
            {
                "class_path": "lightning.pytorch.loggers.TensorBoardLogger",
                "init_args": {"save_dir": ".", "name": "tensorboard"},
            },
        ]
    }
}


@dataclass(frozen=True)
class Fit:
    """A finished fit: its folder, its W&B run and what it printed."""

    folder: Path
    run: RunFile
    err: str


@pytest.fixture(scope="module")
def data(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset as the builder leaves it: records, of which val has all hardnesses, beside a report."""
    folder = tmp_path_factory.mktemp("data") / "processed"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(tiny.train.read_bytes())
    rows = [json.loads(line) for line in tiny.val.read_text().splitlines()]
    rows = [row | {"meta": {"hardness": LEVELS[index % 4]}} for index, row in enumerate(rows)]
    (folder / "val.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "dataset_report.json").write_text('{"rows_read": 14}\n')
    return folder


@pytest.fixture(scope="module")
def fit(tiny: Any, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Fit:
    """In a process of its own, in a checkout whose remote has a password, with keys in the environment."""
    place = tmp_path_factory.mktemp("wandb_fit")
    for command in (["init", "-q"], ["remote", "add", "origin", f"https://me:{GIT_PASSWORD}@example.com/me/it.git"]):
        subprocess.run(["git", *command], cwd=place, check=True)
    (place / "loggers.yaml").write_text(yaml.safe_dump(LOGGERS))
    folder = place / "out"
    flags = [*tiny.flags(folder), "--config", "loggers.yaml", "--trainer.max_steps", STEPS]
    flags += ["--data.train_path", data / "train.jsonl", "--data.val_path", data / "val.jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "text2sql_lightning", "fit", *(str(flag) for flag in flags)],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | SECRETS | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    files = list(folder.rglob("*.wandb"))
    assert len(files) == 1
    return Fit(folder, read_run(files[0]), done.stderr)


def history(fit: Fit) -> dict[tuple[str, int], float]:
    return {
        (name, int(row["trainer/global_step"])): value
        for row in fit.run.history
        for name, value in row.items()
        if name in CHARTS
    }


def test_the_run_with_its_configuration(fit: Fit, tiny: Any, read_json: Any) -> None:
    assert read_json(fit.folder / "run_meta.json")["wandb_run_id"] == fit.run.run_id != ""
    assert (fit.run.project, fit.run.exit_code) == ("tests", 0)
    expected = {
        "model.learning_rate": 2e-4,
        "model.lora.r": 16,
        "model.base_model": str(tiny.base_model),
        "trainer.max_steps": STEPS,
        "data.max_seq_length": 1024,
        "seed_everything": 42,
    }
    assert {name: fit.run.config[name] for name in expected} == expected


def test_charts(fit: Fit) -> None:
    found = history(fit)
    assert {name for name, _ in found} == CHARTS
    assert sorted(step for name, step in found if name == "train/loss") == [0, 1, 2, 3]
    assert not any(name.startswith(("train/train/", "val/val/")) for row in fit.run.history for name in row)
    assert fit.run.x_axis["*"] == "trainer/global_step"
    assert any("memory" in name for name in fit.run.system)
    assert any("cpu" in name for name in fit.run.system)


def test_other_loggers_hold_the_same_numbers(fit: Fit) -> None:
    import csv

    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    expected = history(fit)
    with (fit.folder / "csv" / "version_0" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(name, int(row["step"])): float(row[name]) for row in rows for name in CHARTS if row[name]}
    assert found == pytest.approx(expected, rel=1e-6)
    events = EventAccumulator(str(fit.folder / "tensorboard" / "version_0"))
    events.Reload()
    found = {(name, event.step): event.value for name in CHARTS for event in events.Scalars(name)}
    assert found == pytest.approx(expected, rel=1e-6)


def test_the_dashboard_shows_what_is_logged(fit: Fit) -> None:
    """Each of its metrics but one is in a run; and what a user looks for first is on it."""
    from dev.wandb_dashboard import metrics_of

    definition = yaml.safe_load((ROOT / "configs" / "dashboard" / "wandb.yaml").read_text(encoding="utf-8"))
    charts = [name for part in definition["sections"] for chart in part["charts"] for name in metrics_of(chart)]
    tables = [name for part in definition["sections"] for name in part.get("tables", [])]
    assert set(charts) - CHARTS == {"train/mfu"}  # needs a GPU
    assert {"train/loss", "val/loss", "train/learning_rate", "train/gradient_norm"} <= set(charts)
    assert all(any(f"{name}.path" in row for row in fit.run.history) for name in tables)
    assert all(definition["x_axis"] in row for row in fit.run.history)


def test_table_of_sample_generations(fit: Fit, read_json: Any, read_lines: Any) -> None:
    logged = [row for row in fit.run.history if "val/samples.path" in row]
    samples = read_lines(fit.folder / "samples.jsonl")
    assert [row["trainer/global_step"] for row in logged] == [STEPS] == sorted({row["step"] for row in samples})
    files = next(fit.folder.glob("wandb/offline-run-*/files"))
    table = read_json(files / logged[-1]["val/samples.path"])
    assert table["columns"] == ["step", "id", "question", "gold", "predicted"]
    assert table["data"] == [[row[name] for name in table["columns"]] for row in samples]
    assert len(samples) == 4


def test_artifacts(fit: Fit, data: Path) -> None:
    """The dataset's report goes into the run, the configuration and the adapter come out of it."""
    run_id = fit.run.run_id
    found = {artifact.name: artifact for artifact in fit.run.artifacts if not artifact.type.startswith("run_table")}
    assert {name: (artifact.type, artifact.use_after_commit) for name, artifact in found.items()} == {
        "dataset-processed": ("dataset", True),
        f"config-{run_id}": ("config", False),
        f"adapter-{run_id}": ("model", False),
    }
    sources = {
        "dataset-processed": data / "dataset_report.json",
        f"config-{run_id}": fit.folder / "config.yaml",
        f"adapter-{run_id}": fit.folder / "adapters",
    }
    for name, source in sources.items():
        files = sorted(source.iterdir()) if source.is_dir() else [source]
        entries = {entry.path: Path(entry.local_path) for entry in found[name].manifest.contents}
        assert sorted(entries) == [file.name for file in files]
        for file in files:
            assert entries[file.name].is_relative_to(fit.folder / "wandb")  # to be uploaded later
            assert entries[file.name].read_bytes() == file.read_bytes()


def test_sync_command(fit: Fit) -> None:
    command = next(line for line in fit.err.splitlines() if "wandb sync" in line).partition("upload it: ")[2]
    (folder,) = (fit.folder / "wandb").glob("offline-run-*")
    assert command == f"wandb sync {folder}"
    dry = [str(Path(sys.executable).with_name("wandb")), "sync", "--dry-run", str(folder)]
    done = subprocess.run(dry, capture_output=True, text=True, timeout=60, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    assert fit.run.run_id in done.stdout + done.stderr


def test_no_secret_in_any_byte(fit: Fit) -> None:
    secrets = [value.encode() for value in (*SECRETS.values(), GIT_PASSWORD)]
    files = [path for path in fit.folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    leaks = [path for path in files if any(secret in path.read_bytes() for secret in secrets)]
    assert leaks == []
