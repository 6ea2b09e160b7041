"""One function for each of many rows, in this process or several, with few rows in memory at a time."""

import os
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, Final, NamedTuple, TypeAlias

from text2sql_lightning.prepare.clean import TOO_LONG, CleanRow, DroppedRow, clean_row
from text2sql_lightning.prepare.decontaminate import Detector
from text2sql_lightning.prepare.normal_form import normal_query
from text2sql_lightning.prepare.settings import LiteralCase
from text2sql_lightning.prepare.store import RowFacts, pickled

RowMap: TypeAlias = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""A `map` whose results come in the order of the rows."""

ROWS_FOR_POOL: Final = 2000
"""From more rows than this on, several processes are worth their start."""

_CHUNK: Final = 100
_CHUNKS_A_WORKER: Final = 3


@contextmanager
def row_map(workers: int, rows: int) -> Iterator[RowMap]:
    """Open a `map` that calls a function for each row in several processes, or in this one.

    Args:
        workers: Number of processes.
        rows: Number of rows; few are not worth the start of a process.

    Yields:
        The map. It takes rows as its results are taken, so that neither pile up.
    """
    if workers == 1 or rows <= ROWS_FOR_POOL:
        yield map
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin_worker)

    def map_in_pool(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        remaining, known = iter(items), pickle.dumps(function)
        pending: deque[Future[list[Any]]] = deque()
        while True:
            while len(pending) < _CHUNKS_A_WORKER * workers and (chunk := list(islice(remaining, _CHUNK))):
                with _interrupts_held():
                    pending.append(pool.submit(_apply, known, chunk))
            if not pending:
                return
            yield from pending.popleft().result()

    try:
        yield map_in_pool
    finally:
        pool.shutdown(cancel_futures=True)


def _apply(function: bytes, items: Sequence[Any]) -> list[Any]:
    return list(map(_unpickle(function), items))


@lru_cache(maxsize=1)  # what a function knows may be large, and is the same for all rows
def _unpickle(function: bytes) -> Callable[[Any], Any]:
    unpickled: Callable[[Any], Any] = pickle.loads(function)
    return unpickled


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while workers start: they inherit this, so that none is interrupted before it can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker() -> None:
    """Leave Ctrl-C to the main process, which then stops the workers; end with it where it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)


class PreparedRow(NamedTuple):
    """A row that will be a record unless it came before.

    Attributes:
        row: The pickled `CleanRow`.
        facts: What is kept in memory of it.
        digest: Equal for equal rows: of question, schema and query.
        benchmark_tables: The tables of its query where a benchmark's query is on the same.
    """

    row: bytes
    facts: RowFacts
    digest: bytes
    benchmark_tables: tuple[str, ...] | None


def prepare_row(raw: bytes, literal_case: LiteralCase, detector: Detector | None) -> PreparedRow | DroppedRow:
    """Clean one pickled `RawRow` and search the benchmarks for it; without a detector nothing is searched.

    Returns:
        The row, or why it is dropped.
    """
    row = pickle.loads(raw)
    cleaned = clean_row(row, literal_case)
    if isinstance(cleaned, DroppedRow) and cleaned.reason == TOO_LONG:
        return cleaned  # nobody's benchmark; and features of megabytes take minutes
    # Whatever else is wrong with the row, so that the number of rows found says something about the source.
    query = cleaned.query if isinstance(cleaned, CleanRow) else normal_query(row.answer)
    if detector and (match := detector.find(row.question, query)):
        return DroppedRow(row, f"contaminated_{match.kind}", row.answer, match)
    if isinstance(cleaned, DroppedRow):
        return cleaned
    digest = sha256(pickle.dumps((cleaned.question, cleaned.schema_id, cleaned.sql), 4)).digest()[:16]
    same_tables = query.tables if detector and detector.has_tables(query) else None
    return PreparedRow(pickled(cleaned), RowFacts.of(cleaned), digest, same_tables)
