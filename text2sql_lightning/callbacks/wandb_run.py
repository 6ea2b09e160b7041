"""WandbRun: tables and artifacts of a W&B run, also of one that is kept offline."""

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, WandbLogger
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from text2sql_lightning.callbacks.run_files import RunData, data_of, flatten, plain_metrics
from text2sql_lightning.constants import ADAPTERS_DIR, CONFIG_FILE, SAMPLES_FILE
from text2sql_lightning.errors import RunError
from text2sql_lightning.runs.loggers import WANDB_RUN_ID
from text2sql_lightning.runs.run_meta import RunMeta

if TYPE_CHECKING:
    from wandb import Run

SAMPLE_TABLE: Final = "val/samples"
SAMPLE_COLUMNS: Final = ("step", "id", "question", "gold", "predicted")
MOST_SAMPLES: Final = 400
"""Rows of the table, the newest ones: it is written anew at each validation."""
ROWS_OF_A_PART: Final = 1_000_000
"""Numbers that a part of a resumed offline run has for its rows."""
DATASET_REPORT: Final = "dataset_report.json"


class WandbRun(Callback):
    """Logs to W&B what its users look for, besides the metrics that every logger gets.

    The configuration as flat `model.learning_rate` keys, from the start on; after each validation of a fit the table
    `val/samples` with the answers so far; as artifacts `config.yaml`, the report of the dataset, as an input, where it
    lies in the folder of the training records, and the adapter of a fit that has come to its end. The id of the run is
    kept in `run_meta.json`.

    Args:
        run: The keeper of `run_meta.json`.
    """

    def __init__(self, run: RunMeta) -> None:
        self.run = run
        self.folder = run.path.parent

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Log what runs, on the first process; before the model is loaded, so that a failed load is seen as well."""
        for logger in _loggers(trainer):
            logger.log_hyperparams(flatten(self.run.meta["config"]))
            run = logger.experiment
            self.run.update(**{WANDB_RUN_ID: run.id})
            _count_on(run)
            if stage == "fit":
                log_artifact(run, f"config-{run.id}", "config", self.folder / CONFIG_FILE, {})
                _log_dataset(run, data_of(trainer))

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show what the model answers to the same questions as training goes on."""
        samples = self.folder / SAMPLES_FILE
        if trainer.state.fn != "fit" or trainer.sanity_checking or not samples.is_file():
            return
        for logger in _loggers(trainer):
            with _staged_in_run_folder(logger.experiment):
                logger.log_table(SAMPLE_TABLE, list(SAMPLE_COLUMNS), sample_rows(samples), step=trainer.global_step)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the adapter."""
        scores = {name: value for name, value in plain_metrics(trainer).items() if name.startswith("val/")}
        for logger in _loggers(trainer):
            run = logger.experiment
            log_artifact(run, f"adapter-{run.id}", "model", self.folder / ADAPTERS_DIR, scores)


def _loggers(trainer: Trainer) -> list[WandbLogger]:
    """The W&B loggers that write: on the first process only, and not where W&B is switched off."""
    if not trainer.is_global_zero:
        return []
    found = [logger for logger in trainer.loggers if isinstance(logger, WandbLogger)]
    return [logger for logger in found if not logger.experiment.disabled]


def _log_dataset(run: "Run", data: RunData) -> None:
    report = Path(data.paths["train"] or "").parent / DATASET_REPORT
    if not data.paths["train"] or not report.is_file():
        return
    metadata = {f"{split}_sha256": data.file_sha256(split) for split in ("train", "val")}
    name = re.sub(r"[^\w.-]", "-", report.resolve().parent.name)
    log_artifact(run, f"dataset-{name}", "dataset", report, metadata, is_input=True)


def log_artifact(
    run: "Run", name: str, kind: str, path: Path, metadata: Mapping[str, object], is_input: bool = False
) -> None:
    """Log a file or a folder as an artifact. A run does not end where that fails: there is a warning.

    Args:
        run: The W&B run.
        name: The artifact's name in the project.
        kind: Its type: model, dataset, config.
        path: The file, or the folder with all its files.
        metadata: What to show with it.
        is_input: Whether the run reads it, for the lineage, instead of making it.
    """
    import wandb

    try:
        with _staged_in_run_folder(run):
            artifact = wandb.Artifact(name, kind, metadata=dict(metadata))
            add = artifact.add_dir if path.is_dir() else artifact.add_file
            add(str(path))
            if not is_input:
                run.log_artifact(artifact)
            elif run.offline:
                # `use_artifact` refuses to work offline; this is what it calls, and `wandb sync` makes the input of it.
                run._log_artifact(artifact, is_user_created=True, use_after_commit=True)
            else:
                run.use_artifact(artifact)
    except Exception as error:
        rank_zero_warn(f"W&B: the artifact {name} was not logged: {' '.join(str(error).split())}")


@contextmanager
def _staged_in_run_folder(run: "Run") -> Iterator[None]:
    """Let W&B keep the copies that an offline run will upload next to that run, instead of in the user's home."""
    if not run.offline or "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str(Path(run.dir).resolve().parents[1] / "data")
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]


def sample_rows(path: Path) -> list[list[object]]:
    """Read the newest rows of `samples.jsonl`, without the line that a killed run has left half written."""
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines()[-MOST_SAMPLES:]:
        try:
            row = json.loads(line)
            rows.append([row[name] for name in SAMPLE_COLUMNS])
        except (ValueError, KeyError, TypeError):
            continue
    return rows


def finish_wandb(loggers: Sequence[Logger], *, failed: bool) -> None:
    """End the W&B run of a command, and print how to upload it where it was kept offline.

    Lightning leaves it open, so that the next command of the same process would go on with it.
    """
    for logger in loggers:
        run = logger._experiment if isinstance(logger, WandbLogger) else None
        if run is None:
            continue
        folder, offline = Path(run.dir).parent, run.offline and not run.disabled
        run.finish(exit_code=int(failed))
        if offline:
            rank_zero_info(f"W&B: the run is kept offline; to upload it: {sync_command(folder, run.id)}")


def wandb_problem(error: BaseException) -> RunError | None:
    """Return a message for a user where W&B cannot be reached or does not take the key; None for any other error."""
    errors = sys.modules.get("wandb.errors")
    if errors is None or not isinstance(error, errors.Error):
        return None
    problem = " ".join(str(error).split())
    return RunError(f"W&B: {problem}; to write the run offline and upload it later: WANDB_MODE=offline")


def sync_command(folder: Path, run_id: str) -> str:
    """Return the command that uploads an offline run, from its folder `.../wandb/offline-run-TIME-ID` and its id.

    A fit that was resumed has a folder for each of its parts.
    """
    return shlex.join(["wandb", "sync", *(str(part) for part in _parts(folder, run_id))])


def _count_on(run: "Run") -> None:
    """Number the rows of a resumed offline run apart from earlier ones; without a server W&B counts from 0 again."""
    earlier = len(_parts(Path(run.dir).parent, run.id)) - 1 if run.offline else 0
    if earlier:
        run.log({}, step=earlier * ROWS_OF_A_PART)


def _parts(folder: Path, run_id: str) -> list[Path]:
    return sorted(part for part in folder.parent.glob(f"offline-run-*-{run_id}") if part.is_dir())
