"""The output folder of a run: reserved before anything is loaded, never overwritten by accident."""

import logging
import os
import shutil
from pathlib import Path
from typing import Final

from text2sql_lightning.constants import (
    ADAPTERS_DIR,
    CHECKPOINTS_DIR,
    CONFIG_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RUN_META_FILE,
    SAMPLES_FILE,
)
from text2sql_lightning.errors import RunError
from text2sql_lightning.files.jsonl import read_json
from text2sql_lightning.runs.run_meta import is_alive

logger = logging.getLogger(__name__)

RUN_FILES: Final = (
    ADAPTERS_DIR,
    CHECKPOINTS_DIR,
    "validate",
    "test",
    "predict",
    "logs",
    "csv",
    "tensorboard",
    "wandb",
    CONFIG_FILE,
    METRICS_FILE,
    PREDICTIONS_FILE,
    SAMPLES_FILE,
    RUN_META_FILE,
)
"""What a run leaves in its folder; `run_meta.json` last, so that a half emptied folder is still known as one."""


def status_of(folder: Path) -> str | None:
    """Return the status of the run in a folder: completed, failed, interrupted, running, or died; None without a run.

    A run died when its file says that it is running and its process is gone. A dry run or a smoke test has trained
    nothing and does not count.

    Raises:
        RunError: `run_meta.json` is there and cannot be read.
    """
    path = folder / RUN_META_FILE
    if not path.exists():
        return None
    try:
        meta = read_json(path)
        status, mode = meta["status"], meta["mode"]
        if status == "running" and not is_alive(meta):
            status = "died"
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read ({error}): give another --output_dir, or --overwrite true") from error
    return None if mode in ("dry_run", "smoke") else str(status)


def reserve_folder(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Check that a fit may write into a folder, and make it. Nothing is deleted yet, see `delete_run_files`.

    Args:
        folder: The output folder.
        resume: Whether the fit goes on with the run in this folder.
        overwrite: Whether a run that is there may be deleted.

    Raises:
        RunError: The folder holds a run and neither was asked for; or one that still runs; or it cannot be written.
    """
    fresh = overwrite and not resume
    if fresh and folder.is_dir() and any(folder.iterdir()) and not (folder / RUN_META_FILE).exists():
        raise RunError(f"--overwrite true: --output_dir {folder} is not empty and holds no run; give another folder")
    try:
        status = status_of(folder)
    except RunError:
        if not (resume or overwrite):
            raise
        status = None
    if status == "running":
        raise RunError(
            f"--output_dir {folder} holds a run that is running, {_whose(folder)}: wait for it, or give another folder"
        )
    if status is not None and not resume and not overwrite:
        can_go_on = status != "completed" and (folder / CHECKPOINTS_DIR / "last.ckpt").is_file()
        offer = f"{'--ckpt_path last to go on, or ' if can_go_on else ''}--overwrite true"
        what = f"died, {_whose(folder)}" if status == "died" else f"is {status}"
        raise RunError(f"--output_dir {folder} holds a run that {what}: give another folder, or {offer}")
    if status == "died":
        logger.warning("The run in %s died, %s.", folder, _whose(folder))
    make_writable(folder)


def _whose(folder: Path) -> str:
    meta = read_json(folder / RUN_META_FILE)
    return f"process {meta.get('pid')} on {meta.get('host')}, last seen {meta.get('heartbeat_at')}"


def make_writable(folder: Path) -> None:
    """Make a folder and check that it can be written.

    Raises:
        RunError: It cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RunError(f"--output_dir {folder} cannot be written: {error.strerror}; give another folder") from error


def delete_run_files(folder: Path) -> None:
    """Delete what runs have written, and nothing else: `--output_dir .` must not cost somebody their files."""
    for name in RUN_FILES:
        path = folder / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def resolve_checkpoint(name: str, folder: Path) -> str:
    """Return the file of a checkpoint named `last`, `best` or by its path.

    Raises:
        RunError: There is no such file.
    """
    path = folder / f"{name}.ckpt" if name in ("last", "best") else Path(name)
    if not path.is_file():
        found = ", ".join(sorted(file.name for file in folder.glob("*.ckpt"))) or "none"
        raise RunError(f"--ckpt_path {name}: there is no file {path}; {folder} holds {found}")
    return str(path)
