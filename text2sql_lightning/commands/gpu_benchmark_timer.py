"""A clock for optimizer steps that waits for the GPU to finish, by hand or as a callback of Lightning's."""

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class LoadTimes:
    """What was measured over the steps of one load.

    Attributes:
        seconds: Of each step.
        loss: Of the first step, per target token.
        gradient_norm: Of the first step.
        peak_gib: Most memory that tensors took on the GPU; None without one.
    """

    seconds: list[float] = field(default_factory=list)
    loss: float = 0.0
    gradient_norm: float = 0.0
    peak_gib: float | None = None


class StepTimer:
    """Times steps; after every so many a new load begins.

    Args:
        steps: Of one load.
    """

    def __init__(self, steps: int) -> None:
        self.loads: list[LoadTimes] = []
        self._steps = steps
        self._started = 0.0

    def start(self) -> None:
        """Begin a step."""
        if not self.loads or len(self.loads[-1].seconds) == self._steps:
            clear_memory()
            self.loads.append(LoadTimes())
        finish()
        self._started = time.perf_counter()

    def stop(self, loss: float, gradient_norm: float) -> None:
        """End a step."""
        finish()
        current = self.loads[-1]
        current.seconds.append(time.perf_counter() - self._started)
        current.peak_gib = peak_memory()
        if len(current.seconds) == 1:
            current.loss, current.gradient_norm = loss, gradient_norm


def timing_callback(timer: StepTimer) -> Any:
    """Make a callback that times the steps of a Trainer; imports Lightning, which Unsloth must precede."""
    from lightning.pytorch import Callback, Trainer

    class _Timing(Callback):
        def on_train_batch_start(self, *_: Any) -> None:
            timer.start()

        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
            metrics = trainer.callback_metrics
            timer.stop(float(metrics["train/loss"]), float(metrics["train/gradient_norm"]))

    return _Timing()


def finish() -> None:
    """Wait for the GPU, where there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def clear_memory() -> None:
    """Give unused GPU memory back, and count its peak anew."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_memory() -> float | None:
    """Give the peak of GPU memory in GiB since it was counted anew."""
    import torch

    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None
