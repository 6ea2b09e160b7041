"""Rows on disk, so that memory does not grow with them, and the few facts about each that are kept in memory.

The SQLite files are in a folder that goes when the build ends; docs/dataset.md has the memory that a build takes.
"""

import pickle
import sqlite3
from array import array
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, Final, NamedTuple

from text2sql_lightning.constants import HARDNESS
from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.prepare.clean import CleanRow

_NO_CRASH_SAFETY: Final = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
_TABLES: Final = """
CREATE TABLE raw (place INTEGER PRIMARY KEY, row BLOB);
CREATE TABLE kept (place INTEGER PRIMARY KEY, row BLOB);
CREATE TABLE seen (digest BLOB PRIMARY KEY, place INTEGER) WITHOUT ROWID;
"""
_QUESTION, _TEMPLATE, _TABLE_SET, _LINK, _NAME = range(5)


def open_scratch(path: Path | None) -> sqlite3.Connection:
    """Open a SQLite file that nobody needs after a crash; one in memory when there is no path."""
    connection = sqlite3.connect(path or ":memory:", isolation_level=None)
    connection.executescript(_NO_CRASH_SAFETY)
    return connection


def pickled(row: Any) -> bytes:
    """Return the bytes of a row."""
    return pickle.dumps(row, pickle.HIGHEST_PROTOCOL)


class RowStore:
    """The rows of a build, as they were found and as they are kept; by their places, from 0.

    Attributes:
        connection: The store's file, for tables of others.
    """

    def __init__(self, folder: Path) -> None:
        """Start without rows, in an existing folder."""
        self.connection = open_scratch(folder / "rows.sqlite")
        self.connection.executescript(_TABLES)
        self.connection.execute("BEGIN")

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def add_raw(self, rows: Iterable[RawRow]) -> int:
        """Store all rows as they were found, and return how many there are."""
        self.connection.executemany("INSERT INTO raw (row) VALUES (?)", ((pickled(row),) for row in rows))
        return int(self.connection.execute("SELECT COUNT(*) FROM raw").fetchone()[0])

    def raw(self, places: Iterable[int]) -> Iterator[bytes]:
        """Yield rows as they were found, pickled."""
        for place in places:  # SQLite counts from 1
            yield self.connection.execute("SELECT row FROM raw WHERE place = ?", (place + 1,)).fetchone()[0]

    def first_place(self, digest: bytes, place: int) -> int:
        """Note the place of a row, and return that of the first one with its digest."""
        self.connection.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (digest, place))
        return int(self.connection.execute("SELECT place FROM seen WHERE digest = ?", (digest,)).fetchone()[0])

    def keep(self, place: int, row: bytes) -> None:
        """Store a pickled row that is kept."""
        self.connection.execute("INSERT INTO kept VALUES (?, ?)", (place, row))

    def rows(self, places: Sequence[int]) -> "StoredRows":
        """Return kept rows, in the order of these places."""
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


class RowFacts(NamedTuple):
    """What is taken from one kept row; attributes are those of `CleanRow` where they have its names.

    Attributes:
        position: `row.row.index`.
        group_keys: At least one.
        question: The question's key.
        template: The query without its literals, together with its tables.
    """

    source: str
    position: int
    hardness: str
    schema_id: str
    tables: tuple[str, ...]
    group_keys: tuple[str, ...]
    question: str
    template: str

    @classmethod
    def of(cls, row: CleanRow) -> "RowFacts":
        """Take the facts from a row."""
        return cls(
            source=row.row.source,
            position=row.row.index,
            hardness=row.hardness,
            schema_id=row.schema_id,
            tables=row.tables,
            group_keys=row.group_keys,
            question=f"question {row.question_key}",
            template=f"template {','.join(row.query.tables)} {row.query.canonical}",
        )


class Lists:
    """Many short lists of places in two arrays."""

    def __init__(self) -> None:
        """Start without a list."""
        self.places, self.ends = array("I"), array("I")

    def add(self, places: Iterable[int]) -> None:
        """Add a list."""
        self.places.extend(places)
        self.ends.append(len(self.places))

    def __len__(self) -> int:
        """Return the number of lists."""
        return len(self.ends)

    def __getitem__(self, at: int) -> "array[int]":
        """Return one list."""
        return self.places[self.ends[at - 1] if at else 0 : self.ends[at]]


class KeptRows:
    """Facts by place. After `number_keys` keys are numbers too, in the order of their alphabet.

    Attributes:
        sources: Names of the sources in the order in which they came.
        source: The row's source, a place in `sources`.
        index: The row's position in its source.
        hardness: The row's class, a place in `HARDNESS`.
        schema_id: The hash of the row's schema.
        question: The key that is equal for rows that ask the same.
        template: The key that is equal for rows with the same query but for literals, on the same tables.
        tables: The first of the row's group keys.
        links: For each group key the rows that have it.
        names: For each name of a table the rows that have one.
        hashes: Of each key the first 8 bytes of its SHA-256.
    """

    def __init__(self, connection: sqlite3.Connection | None = None) -> None:
        """Start without rows; keys wait for their numbers in the connection's file, in memory when None."""
        self._connection = connection or sqlite3.connect(":memory:")
        self._connection.execute("CREATE TABLE keys (key TEXT, kind INTEGER, place INTEGER)")
        self._numbers: dict[str, int] = {}
        self.sources: list[str] = []
        self.source, self.index, self.hardness = array("I"), array("Q"), array("B")
        self.schema_id, self.hashes = array("Q"), array("Q")
        self.question, self.template, self.tables = array("I"), array("I"), array("I")
        self.links, self.names = Lists(), Lists()

    @classmethod
    def of(cls, rows: Iterable[CleanRow]) -> "KeptRows":
        """Take the facts of rows that are in memory."""
        kept = cls()
        for row in rows:
            kept.add(RowFacts.of(row))
        kept.number_keys()
        return kept

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.index)

    def add(self, facts: RowFacts) -> None:
        """Add the next row."""
        place = len(self)
        if facts.source not in self._numbers:
            self._numbers[facts.source] = len(self.sources)
            self.sources.append(facts.source)
        self.source.append(self._numbers[facts.source])
        self.index.append(facts.position)
        self.hardness.append(HARDNESS.index(facts.hardness))
        self.schema_id.append(int(facts.schema_id, 16))
        keys = [(facts.question, _QUESTION), (facts.template, _TEMPLATE)]
        keys += [(key, _LINK if at else _TABLE_SET) for at, key in enumerate(facts.group_keys)]
        keys += [(name, _NAME) for name in facts.tables]
        self._connection.executemany("INSERT INTO keys VALUES (?, ?, ?)", [(key, kind, place) for key, kind in keys])

    def in_order(self) -> "array[int]":
        """Return all places, sorted by the source's name and the row's position in it."""
        import numpy as np

        ranks = np.argsort(np.argsort(np.array(self.sources)))
        order = np.lexsort((np.asarray(self.index), ranks[np.asarray(self.source)]))
        return array("I", order.astype(np.uint32).tobytes())

    def number_keys(self) -> None:
        """Turn keys into numbers; no row can be added then."""
        for numbers in (self.question, self.template, self.tables):
            numbers.frombytes(bytes(len(self) * numbers.itemsize))
        ordered = self._connection.execute("SELECT key, kind, place FROM keys ORDER BY key, place, kind")
        for key, entries in groupby(ordered, key=lambda entry: entry[0]):
            self._number(key, [(kind, place) for _, kind, place in entries])
        self._connection.execute("DROP TABLE keys")

    def _number(self, key: str, entries: Sequence[tuple[int, int]]) -> None:
        if named := [place for kind, place in entries if kind == _NAME]:
            self.names.add(named)
        if len(named) == len(entries):
            return
        number = len(self.hashes)
        self.hashes.append(int.from_bytes(sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big"))
        by_kind = {_QUESTION: self.question, _TEMPLATE: self.template, _TABLE_SET: self.tables}
        for kind, place in entries:
            if kind in by_kind:
                by_kind[kind][place] = number
        if linked := [place for kind, place in entries if kind in (_TABLE_SET, _LINK)]:
            self.links.add(linked)
