"""Throughput: how fast a fit is, how well it uses the GPU, and how much memory it takes."""

import sys
import time
from typing import Any

import torch
from lightning.pytorch import Callback

from text2sql_lightning.errors import ModelError
from text2sql_lightning.modeling.gpus import GPUS
from text2sql_lightning.modeling.model_shape import ModelShape


class Throughput(Callback):
    """Logs speed and memory, over the optimizer steps since the last entry and over all processes.

    `train/tokens_per_second`, `train/target_tokens_per_second`, `train/memory_gib` (the most that tensors took on this
    process's GPU, or the process itself on a CPU) and, for a Llama-shaped model on a GPU whose data sheet is known,
    `train/mfu`: operations per second over those of the data sheet (arXiv:2204.02311). Tokens that packs share count
    as often as they are read.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._began = 0.0
        self._tokens = self._targets = self._square_tokens = 0.0
        self._seen = 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Start to count."""
        self._seen = trainer.global_step
        self._start_over()

    on_validation_end = on_train_start  # a validation is no training time

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Count a micro-batch, and log after as many steps as the loggers take."""
        tokens = batch["num_tokens"]
        self._tokens += tokens
        self._targets += batch["num_target_tokens"]
        self._square_tokens += tokens * tokens / max(1, len(batch["ids"]))
        if trainer.global_step == self._seen:
            return
        self._seen = trainer.global_step
        self._steps += 1
        if self._steps % trainer.log_every_n_steps == 0:
            self._log(trainer, pl_module)
            self._start_over()

    def _start_over(self) -> None:
        self._steps = 0
        self._tokens = self._targets = self._square_tokens = 0.0
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
        peak = peak_flops(pl_module.device)
        shape = _shape(pl_module.model) if peak is not None else None
        if peak is not None and shape is not None:
            flops = shape.step_flops(self._tokens, self._targets, self._square_tokens / 2)
            values["mfu"] = flops / seconds / peak
        for name, value in values.items():
            pl_module.log(f"train/{name}", value, rank_zero_only=True, batch_size=1)


def _shape(model: Any) -> ModelShape | None:
    try:
        return ModelShape.of(model.config.to_dict())
    except ModelError:
        return None


def peak_flops(device: torch.device) -> float | None:
    """Give the operations per second of a GPU's data sheet, dense, in 16 bits; None where it is not known."""
    if device.type != "cuda":
        return None
    words = torch.cuda.get_device_name(device).upper().replace("-", " ").split()
    return next((gpu.peak_flops for gpu in GPUS.values() if gpu.word in words), None)


def peak_memory_gib(device: torch.device) -> float | None:
    """Give the most memory so far, in GiB: of tensors on a GPU, else of this process; None where it is not known."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device)) / 2**30
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
