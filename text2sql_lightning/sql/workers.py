"""Crash-isolated worker pool: if a worker dies or times out, only its item is lost.

`map_chunks` is a pool's `map`, except for what happens when a worker dies, hangs or outgrows its memory: its chunk is
tried again item by item, and an item that takes down a worker alone becomes `Lost`. Workers are started from nothing
(no fork, no import of the caller's `__main__`), so neither threads, nor a CUDA context, nor a script without
`if __name__ == "__main__":` is in the way. A worker's memory, files and time are limited.
"""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, cast

Item = TypeVar("Item")
Result = TypeVar("Result")

_PENDING: Final = object()
_READY: Final = "ready"
_OUT_OF_MEMORY: Final = 86
"""Exit status of a worker that ran out of memory or of stack."""

# Started with -c and not with -m: that would make a second module of this file, with a hard timeout of its own.
_START: Final = "from text2sql_lightning.sql.workers import work; work()"

_Answer: TypeAlias = tuple[list[Any] | None, BaseException | None]
"""Results, or what the function raised."""

_stall_s = 0.0


@dataclass(frozen=True)
class Lost:
    """The result of an item that took its worker down.

    Attributes:
        reason: `timeout` when it hung, `too_large` when it outgrew the memory, `crashed` for anything else.
    """

    reason: Literal["crashed", "timeout", "too_large"]


@dataclass(frozen=True)
class WorkerLimits:
    """What one worker may use.

    Attributes:
        memory_bytes: Address space; half of it may be SQLite's.
        stall_s: Seconds without a sign of life, which the start of a chunk and of each query is.
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
    """Apply a function to chunks of items in worker processes.

    Args:
        function: Returns one result an item, in their order. It is pickled, so it is a function at the top of a module
            other than `__main__`, or a `functools.partial` of one.
        chunks: What one call gets; small enough that trying one again costs little.
        workers: Processes; at least one, which is not this one.
        limits: What each worker may use.

    Yields:
        The results of each chunk, in the order of `chunks`.

    Raises:
        Exception: What `function` raised, which is a bug and never a result. MemoryError and RecursionError are
            `too_large` instead.
    """
    pool = _Pool[Item, Result](function, chunks, max(1, min(workers, len(chunks))), limits or WorkerLimits())
    try:
        for at in range(len(chunks)):
            while _PENDING in pool.results[at]:
                pool.step()
            yield pool.results.pop(at)
    finally:
        pool.close()


@dataclass(frozen=True)
class _Task(Generic[Item]):
    """Items of one chunk, from an offset on."""

    chunk: int
    offset: int
    items: Sequence[Item]


class _Pool(Generic[Item, Result]):
    """The workers, each with at most one task; what is still to be done, and the results so far."""

    def __init__(
        self,
        function: Callable[[Sequence[Item]], list[Result]],
        chunks: Sequence[Sequence[Item]],
        size: int,
        limits: WorkerLimits,
    ) -> None:
        self._function, self._size, self._limits = function, size, limits
        self._waiting = deque(_Task(at, 0, chunk) for at, chunk in enumerate(chunks) if len(chunk))
        self._running: dict[_Worker, _Task[Item]] = {}
        self._workers: list[_Worker] = []
        self.results: dict[int, list[Any]] = {at: [_PENDING] * len(chunk) for at, chunk in enumerate(chunks)}

    def step(self) -> None:
        """Assign tasks to idle workers, then wait until a worker has an answer or is gone."""
        while len(self._workers) < min(self._size, len(self._running) + len(self._waiting)):
            self._workers.append(_Worker(self._limits))
        for worker in self._workers:
            if worker not in self._running and self._waiting:
                self._running[worker] = self._waiting.popleft()
                worker.send(self._function, self._running[worker].items)
        by_connection = {worker.connection: worker for worker in self._running}
        for connection in wait(list(by_connection)):
            self._receive(by_connection[cast("Connection", connection)])

    def close(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._workers.clear()

    def _receive(self, worker: "_Worker") -> None:
        task = self._running.pop(worker)
        try:
            results, error = worker.receive()
        except (EOFError, ConnectionError):
            self._workers.remove(worker)
            self._retry(task, Lost(worker.reason_of_death()))
            return
        if error is not None:
            raise error
        self._store(task, results or [])

    def _retry(self, task: _Task[Item], lost: Lost) -> None:
        """Try the items of a task that took its worker down one by one; a single one is lost."""
        if len(task.items) == 1:
            self._store(task, [lost])
            return
        singles = [_Task(task.chunk, task.offset + i, [item]) for i, item in enumerate(task.items)]
        self._waiting.extendleft(reversed(singles))

    def _store(self, task: _Task[Item], results: Sequence[Result | Lost]) -> None:
        if len(results) != len(task.items):
            raise ValueError(f"{len(task.items)} items gave {len(results)} results; a function returns one for each")
        self.results[task.chunk][task.offset : task.offset + len(results)] = results


class _Worker:
    """One process and this end of its pipe."""

    def __init__(self, limits: WorkerLimits) -> None:
        self.connection, other_end = Pipe()
        arguments = [str(other_end.fileno()), str(limits.memory_bytes), str(limits.stall_s)]
        self._process = subprocess.Popen(
            # -P: what lies in the working directory is not imported in place of what this process has
            [sys.executable, "-P", "-c", _START, *arguments],
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

    def receive(self) -> _Answer:
        """Return the answer to the last task; EOFError or ConnectionError when the process is gone."""
        if not self._is_ready:
            try:
                self._is_ready = self.connection.recv() == _READY
            except (EOFError, ConnectionError) as error:
                raise RuntimeError(
                    f"a worker process ended with status {self._process.wait()} before it began"
                ) from error
        answer: _Answer = self.connection.recv()
        return answer

    def reason_of_death(self) -> Literal["crashed", "timeout", "too_large"]:
        status = self._process.wait()
        self.connection.close()
        if status == _OUT_OF_MEMORY:
            return "too_large"
        return "timeout" if status == -getattr(signal, "SIGALRM", 0) else "crashed"

    def kill(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.wait()


def work() -> None:
    """Run a worker until the other end of its pipe is closed.

    Arguments of its command line: the pipe's file descriptor, the memory in bytes, the seconds of `keep_alive`.
    """
    descriptor, memory_bytes, stall_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its processes itself
    _limit(memory_bytes)
    _turn_on_timeout(stall_s)
    with Connection(descriptor) as connection, contextlib.suppress(EOFError, ConnectionError):
        connection.send(_READY)
        while True:
            job = connection.recv_bytes()
            keep_alive()
            answer = _run(job)
            keep_alive(0)
            connection.send(answer)


def keep_alive(seconds: float | None = None) -> None:
    """Restart the hard timeout of a worker: so many seconds from now, or its default; 0 turns it off.

    It is for a worker stuck inside one SQLite step, such as `instr` on texts of megabytes, where no progress handler
    is called and no Python signal handler runs: SIGALRM ends the process. Outside a worker this does nothing.
    """
    if _stall_s:
        signal.setitimer(signal.ITIMER_REAL, _stall_s if seconds is None else seconds)


def _turn_on_timeout(stall_s: float) -> None:
    global _stall_s
    if hasattr(signal, "setitimer"):
        _stall_s = stall_s
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # a handler of Python's would wait for SQLite to return


def _limit(memory_bytes: int) -> None:
    """Bound the memory of this process, and let it write no file at all, temporary ones and core dumps included."""
    sys.dont_write_bytecode = True
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"PRAGMA hard_heap_limit = {memory_bytes // 2}")
    try:
        import resource
    except ImportError:  # Windows: only SQLite's own limit holds
        return
    for kind, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_DATA, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS refuses some of them
            resource.setrlimit(kind, (value, value))


def _run(job: bytes) -> _Answer:
    try:
        import pickle

        function: Callable[[Any], list[Any]]
        function, items = pickle.loads(job)
        return function(items), None
    except (MemoryError, RecursionError):
        os._exit(_OUT_OF_MEMORY)  # the heap may be in pieces: the next job gets a fresh process
    except Exception as error:
        error.add_note(f"in a worker process:\n{traceback.format_exc()}")
        return None, error
