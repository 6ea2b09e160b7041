"""PredictionWriter: what `predict` generated, one file in the order of the input."""

from pathlib import Path
from typing import Any

import torch.distributed
from lightning.pytorch import Callback

from text2sql_lightning.atomic import write_json_lines
from text2sql_lightning.constants import PREDICTIONS_FILE


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
