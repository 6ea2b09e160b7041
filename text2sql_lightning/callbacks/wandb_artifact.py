"""Artifacts of a W&B run, also of one that is kept offline."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_warn


def log_artifact(run: Any, name: str, kind: str, path: Path, metadata: dict[str, Any], is_input: bool = False) -> None:
    """Log a file or a folder as an artifact. A run does not end where that fails: there is a warning.

    Args:
        run: The W&B run.
        name: The artifact's name in the project.
        kind: Its type: model, dataset, config.
        path: The file, or the folder with all its files.
        metadata: What to show beside it.
        is_input: Whether the run reads it, for the lineage, instead of making it.
    """
    import wandb

    try:
        with kept_beside(run):
            artifact = wandb.Artifact(name, kind, metadata=metadata)
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
def kept_beside(run: Any) -> Iterator[None]:
    """Let W&B keep the copies that an offline run will upload beside that run, instead of in the user's home.

    Args:
        run: The W&B run.
    """
    if not run.offline or "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str(Path(run.dir).resolve().parents[1] / "data")
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]
