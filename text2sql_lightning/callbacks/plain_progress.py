"""Progress where nobody sees a live terminal: a pipe, a log file, a cluster's output."""

import sys
from typing import Any

from lightning.pytorch.callbacks import Callback, ProgressBar, TQDMProgressBar

REFRESH_RATE = 5
"""Batches between two updates; each one is a line of its own in a log file."""


def plain_progress(callbacks: Any, enabled: bool | None) -> list[Callback]:
    """Give the progress bar of a run whose output is not a terminal; Lightning's own choice shows nothing there.

    Args:
        callbacks: The callbacks that the user has configured.
        enabled: `trainer.enable_progress_bar`.

    Returns:
        One callback, or none: in a terminal, where bars are switched off, or where the user has chosen one.
    """
    chosen = callbacks if isinstance(callbacks, list) else [callbacks] if callbacks else []
    if enabled is False or sys.stdout.isatty() or any(isinstance(callback, ProgressBar) for callback in chosen):
        return []
    return [TQDMProgressBar(refresh_rate=REFRESH_RATE)]
