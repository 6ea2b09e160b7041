"""AdapterCheckpoint: the adapter, ready for peft, after each validation and at the end of training."""

import io
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer

from text2sql_lightning.constants import ADAPTERS_DIR, PROMPT_FILE
from text2sql_lightning.files.atomic import replaced_folder, write_bytes, write_json
from text2sql_lightning.text.prompts import INSTRUCTION, PROMPT_FORMAT_VERSION, PROMPT_TEMPLATE, prompt_sha256


def prompt_description() -> dict[str, Any]:
    """Describe the prompt that the adapter was trained with."""
    return {
        "format_version": PROMPT_FORMAT_VERSION,
        "template": PROMPT_TEMPLATE,
        "instruction": INSTRUCTION,
        "sha256": prompt_sha256(),
    }


class AdapterCheckpoint(Callback):
    """Saves `adapters/`: weights as safetensors, peft's configuration, the tokenizer and the prompt.

    Args:
        output_dir: The run's output folder.
    """

    def __init__(self, output_dir: str) -> None:
        self.folder = Path(output_dir) / ADAPTERS_DIR
        self._saved_step = -1

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save what was just scored."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._save(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the final adapter."""
        self._save(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the adapter of a run that goes on from its last step: there is nothing left to train or to validate."""
        self._save(trainer, pl_module)

    def _save(self, trainer: Trainer, module: Any) -> None:
        if not trainer.is_global_zero or self._saved_step == trainer.global_step:
            return
        with replaced_folder(self.folder) as folder:
            module.model.save_pretrained(str(folder), save_embedding_layers=False)
            module.tokenizer.save_pretrained(str(folder))
            write_json(folder / PROMPT_FILE, prompt_description())
        self._saved_step = trainer.global_step


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
