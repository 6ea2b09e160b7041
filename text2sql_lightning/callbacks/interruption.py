"""How runs end early: signals wait for the end of an optimizer step; a lost process ends all others of its run."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from subprocess import Popen
from threading import Event, Thread
from types import FrameType
from typing import Any, Final

from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from text2sql_lightning.errors import Text2SQLError
from text2sql_lightning.runs.run_meta import RunMeta

SIGNALS: Final = tuple(number for name in ("SIGTERM", "SIGUSR1") if (number := getattr(signal, name, None)) is not None)


class StopRequest:
    """Remembers that the run was asked to stop.

    Lightning's own handler stops after the next micro-batch, in the middle of an accumulated step, and broadcasts from
    within the handler, which hangs when ranks are asked at different moments.
    """

    def __init__(self) -> None:
        self.received = False
        self.may_stop_at_once = False  # nothing would be lost: the last step is saved, and no other process waits
        self._before: dict[int, Any] = {}

    def listen(self) -> None:
        """Take the signals; only the main thread can."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}

    def release(self) -> None:
        """Restore the handlers of before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = True
        if self.may_stop_at_once:
            raise SIGTERMException

    def is_agreed(self, trainer: Trainer) -> bool:
        """Return whether any rank was asked to stop; every rank has to ask this at the same place."""
        if trainer.world_size == 1:
            return self.received
        return bool(trainer.strategy.reduce_boolean_decision(self.received, all=False))


_EVERY_S: Final = 1.0
_GRACE_S: Final = 3.0  # for the first process to find out by itself


class ProcessWatch(Callback):
    """Ends all processes of a run when one is gone, with `status: failed` and the cause.

    A process that waits for another in a collective operation may wait for half an hour. Lightning's own observer kills
    the first process, which then can write nothing. torchrun and SLURM watch their processes themselves.

    Args:
        run: The keeper of `run_meta.json`.
    """

    def __init__(self, run: RunMeta) -> None:
        self.run = run
        self.cause: str | None = None  # which process was lost, once it is known
        self._children: Sequence[Popen[bytes]] = []
        self._parent = 0
        self._ended = Event()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Start to watch: the first process the others, and each of them the first."""
        self._ended.clear()
        self._children = _taken_over(getattr(trainer.strategy, "launcher", None))
        started_by_lightning = isinstance(getattr(trainer.strategy, "cluster_environment", None), LightningEnvironment)
        if self._children:
            self._start(self._watch_children)
        elif started_by_lightning and trainer.local_rank > 0:
            self._parent = os.getppid()
            self._start(self._watch_parent)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Stop watching: from here on processes may end."""
        self._ended.set()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Find out whether an error of this process is that another one is gone."""
        self._ended.set()
        if isinstance(exception, Text2SQLError) or not isinstance(exception, Exception):
            return
        deadline = time.monotonic() + _GRACE_S
        while self._children and not (lost := self._lost()) and time.monotonic() < deadline:
            time.sleep(0.1)
        if self._children and lost:
            self._fail(*lost[0])

    @staticmethod
    def _start(watch: Callable[[], None]) -> None:
        Thread(target=watch, daemon=True, name="process-watch").start()

    def _lost(self) -> list[tuple[int, int]]:
        """Rank and exit code of each process that has ended badly."""
        return [(rank, child.returncode) for rank, child in enumerate(self._children, start=1) if child.poll()]

    def _fail(self, rank: int, code: int) -> None:
        self.cause = f"the process of rank {rank} {describe_exit(code)}, which ends the run: its own output says more"
        self.run.finish("failed", self.cause)

    def _watch_children(self) -> None:
        while not self._ended.wait(_EVERY_S):
            lost = self._lost()
            if lost and not self._ended.wait(_GRACE_S):
                self._fail(*lost[0])
                sys.stderr.write(f"error: {self.cause}\n")
                sys.stderr.flush()
                for child in self._children:
                    child.kill()
                os._exit(1)  # the main thread may wait in a collective operation that never ends

    def _watch_parent(self) -> None:
        while not self._ended.wait(_EVERY_S):
            if os.getppid() != self._parent:
                time.sleep(_GRACE_S)
                os._exit(1)


def _taken_over(launcher: Any) -> Sequence[Popen[bytes]]:
    """Take the processes that Lightning has started from its observer, which looks at the same list."""
    watched: list[Popen[bytes]] = getattr(launcher, "procs", [])
    children = list(watched)
    if children:
        launcher.procs = children
        watched.clear()
    return children


def describe_exit(code: int) -> str:
    """Describe how a process ended, from its exit code; negative is the number of a signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
