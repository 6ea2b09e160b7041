"""MetricsJson: the last value of every metric, in one small file."""

import math
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from text2sql_lightning.atomic import write_json
from text2sql_lightning.constants import METRICS_FILE


def plain_metrics(trainer: Trainer) -> dict[str, float | None]:
    """Give `stage/name` -> number, sorted; what is not finite becomes null, which JSON can hold."""
    values = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return {name: value if math.isfinite(value) else None for name, value in sorted(values.items())}


class MetricsJson(Callback):
    """Writes `metrics.json` after each validation and at the end.

    Args:
        folder: The folder of the command's outputs.
    """

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / METRICS_FILE

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is known so far."""
        if not trainer.sanity_checking:
            self._write(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the scores of the test split."""
        self._write(trainer)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file, though a prediction has no scores: every command leaves one."""
        self._write(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the final values."""
        self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        if trainer.is_global_zero:
            write_json(self.path, plain_metrics(trainer))
