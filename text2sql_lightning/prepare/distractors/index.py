"""Index of the tables of a source: which columns occur together, so where plausible distractors come from; types."""

import pickle
import re
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import permutations
from math import log2
from pathlib import Path
from random import Random
from typing import Any, Final, Literal, NamedTuple

from text2sql_lightning.prepare.store import open_scratch
from text2sql_lightning.sql.ddl import Table
from text2sql_lightning.sql.schema import Schema

_GENERIC_TABLE: Final = re.compile(r"table_name_\d+")
_IDENTIFIER_TABLE: Final = re.compile(r"table_\d+_\d+")
_BAGS_A_COLUMN: Final = 80
_BAGS_A_TABLE: Final = 50
_MOST_UNNAMED: Final = 100_000
_DONORS: Final = 24
_JOINT: Final = "\x1f"  # rows with control characters are dropped
_ALIKE: Final = 0.2
"""Two columns in common that stand in 1,000 tables each, or one that stands in 30."""

_TABLES: Final = """
CREATE TABLE bags (bag INTEGER PRIMARY KEY, split TEXT, name TEXT, columns TEXT, folded TEXT);
CREATE UNIQUE INDEX once ON bags (split, name, columns);
CREATE INDEX by_table ON bags (split, folded) WHERE folded <> '';
CREATE TABLE neighbours (split TEXT, folded TEXT, bag INTEGER, other INTEGER, UNIQUE (split, folded, bag, other));
CREATE TABLE splits (schema_id TEXT PRIMARY KEY, split TEXT) WITHOUT ROWID;
CREATE TABLE state (state BLOB);
BEGIN;
"""
_KNOWN: Final = "SELECT bag FROM bags WHERE split = ? AND name = ? AND columns = ?"
_OF_TABLE: Final = (
    f"SELECT columns FROM bags WHERE split = ? AND folded = ? AND folded <> '' ORDER BY bag LIMIT {_BAGS_A_TABLE}"
)
_NEIGHBOURS: Final = (
    f"SELECT bag, other FROM neighbours WHERE split = ? AND folded = ? ORDER BY rowid LIMIT {_BAGS_A_TABLE}"
)


Kind = Literal["text", "integer", "real", "date"]
_STARTS: Final[dict[Kind, tuple[str, ...]]] = {
    "integer": ("INT", "BIGINT", "SMALLINT", "TINYINT", "BOOL", "YEAR"),
    "real": ("REAL", "FLOA", "DOUB", "DEC", "NUM", "MONEY"),
    "date": ("DATE", "TIME"),
}
TYPES: Final[dict[Kind, str]] = {"text": "TEXT", "integer": "INTEGER", "real": "REAL", "date": "DATE"}
"""How columns are declared, by what they hold."""

_NUMBER_AS_TEXT: Final = 0.5


class Neighbour(NamedTuple):
    """A table of a schema that another one was in: its name and the columns that it had."""

    table: str
    columns: tuple[str, ...]


class ColumnIndex:
    """Tables and their columns, without the rows that they come from.

    Tables of a real name are kept for each split by themselves, so that a row of train gets nothing of a table that
    val or test asks about, and the other way round. Columns that merely stand together somewhere come from train
    alone, whoever gets them.

    Tables are in a SQLite file, each once; in memory are the names of columns, and for each the tables that it stands
    in, a sample of 80. Of tables without a name the first 100,000 are taken. It is pickled as the place of the file.
    """

    def __init__(self, seed: int, path: Path | None = None) -> None:
        """Start empty.

        Args:
            seed: Decides which tables stand for a common column.
            path: A file that is not there yet; without it all is in memory, and no other process can have the index.
        """
        self._path, self._tables = path, open_scratch(path)
        self._tables.executescript(_TABLES)
        self._rng = Random(f"{seed} column index")
        self._order: dict[str, int] = {}
        self._seen = Counter[str]()
        self._typed: dict[str, Counter[str]] = {}
        self._by_column: dict[str, array[int]] = {}
        self._offered = Counter[str]()
        self._count = self._unnamed = 0

    def __len__(self) -> int:
        """Return the number of different tables."""
        return self._count

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_index, (self._path,)

    def add(self, schema: Schema, schema_id: str, split: str) -> None:
        """Add the tables of one row: its schema, the schema's hash, and the split that the row is in."""
        # Rows on a table whose name is an identifier are in one split anyway.
        if not any(_IDENTIFIER_TABLE.fullmatch(table.name.lower()) for table in schema.tables):
            self._tables.execute("INSERT OR REPLACE INTO splits VALUES (?, ?)", (schema_id, split))
        bags = [(table.name, self._add_table(table, split)) for table in schema.tables]
        named = [(name.lower(), bag) for name, bag in bags if name and is_real(name)]
        pairs = [(split, name, bag, other) for (name, bag), (_, other) in permutations(named, 2) if bag != other]
        self._tables.executemany("INSERT OR IGNORE INTO neighbours VALUES (?, ?, ?, ?)", pairs)

    def _add_table(self, table: Table, split: str) -> int:
        name = table.name if is_real(table.name) else ""
        for column in table.columns:
            self._see(column.name, column.type)
        columns = sorted((column.name for column in table.columns), key=self._order.__getitem__)
        key = (split, name, _JOINT.join(columns))
        known = self._tables.execute(_KNOWN, key).fetchone()
        if known or (not name and (split != "train" or self._unnamed >= _MOST_UNNAMED)):
            return int(known[0]) if known else -1
        bag, self._count = self._count, self._count + 1
        self._tables.execute("INSERT INTO bags VALUES (?, ?, ?, ?, ?)", (bag, *key, name.lower()))
        self._unnamed += not name
        if split == "train":
            self._offer(bag, columns)
        return bag

    def _see(self, name: str, kind: str) -> None:
        self._order.setdefault(name, len(self._order))
        self._seen[name] += 1
        if kind and kind.upper() not in ("VARCHAR", "TEXT"):
            self._typed.setdefault(name, Counter())[kind] += 1

    def _offer(self, bag: int, columns: Iterable[str]) -> None:
        """Sample each column's tables evenly (reservoir sampling): a source is often ordered."""
        for name in dict.fromkeys(name.lower() for name in columns):
            bags = self._by_column.setdefault(name, array("I"))
            self._offered[name] += 1
            if len(bags) < _BAGS_A_COLUMN:
                bags.append(bag)
            elif (at := self._rng.randrange(self._offered[name])) < _BAGS_A_COLUMN:
                bags[at] = bag

    def finish(self) -> None:
        """Write what other processes need: no row can be added then."""
        self._order.clear()
        state = (self._seen, self._typed, self._by_column, self._offered)
        self._tables.execute("INSERT INTO state VALUES (?)", (pickle.dumps(state),))
        self._tables.execute("COMMIT")

    def _open(self, path: Path) -> None:
        self._path, self._tables = path, open_scratch(path)
        (state,) = self._tables.execute("SELECT state FROM state").fetchone()
        self._seen, self._typed, self._by_column, self._offered = pickle.loads(state)

    def close(self) -> None:
        """Close the file."""
        self._tables.close()

    def split_of(self, schema_id: str) -> str | None:
        """Return the split whose rows have this schema; None where no row has it, or its tables' names tell that."""
        found = self._tables.execute("SELECT split FROM splits WHERE schema_id = ?", (schema_id,)).fetchone()
        return found[0] if found else None

    def same_table(self, table: Table, split: str) -> list[str]:
        """Return columns that rows of the same split have in the same real table; the same table's rows come first.

        `student` may be a table of several databases, so there a column must be common.
        """
        if not is_real(table.name):
            return []
        own = {column.name.lower() for column in table.columns}
        certain = _IDENTIFIER_TABLE.fullmatch(table.name.lower()) is not None
        found: dict[str, None] = {}
        for columns in self._of_table(split, table.name.lower()):
            if certain or own & {name.lower() for name in columns}:
                found.update(dict.fromkeys(name for name in columns if name.lower() not in own))
        return list(found)

    def neighbours(self, tables: Sequence[Table], split: str) -> list[Neighbour]:
        """Return real tables that stood beside one of these in a row of the same split, with a column in common."""
        present = {table.name.lower() for table in tables}
        found: dict[str, dict[str, None]] = {}
        for table in tables:
            own = {column.name.lower() for column in table.columns}
            for bag, other in self._tables.execute(_NEIGHBOURS, (split, table.name.lower())).fetchall():
                name, columns = self._bag(other)
                if name.lower() not in present and own & {column.lower() for column in self._bag(bag)[1]}:
                    found.setdefault(name, {}).update(dict.fromkeys(columns))
        return [Neighbour(name, tuple(columns)) for name, columns in found.items()]

    def similar(self, columns: Iterable[str], rng: Random) -> tuple[Iterator[list[str]], Iterator[list[str]]]:
        """Return what tables have that have most in common with these columns.

        A rare column counts for more than a common one: many things have a name or a year.

        Args:
            columns: Names of columns.
            rng: Decides between tables that are as good.

        Returns:
            For each table the columns that it has besides the given ones: tables that are much alike, and others.
        """
        own = {name.lower() for name in columns}
        scores: dict[int, float] = {}
        for name in sorted(own):
            weight = 1 / log2(2 + self._offered[name])
            for bag in self._by_column.get(name, ()):
                scores[bag] = scores.get(bag, 0.0) + weight
        # A hash instead of a random number for each: there are hundreds.
        salt = rng.getrandbits(24) | 1
        best = sorted([(score * (1500 + bag * salt % 1009), bag) for bag, score in scores.items()], reverse=True)
        bags = [bag for _, bag in best[:_DONORS]]
        good, weak = ([bag for bag in bags if (scores[bag] >= _ALIKE) == alike] for alike in (True, False))
        return self._others(good, own), self._others(weak, own)

    def _others(self, bags: Sequence[int], own: Collection[str]) -> Iterator[list[str]]:
        return ([name for name in self._donated(bag) if name.lower() not in own] for bag in bags)

    def _donated(self, bag: int) -> list[str]:
        """Return a table's columns, with those that other rows have in it where its name is an identifier."""
        name, columns = self._bag(bag)
        bags = self._of_table("train", name.lower()) if _IDENTIFIER_TABLE.fullmatch(name.lower()) else [columns]
        return list(dict.fromkeys(column for one in bags for column in one))

    def _bag(self, bag: int) -> tuple[str, list[str]]:
        name, columns = self._tables.execute("SELECT name, columns FROM bags WHERE bag = ?", (bag,)).fetchone()
        return name, columns.split(_JOINT)

    def _of_table(self, split: str, folded: str) -> list[list[str]]:
        return [columns.split(_JOINT) for (columns,) in self._tables.execute(_OF_TABLE, (split, folded)).fetchall()]

    def type_of(self, name: str, rng: Random) -> str:
        """Return a type that the column has in the source, empty where the source has no such column.

        `b-mc2/sql-create-context` says INTEGER only of columns that are calculated with, VARCHAR of all others: a
        column seen as a number anywhere may be one, and is drawn as one twice as often as it was seen.
        """
        if name not in self._seen:
            return ""
        share = {kind: min(0.6, 2 * count / self._seen[name]) for kind, count in self._typed.get(name, {}).items()}
        return next((kind for kind, part in share.items() if rng.random() < part), "VARCHAR")


def _open_index(path: Path) -> ColumnIndex:
    index = ColumnIndex.__new__(ColumnIndex)
    index._open(path)
    return index


def is_real(table: str) -> bool:
    """Return whether a table's name says which table it is: `table_name_12` stands for any."""
    return _GENERIC_TABLE.fullmatch(table.lower()) is None


def index_of(splits: Mapping[str, Iterable[tuple[Schema, str]]], seed: int, path: Path | None = None) -> ColumnIndex:
    """Return an index of all rows' schemas, given with their hashes for each split; `path` as that of `ColumnIndex`."""
    index = ColumnIndex(seed, path)
    for split, schemas in splits.items():
        for schema, schema_id in schemas:
            index.add(schema, schema_id, split)
    index.finish()
    return index


def kind_of(declared: str) -> Kind:
    """Return what a column of a declared type holds; text where the type says nothing."""
    return next((kind for kind, starts in _STARTS.items() if declared.upper().startswith(starts)), "text")


def write_type(kind: Kind, present: Sequence[str], rng: Random) -> str:
    """Write a type as the schema's other columns have theirs.

    Args:
        kind: What the column holds.
        present: Declared types of the schema's columns.
        rng: Decides how a number is declared in schemas that know VARCHAR and INTEGER alone: those of
            `b-mc2/sql-create-context` say VARCHAR of numbers, too.

    Returns:
        The type; empty where the schema declares none.
    """
    declared = [kind for kind in present if kind]
    if not declared:
        return ""
    if {name.upper() for name in declared} <= {"VARCHAR", "INTEGER"}:
        return "INTEGER" if kind in ("integer", "real") and rng.random() < _NUMBER_AS_TEXT else "VARCHAR"
    of_kind = [name for name in declared if kind_of(name) == kind]
    return rng.choice(of_kind) if of_kind else TYPES[kind]
