"""A query against a database, read-only and with a deadline: rows, or the class of its error.

A query was written by a model and is treated as hostile. Covered, and each tested: writes, PRAGMA, ATTACH, extensions
and several statements are refused; no file appears or changes; a query that takes too long is interrupted; results,
values, statements, patterns and SQLite's memory are bounded; text that is not UTF-8, NUL characters and deep nesting
do no harm. Not covered in this process: a single endless step of a query (`instr` on texts of megabytes), and faults of
SQLite itself; the workers of `sql.workers` cover both.
"""

import re
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from text2sql_lightning.errors import DataError
from text2sql_lightning.sql.databases.sqlite import connect, restrict_to_compiling
from text2sql_lightning.sql.repair import repair_ddl
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.sql.workers import keep_alive
from text2sql_lightning.text.sql_tokens import iter_tokens, keywords, quote_name

Value: TypeAlias = int | float | str | bytes | None
Row: TypeAlias = tuple[Value, ...]
ErrorClass: TypeAlias = Literal[
    "empty", "syntax", "unknown_table", "unknown_column", "ambiguous_column", "unknown_function",
    "timeout", "refused", "too_large", "other",
]  # fmt: skip

MAX_ROWS: Final = 200_000
MAX_BYTES: Final = 64_000_000

_STEPS_BETWEEN_LOOKS: Final = 500
_PATIENCE: Final = 4
_SLACK_S: Final = 3.0
_OTHER_STATEMENTS: Final = keywords(
    """ALTER ANALYZE ATTACH BEGIN COMMIT CREATE DELETE DETACH DROP END EXPLAIN INSERT PRAGMA REINDEX RELEASE REPLACE
    ROLLBACK SAVEPOINT UPDATE VACUUM"""
)
_MESSAGES: Final[tuple[tuple[str, ErrorClass], ...]] = (
    (r"interrupted", "timeout"),
    (r"no such table", "unknown_table"),
    (r"no such column|has no column|cannot join using column", "unknown_column"),
    (r"ambiguous column", "ambiguous_column"),
    (r"no such function|wrong number of arguments to function", "unknown_function"),
    (r"not authorized|prohibited|readonly|one statement at a time", "refused"),
    (r"too (big|large|long|many|complex|deep)|stack overflow|out of memory|disk i/o error|disk is full", "too_large"),
    (r"syntax error|incomplete input|unrecognized token|null character|misuse of|near \"", "syntax"),
)
_NO_NAME_ERRORS: Final = frozenset({"ambiguous_column", "unknown_function", "other"})


@dataclass(frozen=True)
class Execution:
    """The outcome of a query.

    Attributes:
        rows: The rows; empty after an error.
        columns: Names of the result's columns; empty after an error.
        error: The error's class, None when the query ran to its end.
        seconds: Wall time that the query took.
    """

    rows: Sequence[Row]
    columns: tuple[str, ...]
    error: ErrorClass | None
    seconds: float


def execute(
    database: Path | bytes,
    sql: str,
    *,
    timeout_s: float = 5.0,
    max_rows: int = MAX_ROWS,
    max_bytes: int = MAX_BYTES,
) -> Execution:
    """Run one query on a database that it can only read.

    Args:
        database: A SQLite file, or a serialized database (`sqlite3.Connection.serialize`).
        sql: One SELECT statement; a semicolon and comments may follow it.
        timeout_s: Seconds of computing after which the query is interrupted; waiting may take four times as long.
        max_rows: More rows than this are the error `too_large`.
        max_bytes: More bytes of values than this, 8 for a number, are the error `too_large`.

    Raises:
        DataError: When the database is missing or is none; nothing in `sql` raises.
    """
    with connect(database) as connection:
        return run_query(connection, sql, timeout_s=timeout_s, max_rows=max_rows, max_bytes=max_bytes)


def run_query(
    connection: sqlite3.Connection,
    sql: str,
    *,
    timeout_s: float = 5.0,
    max_rows: int = MAX_ROWS,
    max_bytes: int = MAX_BYTES,
    enough_rows: int | None = None,
) -> Execution:
    """Run one query on a connection of `connect`; like `execute`, for several queries on the same database.

    Args:
        connection: What `connect` gave.
        sql: One SELECT statement; a semicolon and comments may follow it.
        timeout_s: As in `execute`.
        max_rows: As in `execute`.
        max_bytes: As in `execute`.
        enough_rows: Reading ends, without an error, when more rows than this have come: more are not asked about.
    """
    start = time.perf_counter()
    refusal = _refusal(sql)
    if refusal is not None:
        return Execution((), (), refusal, 0.0)
    deadline = _Deadline(timeout_s)
    connection.set_progress_handler(deadline.is_over, _STEPS_BETWEEN_LOOKS)
    keep_alive(_PATIENCE * timeout_s + _SLACK_S)
    error: ErrorClass | None
    try:
        cursor = connection.execute(sql)
        rows, error = _fetch(cursor, deadline, max_rows, max_bytes, enough_rows)
    except (sqlite3.Error, ValueError, OverflowError, MemoryError) as failure:
        error = _classify(failure)
    keep_alive()
    seconds = time.perf_counter() - start
    if error is not None:
        return Execution((), (), error, seconds)
    return Execution(rows, tuple(description[0] for description in cursor.description or ()), None, seconds)


def adheres_to_schema(sql: str, schema: Schema) -> bool:
    """Whether a text is a query that uses only the tables and columns of a schema, each column in its own table.

    SQLite decides, by compiling the query on empty tables. Other faults (an ambiguous name, an unknown function, an
    aggregate in the wrong place) do not count; where there are several, SQLite names the first.

    Args:
        sql: What a model wrote.
        schema: The tables that it may use. SQLite's own (`sqlite_master`) are not among them.
    """
    if _refusal(sql) is not None:
        return False
    bare = "; ".join(
        f"CREATE TABLE {quote_name(t.name)} ({', '.join(quote_name(c.name) for c in t.columns)})" for t in schema.tables
    )
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        try:
            connection.executescript(bare)
            restrict_to_compiling(connection)
            connection.execute(f"EXPLAIN QUERY PLAN {sql}")
        except (sqlite3.Error, ValueError, MemoryError) as failure:
            names_are_known = "misuse of" in str(failure) or _classify(failure) in _NO_NAME_ERRORS
            return names_are_known and "ORDER BY term" not in str(failure)  # "... does not match any column"
    return True


def adheres_to_context(sql: str, context: str) -> bool:
    """Whether a query adheres to the schema of CREATE TABLE text, which is repaired first where that is certain."""
    try:
        return adheres_to_schema(sql, Schema.from_ddl(repair_ddl(context).text))
    except DataError:
        return False


def _refusal(sql: str) -> ErrorClass | None:
    first = next((token for token in iter_tokens(sql) if token.kind != "comment" and token.text != ";"), None)
    if first is None:
        return "empty"
    return "refused" if first.is_word(*_OTHER_STATEMENTS) else None


class _Deadline:
    """Seconds that this thread may compute: other programs on a busy machine do not time a query out.

    Waiting (for a slow disk) is not computing: its limit is longer.
    """

    def __init__(self, timeout_s: float) -> None:
        self._computed = time.thread_time() + timeout_s
        self._passed = time.perf_counter() + _PATIENCE * timeout_s

    def is_over(self) -> bool:
        return time.thread_time() > self._computed or time.perf_counter() > self._passed


def _fetch(
    cursor: sqlite3.Cursor, deadline: _Deadline, max_rows: int, max_bytes: int, enough_rows: int | None
) -> tuple[list[Row], ErrorClass | None]:
    rows: list[Row] = []
    size, batch = 0, 64
    while chunk := cursor.fetchmany(batch):
        rows += chunk
        size += sum(len(value) if isinstance(value, str | bytes) else 8 for row in chunk for value in row)
        if enough_rows is not None and len(rows) > enough_rows:
            return rows, None
        if len(rows) > max_rows or size > max_bytes:
            return [], "too_large"
        if deadline.is_over():
            return [], "timeout"
        # Long values come in small batches, so that one batch cannot be much larger than what is allowed.
        batch = max(1, min(4096, len(rows) * max_bytes // (size * 16 or 1)))
    return rows, None


def _classify(failure: Exception) -> ErrorClass:
    if isinstance(failure, UnicodeError):
        return "syntax"
    if isinstance(failure, MemoryError | OverflowError):
        return "too_large"
    message = str(failure).lower()
    return next((name for pattern, name in _MESSAGES if re.search(pattern, message)), "other")
