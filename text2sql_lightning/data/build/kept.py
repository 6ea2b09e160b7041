"""The few facts about every kept row that splitting, mixing and the report need: numbers in arrays, no texts.

A row itself is in the `RowStore`. It is known by its place: 0 for the first row that is kept, and so on.
"""

import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import groupby
from typing import Final, NamedTuple

from text2sql_lightning.data.build.clean import CleanRow

LEVELS: Final = ("easy", "medium", "hard", "extra", "unknown")

_QUESTION, _TEMPLATE, _TABLES, _LINK, _NAME = range(5)


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


def row_facts(row: CleanRow) -> RowFacts:
    """Take the facts from a row."""
    return RowFacts(
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
        self.places = array("I")
        self.ends = array("I")

    def add(self, places: Iterable[int]) -> None:
        """Add a list."""
        self.places.extend(places)
        self.ends.append(len(self.places))

    def __len__(self) -> int:
        """Give the number of lists."""
        return len(self.ends)

    def __getitem__(self, at: int) -> "array[int]":
        """Give one list."""
        return self.places[self.ends[at - 1] if at else 0 : self.ends[at]]


class KeptRows:
    """Facts by place. After `number_keys` keys are numbers too, in the order of their alphabet.

    Attributes:
        sources: Names of the sources in the order in which they came.
        source: The row's source, a place in `sources`.
        index: The row's position in its source.
        hardness: The row's class, a place in `LEVELS`.
        schema_id: The hash of the row's schema.
        question: The key that is equal for rows that ask the same.
        template: The key that is equal for rows with the same query but for literals, on the same tables.
        tables: The first of the row's group keys.
        links: For each group key the rows that have it.
        names: For each name of a table the rows that have one.
        hashes: Of each key the first 8 bytes of its SHA-256.
    """

    def __init__(self, connection: sqlite3.Connection | None = None) -> None:
        """Start without rows.

        Args:
            connection: Where keys wait for their numbers; in memory when None.
        """
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
            kept.add(row_facts(row))
        kept.number_keys()
        return kept

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.index)

    def add(self, facts: RowFacts) -> None:
        """Add the next row."""
        place = len(self)
        if facts.source not in self._numbers:
            self._numbers[facts.source] = len(self.sources)
            self.sources.append(facts.source)
        self.source.append(self._numbers[facts.source])
        self.index.append(facts.position)
        self.hardness.append(LEVELS.index(facts.hardness))
        self.schema_id.append(int(facts.schema_id, 16))
        keys = [(facts.question, _QUESTION), (facts.template, _TEMPLATE)]
        keys += [(key, _LINK if at else _TABLES) for at, key in enumerate(facts.group_keys)]
        keys += [(name, _NAME) for name in facts.tables]
        self._connection.executemany("INSERT INTO keys VALUES (?, ?, ?)", [(key, kind, place) for key, kind in keys])

    def in_order(self) -> "array[int]":
        """Give all places, sorted by the source's name and the row's position in it."""
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
        by_kind = {_QUESTION: self.question, _TEMPLATE: self.template, _TABLES: self.tables}
        for kind, place in entries:
            if kind in by_kind:
                by_kind[kind][place] = number
        if linked := [place for kind, place in entries if kind in (_TABLES, _LINK)]:
            self.links.add(linked)
