"""SIGTERM and SIGUSR1, kept until an optimizer step is complete: how clusters end a job, or take its machine away."""

import signal
import threading
from types import FrameType
from typing import Any, Final

from lightning.pytorch.utilities.exceptions import SIGTERMException

SIGNALS: Final = tuple(number for name in ("SIGTERM", "SIGUSR1") if (number := getattr(signal, name, None)) is not None)


class StopRequest:
    """Remembers that the run was asked to stop.

    Lightning's own handler stops after the next micro-batch, in the middle of an accumulated step, and broadcasts from
    within the handler, which hangs when ranks are asked at different moments.
    """

    def __init__(self) -> None:
        self.received = False
        self.may_stop_at_once = False
        """Whether nothing would be lost: the last step is saved, and no other process waits."""
        self._before: dict[int, Any] = {}

    def listen(self) -> None:
        """Take the signals; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}

    def release(self) -> None:
        """Give the signals back to whom they were."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        if self.may_stop_at_once:
            raise SIGTERMException

    def is_agreed(self, trainer: Any) -> bool:
        """Say whether any rank was asked to stop; every rank has to ask this at the same place."""
        if trainer.world_size == 1:
            return self.received
        return bool(trainer.strategy.reduce_boolean_decision(self.received, all=False))
