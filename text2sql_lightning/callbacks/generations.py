"""SampleGenerations: the SQL for a few fixed questions, at every validation of a fit."""

import json
from pathlib import Path
from typing import Any

import torch.distributed
from lightning.pytorch import Callback

from text2sql_lightning.constants import PREDICTIONS_FILE, SAMPLES_FILE
from text2sql_lightning.errors import ConfigError
from text2sql_lightning.files.atomic import append_text, write_json_lines
from text2sql_lightning.text.prompts import build_prompt, split_input


class SampleGenerations(Callback):
    """Appends to `samples.jsonl` what the model answers to the same prompts as training goes on.

    Args:
        output_dir: The run's output folder.
        num_samples: Prompts, taken evenly from the validation records. 0 switches the callback off.
    """

    def __init__(self, output_dir: str, num_samples: int = 4) -> None:
        if num_samples < 0:
            raise ConfigError(f"sample_generations.num_samples is {num_samples}; it must be 0 or more")
        self.path = Path(output_dir) / SAMPLES_FILE
        self.num_samples = num_samples

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Generate on rank 0; the prompts are few."""
        if trainer.state.fn != "fit" or trainer.sanity_checking or not self.num_samples or not trainer.is_global_zero:
            return
        records = trainer.datamodule.records("val")
        records = records[:: max(1, len(records) // self.num_samples)][: self.num_samples]
        answers = pl_module.generate([build_prompt(record.instruction, record.input) for record in records])
        rows = [
            {
                "step": trainer.global_step,
                "id": record.id,
                "question": split_input(record.input)[1],
                "gold": record.output,
                "predicted": answer.sql,
            }
            for record, answer in zip(records, answers, strict=True)
        ]
        append_text(self.path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


class PredictionWriter(Callback):
    """Collects the predictions of all ranks and writes `predictions.jsonl`.

    Args:
        folder: The folder of the command's outputs.
    """

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / PREDICTIONS_FILE
        self._rows: list[dict[str, Any]] = []

    def on_predict_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Keep a batch's rows."""
        self._rows.extend(outputs)

    def on_predict_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Write every id once, in the order of the input."""
        rows = self._rows
        if trainer.world_size > 1:
            parts: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(parts, rows)
            rows = [row for part in parts for row in part]
        if trainer.is_global_zero:
            found = {row["id"]: row for row in rows}
            ids = [record.id for record in trainer.datamodule.records("predict")]
            rows = [found[name] for name in ids if name in found]  # limit_predict_batches leaves some out
            write_json_lines(self.path, rows)
