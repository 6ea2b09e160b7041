"""Rows on disk, so that memory does not grow with them: SQLite files in a folder that goes when the build ends."""

import pickle
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.data.build.clean import CleanRow
from text2sql_lightning.data.sources import RawRow

_SETTINGS: Final = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
"""For files that nobody needs after a crash."""

_TABLES: Final = """
CREATE TABLE raw (place INTEGER PRIMARY KEY, row BLOB);
CREATE TABLE kept (place INTEGER PRIMARY KEY, row BLOB);
CREATE TABLE seen (digest BLOB PRIMARY KEY, place INTEGER) WITHOUT ROWID;
"""


def open_scratch(path: Path | None) -> sqlite3.Connection:
    """Open a SQLite file that no crash need spare; one in memory when there is no path."""
    connection = sqlite3.connect(path or ":memory:", isolation_level=None)
    connection.executescript(_SETTINGS)
    return connection


class RowStore:
    """The rows of a build, as they were found and as they are kept; by their places, from 0.

    Attributes:
        connection: The store's file, for tables of others.
    """

    def __init__(self, folder: Path) -> None:
        """Start without rows.

        Args:
            folder: An existing folder.
        """
        self.connection = open_scratch(folder / "rows.sqlite")
        self.connection.executescript(_TABLES)
        self.connection.execute("BEGIN")

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    def add_raw(self, rows: Iterable[RawRow]) -> int:
        """Take in all rows as they were found; returns how many there are."""
        pickled = ((pickle.dumps(row, pickle.HIGHEST_PROTOCOL),) for row in rows)
        self.connection.executemany("INSERT INTO raw (row) VALUES (?)", pickled)
        return int(self.connection.execute("SELECT COUNT(*) FROM raw").fetchone()[0])

    def raw(self, places: Iterable[int]) -> Iterator[bytes]:
        """Give rows as they were found, pickled."""
        for place in places:  # SQLite counts from 1
            yield self.connection.execute("SELECT row FROM raw WHERE place = ?", (place + 1,)).fetchone()[0]

    def first_place(self, digest: bytes, place: int) -> int:
        """Note where a row stands, and return where the first one with its digest does."""
        self.connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (digest, place))
        return int(self.connection.execute("SELECT place FROM seen WHERE digest = ?", (digest,)).fetchone()[0])

    def keep(self, place: int, row: bytes) -> None:
        """Keep a pickled row."""
        self.connection.execute("INSERT INTO kept VALUES (?, ?)", (place, row))

    def rows(self, places: Sequence[int]) -> "StoredRows":
        """Give kept rows, in the order of these places."""
        return StoredRows(self.connection, places)


class StoredRows:
    """Kept rows of a `RowStore`, read one by one whenever they are gone through."""

    def __init__(self, connection: sqlite3.Connection, places: Sequence[int]) -> None:
        """Name the rows."""
        self._connection, self._places = connection, places

    def __iter__(self) -> Iterator[CleanRow]:
        """Read the rows."""
        for place in self._places:
            (row,) = self._connection.execute("SELECT row FROM kept WHERE place = ?", (place,)).fetchone()
            yield pickle.loads(row)


def pickled(row: Any) -> bytes:
    """Make bytes of a row."""
    return pickle.dumps(row, pickle.HIGHEST_PROTOCOL)
