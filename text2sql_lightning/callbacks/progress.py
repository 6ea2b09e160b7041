"""What a run shows of its progress: speed and memory for the loggers, a bar where nobody sees a live terminal."""

import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ProgressBar, TQDMProgressBar

from text2sql_lightning.runs.run_meta import peak_memory_bytes

if TYPE_CHECKING:
    from text2sql_lightning.module import Text2SQLModule

REFRESH_RATE: Final = 5
"""Batches between two updates of the bar; each one is a line in a log file."""


class Throughput(Callback):
    """Logs speed and memory, over the optimizer steps since the last entry.

    `train/tokens_per_second`, `train/target_tokens_per_second`, `train/memory_gib` (the most that tensors took on this
    process's GPU, or the process itself on a CPU) and, for a Llama-shaped model on a GPU whose data sheet is known,
    `train/mfu`: operations per second over those of the data sheet (arXiv:2204.02311). Tokens that packs share count
    as often as they are read among the tokens, once in `mfu`. Of several processes the first one's figures are taken
    times their number.

    Lightning's ThroughputMonitor is no substitute: it waits for the GPU after every micro-batch, and its figures reach
    the loggers alone, under other names, not `metrics.json`.
    """

    def __init__(self) -> None:
        self._began, self._seen = 0.0, 0
        self._work = np.zeros(4)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start to count."""
        self._seen, self._began = trainer.global_step, time.perf_counter()
        self._work = np.zeros(4)  # tokens, target tokens, tokens computed, pairs of tokens

    on_validation_end = on_train_start  # a validation is no training time

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: Mapping[str, Any], batch_idx: int
    ) -> None:
        """Count a micro-batch, and log after as many steps as the loggers take."""
        self._work += batch["num_tokens"], batch["num_target_tokens"], *work_of(batch)
        if trainer.global_step == self._seen:
            return
        self._seen = trainer.global_step
        every = int(trainer.log_every_n_steps)  # type: ignore[attr-defined]
        if every and trainer.global_step % every == 0:
            self._log(trainer, pl_module)
            self.on_train_start(trainer, pl_module)

    def _log(self, trainer: Trainer, pl_module: LightningModule) -> None:
        seconds = time.perf_counter() - self._began
        tokens, targets, computed, pairs = self._work.tolist()
        values = {
            "tokens_per_second": tokens * trainer.world_size / seconds,
            "target_tokens_per_second": targets * trainer.world_size / seconds,
            "memory_gib": peak_memory_bytes() / 2**30,
        }
        share = cast("Text2SQLModule", pl_module).flops_utilization(computed, targets, pairs, seconds)
        if share is not None:
            values["mfu"] = share
        for name, value in values.items():
            pl_module.log(f"train/{name}", value, rank_zero_only=True, batch_size=1)


def work_of(batch: Mapping[str, Any]) -> tuple[int, int]:
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


def plain_progress(callbacks: list[Callback] | Callback | None, enabled: bool | None) -> list[Callback]:
    """Return the progress bar of a run whose output is not a terminal; Lightning's own choice shows nothing there.

    Args:
        callbacks: The callbacks that the user has configured.
        enabled: `trainer.enable_progress_bar`.

    Returns:
        One callback, or none: in a terminal, where bars are switched off, or where the user has chosen one.
    """
    chosen = callbacks if isinstance(callbacks, list) else [callbacks]
    if enabled is False or sys.stdout.isatty() or any(isinstance(callback, ProgressBar) for callback in chosen):
        return []
    return [TQDMProgressBar(refresh_rate=REFRESH_RATE)]
