"""Which columns stand together in the tables of a source: where plausible distractors come from."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import log2
from random import Random
from typing import Final, NamedTuple

from text2sql_lightning.sql.schema import Schema, Table

_GENERIC_TABLE: Final = re.compile(r"table_name_\d+")
_IDENTIFIER_TABLE: Final = re.compile(r"table_\d+_\d+")
_BAGS_A_COLUMN: Final = 80
_BAGS_A_TABLE: Final = 50
_MOST_UNNAMED: Final = 100_000
_DONORS: Final = 24
_ALIKE: Final = 0.2
"""Two columns in common that stand in 1,000 tables each, or one that stands in 30."""


class Neighbour(NamedTuple):
    """A table that stood beside another one: its name and the columns that it had."""

    table: str
    columns: tuple[str, ...]


class ColumnIndex:
    """Tables and their columns, without the rows that they come from.

    Tables of a real name are kept for each split by themselves, so that a row of train gets nothing of a table that
    val or test asks about, and the other way round. Columns that merely stand together somewhere come from train
    alone, whoever gets them.

    Its size is bounded by different tables, not by rows: names are stored once, equal tables once, of the tables that
    a common column stands in a sample of 80, of tables without a name the first 100,000.
    """

    def __init__(self, seed: int) -> None:
        """Start empty.

        Args:
            seed: Decides which tables stand for a common column.
        """
        self._rng = Random(f"{seed} column index")
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._seen: list[int] = []
        self._typed: list[dict[str, int]] = []
        self._bags: list[tuple[int, ...]] = []
        self._bag_tables: dict[int, str] = {}
        self._known: dict[tuple[str, str, tuple[int, ...]], int] = {}
        self._by_table: dict[tuple[str, str], list[int]] = {}
        self._by_column: dict[str, list[int]] = {}
        self._offered: dict[str, int] = defaultdict(int)
        self._neighbours: dict[tuple[str, str], list[tuple[int, int]]] = {}
        self._unnamed = 0
        self._split_of: dict[str, str] = {}

    def add(self, schema: Schema, schema_id: str, split: str) -> None:
        """Take in the tables of one row.

        Args:
            schema: The row's schema.
            schema_id: Its hash.
            split: The split that the row is in.
        """
        # Rows on a table whose name is an identifier are in one split anyway.
        if not any(_IDENTIFIER_TABLE.fullmatch(table.name.lower()) for table in schema.tables):
            self._split_of[schema_id] = split
        bags = [self._add_table(table, split) for table in schema.tables]
        named = [(bag, table) for bag, table in zip(bags, schema.tables, strict=True) if is_real(table.name)]
        for bag, table in named:
            others = self._neighbours.setdefault((split, table.name.lower()), []) if len(named) > 1 else []
            for other, _ in named:
                if other != bag and (bag, other) not in others and len(others) < _BAGS_A_TABLE:
                    others.append((bag, other))

    def split_of(self, schema_id: str) -> str | None:
        """Return the split whose rows have this schema; None where no row has it, or its tables' names tell that."""
        return self._split_of.get(schema_id)

    def close(self) -> None:
        """Forget what is needed to add rows alone, and tables that nothing refers to: no row can be added then."""
        self._known.clear()
        for key, bags in list(self._by_table.items()):
            if len(bags) == 1 and _IDENTIFIER_TABLE.fullmatch(key[1]):
                del self._by_table[key]  # its rows have all of its columns already
        kept = {bag for bags in (*self._by_table.values(), *self._by_column.values()) for bag in bags}
        kept.update(bag for pairs in self._neighbours.values() for pair in pairs for bag in pair)
        self._bags = [bag if number in kept else () for number, bag in enumerate(self._bags)]
        self._bag_tables = {bag: name for bag, name in self._bag_tables.items() if bag in kept}

    def same_table(self, table: Table, split: str) -> list[str]:
        """Return columns that rows of the same split have in the same real table; the same table's rows come first.

        `student` may be a table of several databases, so there a column must be common.
        """
        if not is_real(table.name):
            return []
        own = {column.name.lower() for column in table.columns}
        certain = _IDENTIFIER_TABLE.fullmatch(table.name.lower()) is not None
        found: dict[str, None] = {}
        for bag in self._by_table.get((split, table.name.lower()), ()):
            columns = self._columns(bag)
            if certain or own & {name.lower() for name in columns}:
                found.update(dict.fromkeys(name for name in columns if name.lower() not in own))
        return list(found)

    def neighbours(self, tables: Sequence[Table], split: str) -> list[Neighbour]:
        """Return real tables that stood beside one of these in a row of the same split, with a column in common."""
        present = {table.name.lower() for table in tables}
        found: dict[str, dict[str, None]] = {}
        for table in tables:
            own = {column.name.lower() for column in table.columns}
            for bag, other in self._neighbours.get((split, table.name.lower()), ()):
                name = self._bag_tables[other]
                if name.lower() not in present and own & {column.lower() for column in self._columns(bag)}:
                    found.setdefault(name, {}).update(dict.fromkeys(self._columns(other)))
        return [Neighbour(name, tuple(columns)) for name, columns in found.items()]

    def similar(self, columns: Iterable[str], rng: Random) -> tuple[Iterator[list[str]], Iterator[list[str]]]:
        """Return what tables have that have most in common with these columns.

        A rare column counts for more than a common one: many things have a name or a year.

        Args:
            columns: Names of columns.
            rng: Decides between tables that are as good.

        Returns:
            For each table the columns that it has beside the given ones: tables that are much alike, and others.
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
        rows = [[bag for bag in bags if (scores[bag] >= _ALIKE) == alike] for alike in (True, False)]
        good, weak = (self._beside(part, own) for part in rows)
        return good, weak

    def _beside(self, bags: Sequence[int], own: Collection[str]) -> Iterator[list[str]]:
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
        key = table.name if is_real(table.name) else ""
        numbers = tuple(sorted(self._number(column.name, column.type) for column in table.columns))
        bag = self._known.get((split, key, numbers), -1)
        if bag >= 0 or (not key and (split != "train" or self._unnamed >= _MOST_UNNAMED)):
            return bag
        bag = self._known[split, key, numbers] = len(self._bags)
        self._bags.append(numbers)
        if key:
            self._bag_tables[bag] = key
            of_table = self._by_table.setdefault((split, key.lower()), [])
            if len(of_table) < _BAGS_A_TABLE:
                of_table.append(bag)
        self._unnamed += not key
        if split == "train":
            self._offer(bag)
        return bag

    def _offer(self, bag: int) -> None:
        """Sample each column's tables evenly (a reservoir): a source is often ordered."""
        for name in dict.fromkeys(name.lower() for name in self._columns(bag)):
            bags = self._by_column.setdefault(name, [])
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

    def _columns(self, bag: int) -> list[str]:
        return [self._names[number] for number in self._bags[bag]]

    def _donated(self, bag: int) -> list[str]:
        """Return a table's columns, with those that other rows have in it where its name is an identifier."""
        name = self._bag_tables.get(bag, "").lower()
        bags = self._by_table.get(("train", name), [bag]) if _IDENTIFIER_TABLE.fullmatch(name) else [bag]
        return list(dict.fromkeys(column for one in bags for column in self._columns(one)))


def is_real(table: str) -> bool:
    """Tell whether a table's name says which table it is: `table_name_12` stands for any."""
    return _GENERIC_TABLE.fullmatch(table.lower()) is None


def index_of(splits: Mapping[str, Iterable[tuple[Schema, str]]], seed: int) -> ColumnIndex:
    """Make an index of all rows' schemas, given with their hashes for each split."""
    index = ColumnIndex(seed)
    for split, schemas in splits.items():
        for schema, schema_id in schemas:
            index.add(schema, schema_id, split)
    index.close()
    return index
