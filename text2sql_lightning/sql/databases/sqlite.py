"""Connections to SQLite databases that can read and do nothing else."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from text2sql_lightning.errors import DataError

MAX_VALUE_BYTES: Final = 10_000_000
"""Longest string or blob that a query may build or read."""

MAX_SQL_BYTES: Final = 200_000
"""Longest statement."""

MAX_HEAP_BYTES: Final = 256 * 2**20
"""Most memory that SQLite takes in this process, for all its connections, from the first `connect` on."""

_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: MAX_SQL_BYTES,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 5_000,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_READING: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_DEFINING: Final = frozenset(
    {
        sqlite3.SQLITE_CREATE_TABLE,
        sqlite3.SQLITE_CREATE_INDEX,
        sqlite3.SQLITE_REINDEX,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_TRANSACTION,
    }
)
_WRITING: Final = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})
_BOOKKEEPING: Final = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE})
_FORBIDDEN_FUNCTIONS: Final = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})
_DQS_DML: Final = 1013  # SQLITE_DBCONFIG_DQS_DML


@contextmanager
def connect(database: Path | bytes) -> Iterator[sqlite3.Connection]:
    """Open a database for reading only and close it afterwards.

    A file is opened read-only and immutable, so that not even a journal appears next to it; only where another
    program has left unwritten changes in a `-wal` file is it opened read-only alone, or those would be missed.

    Args:
        database: A SQLite file, or a serialized database.

    Raises:
        DataError: When the file is missing or is no SQLite database.
    """
    connection = _open_bytes(database) if isinstance(database, bytes) else _open_file(database)
    try:
        restrict(connection)
        yield connection
    finally:
        connection.close()


def _open_bytes(database: bytes) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.deserialize(database)
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise DataError(f"{len(database)} bytes that are no serialized SQLite database: {error}") from error
    return connection


def _open_file(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise DataError(f"no database file {path}; give the path of a SQLite file")
    wal = path.with_name(path.name + "-wal")
    mode = "mode=ro" if wal.is_file() and wal.stat().st_size else "mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?{mode}", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise DataError(f"{path} cannot be opened: {error}") from error
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise DataError(f"{path} is no SQLite database: {error}") from error
    return connection


def restrict(connection: sqlite3.Connection) -> None:
    """Let a connection read and do nothing else, within limits on the sizes of values and statements."""
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    if hasattr(connection, "setconfig"):  # Python 3.12; some builds of SQLite refuse "text" in double quotes
        connection.setconfig(_DQS_DML, True)
    connection.text_factory = lambda raw: raw.decode("utf-8", "ignore")
    # A large sort stays in memory, which has a limit, and goes to no temporary file, which has none.
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA hard_heap_limit = {MAX_HEAP_BYTES}")
    connection.set_authorizer(_authorize)


def _authorize(action: int, first: str | None, second: str | None, database: str | None, source: str | None) -> int:
    """Allow reading and functions, refuse everything else: writes, ATTACH, PRAGMA, transactions."""
    if action in _READING:
        return sqlite3.SQLITE_OK
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def restrict_to_compiling(connection: sqlite3.Connection) -> None:
    """Let a connection compile queries that name any table but SQLite's own; nothing may be executed on it."""
    restrict(connection)
    connection.set_authorizer(_authorize_compiling)


def _authorize_compiling(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    is_own = (first or "").startswith("sqlite_")
    if action == sqlite3.SQLITE_READ:  # the row ids of its own tables are looked at to declare json_each
        return sqlite3.SQLITE_DENY if is_own and second != "ROWID" else sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY if action in _WRITING and not is_own else sqlite3.SQLITE_OK


def restrict_to_definitions(connection: sqlite3.Connection) -> None:
    """Let a connection create tables and indexes, nothing else: the CREATE TABLE text of a dataset is untrusted."""
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    connection.set_authorizer(_authorize_definition)


def _authorize_definition(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """Allow CREATE and what SQLite itself writes for it; refuse ATTACH, PRAGMA, SELECT and changes of rows."""
    if action in _DEFINING:
        return sqlite3.SQLITE_OK
    if action in _BOOKKEEPING and (first or "").startswith("sqlite_"):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
