"""Processes of their own for work that may take its process down: a lost process costs one verdict, never the run.

`map_chunks` is what a pool's `map` is, but for what happens when a process dies, hangs or outgrows its memory: the
chunk that it had is tried again item by item, each in turn, and only an item that takes its process down when it is
alone is given up, as `Lost`. Processes are started from nothing (no fork, no import of the caller's `__main__`), so
neither threads, nor a CUDA context, nor a script without `if __name__ == "__main__":` is in the way.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Generic, Literal, TypeVar, cast

from text2sql_lightning.sql.worker_process import OUT_OF_MEMORY, READY, Answer

Item = TypeVar("Item")
Result = TypeVar("Result")

_PENDING: Final = object()


@dataclass(frozen=True)
class Lost:
    """What stands for the result of an item that took its process down.

    Attributes:
        reason: `timeout` when it hung, `too_large` when it outgrew the memory, `crashed` for anything else.
    """

    reason: Literal["crashed", "timeout", "too_large"]


@dataclass(frozen=True)
class WorkerLimits:
    """What one process may use.

    Attributes:
        memory_bytes: Address space; half of it may be SQLite's.
        stall_s: Seconds from one sign of life to the next: the start of a chunk, and of each query.
    """

    memory_bytes: int = 512 * 2**20
    stall_s: float = 120.0


def map_chunks(
    function: Callable[[Sequence[Item]], list[Result]],
    chunks: Sequence[Sequence[Item]],
    *,
    workers: int = 1,
    limits: WorkerLimits | None = None,
) -> Iterator[list[Result | Lost]]:
    """Apply a function to chunks of items in processes of their own.

    Args:
        function: Returns one result an item, in their order. It is pickled, so it stands at the top of a module
            (`functools.partial` of one is fine), and not in `__main__`.
        chunks: What one call gets; small enough that trying one again costs little.
        workers: Processes; at least one, which is not this one.
        limits: What each process may use.

    Yields:
        The results of each chunk, in the order of `chunks`.

    Raises:
        Exception: What `function` raised: it is a bug, for which no verdict stands in. MemoryError and
            RecursionError are no such bugs but `too_large`.
    """
    schedule = _Schedule[Item, Result](chunks)
    crew = _Crew[Item, Result](function, schedule, max(1, min(workers, len(chunks))), limits or WorkerLimits())
    try:
        for at in range(len(chunks)):
            while not schedule.is_done(at):
                crew.step()
            yield schedule.take(at)
    finally:
        crew.close()


@dataclass(frozen=True)
class _Task(Generic[Item]):
    """Items of one chunk, from an offset on."""

    chunk: int
    offset: int
    items: Sequence[Item]


class _Schedule(Generic[Item, Result]):
    """What is still to be done, and what came of the rest."""

    def __init__(self, chunks: Sequence[Sequence[Item]]) -> None:
        self.tasks = deque(_Task(at, 0, chunk) for at, chunk in enumerate(chunks) if len(chunk))
        self._results: dict[int, list[Any]] = {at: [_PENDING] * len(chunk) for at, chunk in enumerate(chunks)}

    def is_done(self, chunk: int) -> bool:
        return _PENDING not in self._results[chunk]

    def take(self, chunk: int) -> list[Result | Lost]:
        return self._results.pop(chunk)

    def settle(self, task: _Task[Item], results: Sequence[Result | Lost]) -> None:
        if len(results) != len(task.items):
            raise ValueError(f"{len(task.items)} items gave {len(results)} results; a function returns one for each")
        self._results[task.chunk][task.offset : task.offset + len(results)] = results

    def give_up(self, task: _Task[Item], lost: Lost) -> None:
        """Settle a task that took its process down: alone it is lost, several items are tried one by one."""
        if len(task.items) == 1:
            self.settle(task, [lost])
            return
        singles = [_Task(task.chunk, task.offset + i, [item]) for i, item in enumerate(task.items)]
        self.tasks.extendleft(reversed(singles))


class _Crew(Generic[Item, Result]):
    """The processes, each with at most one task."""

    def __init__(
        self,
        function: Callable[[Sequence[Item]], list[Result]],
        schedule: _Schedule[Item, Result],
        size: int,
        limits: WorkerLimits,
    ) -> None:
        self._function, self._schedule, self._size, self._limits = function, schedule, size, limits
        self._workers: list[_Worker] = []
        self._tasks: dict[_Worker, _Task[Item]] = {}

    def step(self) -> None:
        """Give every idle process a task, then wait until one of them has an answer or is gone."""
        while len(self._workers) < min(self._size, len(self._tasks) + len(self._schedule.tasks)):
            self._workers.append(_Worker(self._limits))
        for worker in self._workers:
            if worker not in self._tasks and self._schedule.tasks:
                self._tasks[worker] = self._schedule.tasks.popleft()
                worker.send(self._function, self._tasks[worker].items)
        by_connection = {worker.connection: worker for worker in self._tasks}
        for connection in wait(list(by_connection)):
            self._receive(by_connection[cast("Connection", connection)])

    def _receive(self, worker: "_Worker") -> None:
        task = self._tasks.pop(worker)
        try:
            results, error = worker.receive()
        except (EOFError, ConnectionError):
            self._workers.remove(worker)
            self._schedule.give_up(task, Lost(worker.reason_of_death()))
            return
        if error is not None:
            raise error
        self._schedule.settle(task, results or [])

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers.clear()


class _Worker:
    """One process and this end of its pipe."""

    def __init__(self, limits: WorkerLimits) -> None:
        self.connection, other_end = Pipe()
        module = "text2sql_lightning.sql.worker_process"
        arguments = [str(other_end.fileno()), str(limits.memory_bytes), str(limits.stall_s)]
        self._process = subprocess.Popen(
            # -P: what lies in the working directory is not imported in place of what this process has
            [sys.executable, "-P", "-m", module, *arguments],
            pass_fds=[other_end.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # it may be a file, and a worker writes to none
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or str(os.curdir) for path in sys.path)},
        )
        other_end.close()
        self._is_ready = False

    def send(self, function: Callable[..., Any], items: Sequence[Any]) -> None:
        with contextlib.suppress(ConnectionError):  # it is dead, which `receive` will find
            self.connection.send((function, items))

    def receive(self) -> Answer:
        """Return what came of the last task.

        Raises:
            EOFError: When the process is gone.
        """
        if not self._is_ready:
            self._await_start()
        answer: Answer = self.connection.recv()
        return answer

    def _await_start(self) -> None:
        try:
            self._is_ready = self.connection.recv() == READY
        except (EOFError, ConnectionError) as error:
            status = self._process.wait()
            raise RuntimeError(f"a worker process ended with status {status} before it began") from error

    def reason_of_death(self) -> Literal["crashed", "timeout", "too_large"]:
        status = self._process.wait()
        self.connection.close()
        if status == OUT_OF_MEMORY:
            return "too_large"
        return "timeout" if status == -getattr(signal, "SIGALRM", 0) else "crashed"

    def kill(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.wait()
