"""AtomicCheckpointIO: checkpoints that appear whole or not at all, on any disk."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from text2sql_lightning.atomic import write_bytes


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place and moves it there.

    Lightning's own writes it to the system's folder for temporary files. Where that is on another disk, moving it is
    copying it, and a disk that is full, or a process that is killed, leaves half a file in place of the older one.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint; one at an address such as s3://... as Lightning does."""
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
            return
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_bytes(Path(path), buffer.getbuffer())
