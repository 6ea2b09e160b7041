"""AdapterCheckpoint: the adapter, ready for peft, after each validation and at the end of training."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from text2sql_lightning.atomic import replaced_folder, write_json
from text2sql_lightning.constants import ADAPTERS_DIR, PROMPT_FILE
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
