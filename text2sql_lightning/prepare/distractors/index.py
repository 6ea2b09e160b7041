"""Index of the tables of a source: which columns occur together, so where plausible distractors come from."""

import pickle
import re
from array import array
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import log2
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from text2sql_lightning.prepare.store import open_scratch
from text2sql_lightning.sql.ddl import Table
from text2sql_lightning.sql.schema import Schema

_GENERIC_TABLE: Final = re.compile(r"table_name_\d+")
_IDENTIFIER_TABLE: Final = re.compile(r"table_\d+_\d+")
_BAGS_A_COLUMN: Final = 80
_BAGS_A_TABLE: Final = 50
_MOST_UNNAMED: Final = 100_000
_DONORS: Final = 24
_ALIKE: Final = 0.2
"""Two columns in common that stand in 1,000 tables each, or one that stands in 30."""

_TABLES: Final = """
CREATE TABLE bags (bag INTEGER PRIMARY KEY, split TEXT, name TEXT, columns BLOB, folded TEXT);
CREATE UNIQUE INDEX once ON bags (split, name, columns);
CREATE INDEX by_table ON bags (split, folded) WHERE folded <> '';
CREATE TABLE neighbours (split TEXT, folded TEXT, bag INTEGER, other INTEGER);
CREATE INDEX by_neighbour ON neighbours (split, folded);
CREATE TABLE splits (schema_id TEXT PRIMARY KEY, split TEXT) WITHOUT ROWID;
CREATE TABLE state (state BLOB);
"""
_KNOWN: Final = "SELECT bag FROM bags WHERE split = ? AND name = ? AND columns = ?"
_OF_TABLE: Final = (
    f"SELECT columns FROM bags WHERE split = ? AND folded = ? AND folded <> '' ORDER BY bag LIMIT {_BAGS_A_TABLE}"
)
_NEIGHBOURS: Final = "SELECT bag, other FROM neighbours WHERE split = ? AND folded = ? ORDER BY rowid"


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
    in, a sample of 80. Of tables without a name the first 100,000 are taken.
    """

    def __init__(self, seed: int, path: Path | None = None) -> None:
        """Start empty.

        Args:
            seed: Decides which tables stand for a common column.
            path: A file that is not there yet; without it all is in memory, and no other process can have the index.
        """
        self._path = path
        self._rng = Random(f"{seed} column index")
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._seen: list[int] = []
        self._typed: list[dict[str, int]] = []
        self._by_column: dict[str, array[int]] = {}
        self._offered: dict[str, int] = defaultdict(int)
        self._count = self._unnamed = 0
        self._tables = open_scratch(path)
        self._tables.executescript(_TABLES)
        self._tables.execute("BEGIN")

    def __len__(self) -> int:
        """Return the number of different tables."""
        return self._count

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the place of the file, for other processes."""
        return _open_index, (self._path,)

    def add(self, schema: Schema, schema_id: str, split: str) -> None:
        """Add the tables of one row: its schema, the schema's hash, and the split that the row is in."""
        # Rows on a table whose name is an identifier are in one split anyway.
        if not any(_IDENTIFIER_TABLE.fullmatch(table.name.lower()) for table in schema.tables):
            self._tables.execute("INSERT OR REPLACE INTO splits VALUES (?, ?)", (schema_id, split))
        bags = [self._add_table(table, split) for table in schema.tables]
        named = [
            (bag, table) for bag, table in zip(bags, schema.tables, strict=True) if table.name and is_real(table.name)
        ]
        if len(named) > 1:
            for bag, table in named:
                self._add_neighbours(split, table.name.lower(), bag, [other for other, _ in named])

    def split_of(self, schema_id: str) -> str | None:
        """Return the split whose rows have this schema; None where no row has it, or its tables' names tell that."""
        found = self._tables.execute("SELECT split FROM splits WHERE schema_id = ?", (schema_id,)).fetchone()
        return found[0] if found else None

    def finish(self) -> None:
        """Write what other processes need: no row can be added then."""
        state = (self._numbers, self._names, self._seen, self._typed, self._by_column, self._offered)
        self._tables.execute("INSERT INTO state VALUES (?)", (pickle.dumps(state),))
        self._tables.execute("COMMIT")

    def _open(self, path: Path) -> None:
        self._path, self._tables = path, open_scratch(path)
        (state,) = self._tables.execute("SELECT state FROM state").fetchone()
        self._numbers, self._names, self._seen, self._typed, self._by_column, self._offered = pickle.loads(state)

    def close(self) -> None:
        """Close the file."""
        self._tables.close()

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
            weight = 1 / log2(2 + self._offered.get(name, 0))
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

    def type_of(self, name: str, rng: Random) -> str:
        """Return a type that the column has in the source.

        `b-mc2/sql-create-context` says INTEGER only of columns that are calculated with, VARCHAR of all others: a
        column seen as a number anywhere may be one, and is drawn as one twice as often as it was seen.
        """
        number = self._numbers.get(name)
        if number is None:
            return ""
        kinds = self._typed[number]
        share = {kind: min(0.6, 2 * count / self._seen[number]) for kind, count in kinds.items()}
        return next((kind for kind, part in share.items() if rng.random() < part), "VARCHAR")

    def _add_table(self, table: Table, split: str) -> int:
        name = table.name if is_real(table.name) else ""
        numbers = sorted(self._number(column.name, column.type) for column in table.columns)
        key = (split, name, array("I", numbers).tobytes())
        known = self._tables.execute(_KNOWN, key).fetchone()
        if known or (not name and (split != "train" or self._unnamed >= _MOST_UNNAMED)):
            return int(known[0]) if known else -1
        bag, self._count = self._count, self._count + 1
        self._tables.execute("INSERT INTO bags VALUES (?, ?, ?, ?, ?)", (bag, *key, name.lower()))
        self._unnamed += not name
        if split == "train":
            self._offer(bag, [self._names[number] for number in numbers])
        return bag

    def _add_neighbours(self, split: str, folded: str, bag: int, others: Iterable[int]) -> None:
        present = self._tables.execute(_NEIGHBOURS, (split, folded)).fetchall()
        for other in others:
            if other != bag and (bag, other) not in present and len(present) < _BAGS_A_TABLE:
                present.append((bag, other))
                self._tables.execute("INSERT INTO neighbours VALUES (?, ?, ?, ?)", (split, folded, bag, other))

    def _offer(self, bag: int, columns: Iterable[str]) -> None:
        """Sample each column's tables evenly (reservoir sampling): a source is often ordered."""
        for name in dict.fromkeys(name.lower() for name in columns):
            bags = self._by_column.setdefault(name, array("I"))
            self._offered[name] += 1
            if len(bags) < _BAGS_A_COLUMN:
                bags.append(bag)
            elif (at := self._rng.randrange(self._offered[name])) < _BAGS_A_COLUMN:
                bags[at] = bag

    def _number(self, name: str, kind: str) -> int:
        number = self._numbers.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
            self._seen.append(0)
            self._typed.append({})
        self._seen[number] += 1
        if kind and kind.upper() not in ("VARCHAR", "TEXT"):
            self._typed[number][kind] = self._typed[number].get(kind, 0) + 1
        return number

    def _bag(self, bag: int) -> tuple[str, list[str]]:
        name, columns = self._tables.execute("SELECT name, columns FROM bags WHERE bag = ?", (bag,)).fetchone()
        return name, self._read(columns)

    def _of_table(self, split: str, folded: str) -> list[list[str]]:
        return [self._read(columns) for (columns,) in self._tables.execute(_OF_TABLE, (split, folded)).fetchall()]

    def _read(self, columns: bytes) -> list[str]:
        return [self._names[number] for number in array("I", columns)]

    def _donated(self, bag: int) -> list[str]:
        """Return a table's columns, with those that other rows have in it where its name is an identifier."""
        name, columns = self._bag(bag)
        bags = self._of_table("train", name.lower()) if _IDENTIFIER_TABLE.fullmatch(name.lower()) else [columns]
        return list(dict.fromkeys(column for one in bags for column in one))


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
