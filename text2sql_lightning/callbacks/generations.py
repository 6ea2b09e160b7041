"""SQL that a run generates: for a few fixed questions at every validation of a fit, and for all of `predict`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch.distributed
from lightning.pytorch import Callback, LightningModule, Trainer

from text2sql_lightning.callbacks.run_files import data_of
from text2sql_lightning.constants import PREDICTIONS_FILE, SAMPLES_FILE
from text2sql_lightning.errors import ConfigError
from text2sql_lightning.files.atomic import append_text, write_json_lines
from text2sql_lightning.files.jsonl import JsonObject
from text2sql_lightning.text.prompts import build_prompt, split_input

if TYPE_CHECKING:
    from text2sql_lightning.module import Text2SQLModule


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

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Generate on rank 0; the prompts are few."""
        if trainer.state.fn != "fit" or trainer.sanity_checking or not self.num_samples or not trainer.is_global_zero:
            return
        records = data_of(trainer).records("val")
        records = records[:: max(1, len(records) // self.num_samples)][: self.num_samples]
        prompts = [build_prompt(record.instruction, record.input) for record in records]
        answers = cast("Text2SQLModule", pl_module).generate(prompts)
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
        self._rows: list[JsonObject] = []

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Sequence[JsonObject],
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep a batch's rows."""
        self._rows.extend(outputs)

    def on_predict_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write every id once, in the order of the input."""
        parts = [self._rows] * trainer.world_size
        if trainer.world_size > 1:
            torch.distributed.all_gather_object(parts, self._rows)
        if trainer.is_global_zero:
            found = {row["id"]: row for part in parts for row in part}
            ids = [record.id for record in data_of(trainer).records("predict")]
            # limit_predict_batches leaves some out
            write_json_lines(self.path, [found[name] for name in ids if name in found])
