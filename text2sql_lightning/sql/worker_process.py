"""A worker of `sql.workers`: jobs come in through a pipe, results go out; limits on memory, files and time hold.

The hard timeout is for a worker stuck inside one SQLite step, `instr` on two texts of megabytes for example, where no
progress handler is called and no Python signal handler runs: SIGALRM ends the process. Everywhere else `keep_alive`
does nothing.
"""

import contextlib
import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Final, TypeAlias

READY: Final = "ready"
OUT_OF_MEMORY: Final = 86
"""Exit status of a process that ran out of memory or of stack."""

Answer: TypeAlias = tuple[list[Any] | None, BaseException | None]
"""Results, or what the function raised."""

_stall_s = 0.0


def main() -> None:
    """Work until the other end of the pipe is closed.

    Arguments of the command line: a file descriptor, the memory in bytes, and the seconds of `keep_alive`.
    """
    descriptor, memory_bytes, stall_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its processes itself
    limit(memory_bytes)
    _turn_on_timeout(stall_s)
    with Connection(descriptor) as connection, contextlib.suppress(EOFError, ConnectionError):
        connection.send(READY)
        while True:
            job = connection.recv_bytes()
            keep_alive()
            answer = _work(job)
            keep_alive(0)
            connection.send(answer)


def keep_alive(seconds: float | None = None) -> None:
    """Restart the hard timeout of a worker: so many seconds from now, or its default; 0 turns it off."""
    if _stall_s:
        signal.setitimer(signal.ITIMER_REAL, _stall_s if seconds is None else seconds)


def _turn_on_timeout(stall_s: float) -> None:
    global _stall_s
    if hasattr(signal, "setitimer"):
        _stall_s = stall_s
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # a handler of Python's would wait for SQLite to return


def limit(memory_bytes: int) -> None:
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


def _work(job: bytes) -> Answer:
    try:
        import pickle

        function: Callable[[Any], list[Any]]
        function, items = pickle.loads(job)
        return function(items), None
    except (MemoryError, RecursionError):
        os._exit(OUT_OF_MEMORY)  # the heap may be in pieces: the next job gets a fresh process
    except Exception as error:
        error.add_note(f"in a worker process:\n{traceback.format_exc()}")
        return None, error
