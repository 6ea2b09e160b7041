"""MetricsJson: the last value of every metric, in one small file."""

import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from text2sql_lightning.constants import METRICS_FILE
from text2sql_lightning.files.atomic import write_json


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


class Throughput(Callback):
    """Logs speed and memory, over the optimizer steps since the last entry.

    `train/tokens_per_second`, `train/target_tokens_per_second`, `train/memory_gib` (the most that tensors took on this
    process's GPU, or the process itself on a CPU) and, for a Llama-shaped model on a GPU whose data sheet is known,
    `train/mfu`: operations per second over those of the data sheet (arXiv:2204.02311). Tokens that packs share count
    as often as they are read among the tokens, once in `mfu`. Of several processes the first one's figures are taken
    times their number.
    """

    def __init__(self) -> None:
        self._began = 0.0
        self._tokens = self._targets = self._computed = self._pairs = 0.0
        self._seen = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start to count."""
        self._seen = trainer.global_step
        self._start_over()

    on_validation_end = on_train_start  # a validation is no training time

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count a micro-batch, and log after as many steps as the loggers take."""
        self._tokens += batch["num_tokens"]
        self._targets += batch["num_target_tokens"]
        computed, pairs = work_of(batch)
        self._computed += computed
        self._pairs += pairs
        if trainer.global_step == self._seen:
            return
        self._seen = trainer.global_step
        if trainer.log_every_n_steps and trainer.global_step % trainer.log_every_n_steps == 0:
            self._log(trainer, pl_module)
            self._start_over()

    def _start_over(self) -> None:
        self._tokens = self._targets = self._computed = self._pairs = 0.0
        self._began = time.perf_counter()

    def _log(self, trainer: Any, pl_module: Any) -> None:
        seconds = time.perf_counter() - self._began
        ranks = trainer.world_size
        values = {
            "tokens_per_second": self._tokens * ranks / seconds,
            "target_tokens_per_second": self._targets * ranks / seconds,
        }
        if (memory := peak_memory_gib(pl_module.device)) is not None:
            values["memory_gib"] = memory
        share = pl_module.flops_utilization(self._computed, self._targets, self._pairs, seconds)
        if share is not None:
            values["mfu"] = share
        for name, value in values.items():
            pl_module.log(f"train/{name}", value, rank_zero_only=True, batch_size=1)


def work_of(batch: Any) -> tuple[int, int]:
    """Count what the decoder computes for a batch, padding left out: tokens, and pairs of tokens that see each other.

    Shapes alone are read, and of packs the segments: nothing is fetched from a GPU.
    """
    if "segments" not in batch:
        rows, width = batch["input_ids"].shape
        return batch["num_tokens"], batch["num_tokens"] * (width + 1) // 2 if rows else 0
    lengths = [length for length, _ in batch["segments"]]
    depths = [sum(lengths[ancestor] for ancestor in ancestors) for _, ancestors in batch["segments"]]
    pairs = sum(length * depth + length * (length + 1) // 2 for length, depth in zip(lengths, depths, strict=True))
    return sum(lengths), pairs


def peak_memory_gib(device: torch.device) -> float | None:
    """Give the most memory so far, in GiB: of tensors on a GPU, else of this process; None where it is not known."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device)) / 2**30
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
