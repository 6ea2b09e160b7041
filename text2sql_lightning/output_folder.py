"""The output folder of a run: claimed before anything is loaded, never overwritten by accident."""

import json
import shutil
from pathlib import Path

from text2sql_lightning.constants import RUN_META_FILE
from text2sql_lightning.errors import RunError


def status_of(folder: Path) -> str | None:
    """Give the status of the run in a folder: running, completed, failed, interrupted; None where there is no run.

    Raises:
        RunError: `run_meta.json` is there and cannot be read.
    """
    path = folder / RUN_META_FILE
    if not path.exists():
        return None
    try:
        status = json.loads(path.read_text(encoding="utf-8"))["status"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be read ({error}): give another --output_dir, or --overwrite true") from error
    return str(status)


def claim(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Check that a fit may write into a folder, and empty it when it may be overwritten.

    Args:
        folder: The output folder.
        resume: Whether the fit continues from a checkpoint.
        overwrite: Whether a run that is there may be deleted.

    Raises:
        RunError: The folder holds a run and neither was asked for, or it cannot be written.
    """
    if overwrite and not resume:
        _delete_run(folder)
    elif not resume and (status := status_of(folder)) is not None:
        offer = "--overwrite true" if status == "completed" else "--ckpt_path last to go on, or --overwrite true"
        raise RunError(f"--output_dir {folder} holds a run that is {status}: give another folder, or {offer}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RunError(f"--output_dir {folder} cannot be written: {error.strerror}; give another folder") from error


def _delete_run(folder: Path) -> None:
    # Only a folder that this project made is emptied: a mistyped path must not cost somebody's files.
    if folder.is_dir() and any(folder.iterdir()):
        if not (folder / RUN_META_FILE).exists():
            raise RunError(
                f"--overwrite true: --output_dir {folder} is not empty and holds no run; give another folder"
            )
        shutil.rmtree(folder)


def resolve_checkpoint(name: str, folder: Path) -> str:
    """Give the file of a checkpoint named `last`, `best` or by its path.

    Raises:
        RunError: There is no such file.
    """
    path = folder / f"{name}.ckpt" if name in ("last", "best") else Path(name)
    if not path.is_file():
        found = ", ".join(sorted(file.name for file in folder.glob("*.ckpt"))) or "none"
        raise RunError(f"--ckpt_path {name}: there is no file {path}; {folder} holds {found}")
    return str(path)
