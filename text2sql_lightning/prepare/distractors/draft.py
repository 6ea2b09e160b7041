"""The columns and tables that one row gets, from the index of its source or from a list of columns by field."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from random import Random
from typing import Final, NamedTuple, TypeAlias

from text2sql_lightning.prepare.distractors.index import TYPES, ColumnIndex, Kind, Neighbour, kind_of, write_type
from text2sql_lightning.prepare.distractors.names import (
    WORDS,
    NameRules,
    Style,
    compact,
    is_id,
    meaning,
    name_style,
    split_name,
    text_meanings,
    write_name,
)
from text2sql_lightning.prepare.distractors.reading import Reading, has_star
from text2sql_lightning.sql.ddl import Column, Table
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.text.sql_tokens import Token

SOURCES: Final = ("same_table", "tables", "co_occurrence", "pool")
"""Where distractors come from: rows on the same table, tables beside it, tables with columns like it, the pool."""

_TABLE_SHARE: Final = 0.4
"""Of the rows whose database is known to have more tables, this part gets one."""

_TABLE_COLUMNS: Final = 4
_MANY_FIELDS: Final = 4
_FITS: Final = 0.5
_COLUMN_WORD: Final = 0.4
_QUESTION_WORD: Final = 0.3


class PoolColumn(NamedTuple):
    """A column: the words of its name, and what it holds."""

    words: tuple[str, ...]
    kind: Kind


_Field: TypeAlias = tuple[dict[str, float], tuple[PoolColumn, ...]]
"""What words say that a table is of the field, and the field's columns."""


@cache
def _fields() -> tuple[_Field, ...]:
    """Return the fields in the order of the file: the last is that of any table."""
    return tuple(_read_field(**entry) for entry in WORDS["field"])


def _read_field(words: str, **names: str) -> _Field:
    written = ((kind, name) for kind in TYPES for name in names.get(kind, "").split(",") if name)
    columns = [PoolColumn(tuple(name.split()), kind) for kind, name in written]
    said = {meaning(word): _COLUMN_WORD for column in columns for word in column.words}
    return said | dict.fromkeys(map(meaning, words.split()), 1.0), tuple(dict.fromkeys(columns))


@cache
def _votes() -> dict[str, list[tuple[int, float]]]:
    """Return for each word which fields it speaks for: much where it stands in one, not at all where it is in many."""
    votes: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for number, (hints, _) in enumerate(_fields()[:-1]):
        for word, weight in hints.items():
            votes[word].append((number, weight))
    return {
        word: [(number, weight / len(given)) for number, weight in given]
        for word, given in votes.items()
        if len(given) <= _MANY_FIELDS
    }


def pool_columns(
    schema: frozenset[str], question: frozenset[str], rng: Random
) -> tuple[Sequence[PoolColumn], Sequence[PoolColumn]]:
    """Return columns for a table.

    Args:
        schema: Stems of the words of its name and its columns.
        question: Stems of the question's words; they count less.
        rng: Decides between fields that fit as well.

    Returns:
        Columns of the field that fits best, none where none fits; and columns that a table of any field may have.
    """
    *fields, (_, general) = _fields()
    fits = [0.0] * len(fields)
    for words, counts in ((schema, 1.0), (question - schema, _QUESTION_WORD)):
        for word in sorted(words):  # sums of floats depend on the order
            for number, weight in _votes().get(word, ()):
                fits[number] += counts * weight
    best = max(range(len(fields)), key=lambda at: (fits[at], rng.random()))
    return fields[best][1] if fits[best] >= _FITS else (), general


class Draft:
    """Collects additions to a row's schema.

    Attributes:
        columns: New columns for each table, by its name.
        tables: New tables.
        sources: For each new column, those of new tables included, where it comes from.
        fixed: Tables that keep their columns in their order: the query reads them by `*`.
    """

    def __init__(
        self,
        question: str,
        tokens: Sequence[Token],
        schema: Schema,
        reading: Reading,
        needed: Iterable[str],
        index: ColumnIndex,
        split: str,
        rng: Random,
    ) -> None:
        """Start with nothing for a row of a split: its question, gold's tokens, its schema and what gold needs."""
        self.columns: dict[str, list[Column]] = {table.name: [] for table in schema.tables}
        self.tables: list[Table] = []
        self.sources: list[str] = []
        read = {table for table, _ in reading.columns} if has_star(tokens) else set()
        self.fixed = frozenset(table.name for table in schema.tables if table.name.lower() in read)
        self._schema, self._index, self._split, self._rng = schema, index, split, rng
        self._types = [column.type for table in schema.tables for column in table.columns]
        names = [name for table in schema.tables for name in (table.name, *(column.name for column in table.columns))]
        self._rules = NameRules(question, tokens, needed, names)

    def fill(self, number: int) -> None:
        """Add this many columns, or as many as can be found."""
        if number > 1 and self._rng.random() < _TABLE_SHARE:
            self._add_table(number)
        hosts = [table for table in self._schema.tables if table.name not in self.fixed]
        candidates = {table.name: self._candidates(table) for table in hosts}
        while hosts and len(self.sources) < number:
            host = self._rng.choice(hosts)
            if (found := next(candidates[host.name], None)) is None:
                hosts.remove(host)
                continue
            self.columns[host.name].append(found[0])
            self.sources.append(found[1])

    def added(self) -> set[tuple[str, str]]:
        """Return (table, column) in lower case of all new columns."""
        tables = self.columns | {table.name: list(table.columns) for table in self.tables}
        return {(name.lower(), column.name.lower()) for name, columns in tables.items() for column in columns}

    def _add_table(self, number: int) -> None:
        choices = self._index.neighbours(self._schema.tables, self._split)
        self._rng.shuffle(choices)
        for neighbour in choices:
            if not (names := self._usable(neighbour)):
                continue
            del names[self._rng.randint(1, min(number, _TABLE_COLUMNS)) :]
            columns = tuple(Column(name, self._borrowed_type(name)) for name in names)
            for name in (neighbour.table, *names):
                self._rules.take(name)
            self.tables.append(Table(neighbour.table, columns))
            self.sources += ["tables"] * len(columns)
            return

    def _usable(self, neighbour: Neighbour) -> list[str]:
        if not self._rules.allows_table(neighbour.table):
            return []
        different = {compact(name): name for name in neighbour.columns}.values()
        names = [name for name in different if self._rules.allows(name) or self._rules.is_key(name)]
        self._rng.shuffle(names)
        return names

    def _candidates(self, table: Table) -> Iterator[tuple[Column, str]]:
        """Yield columns that may be added to a table, the most plausible ones first."""
        names = [column.name for column in table.columns]
        same = self._index.same_table(table, self._split)
        self._rng.shuffle(same)
        for name in same:
            if self._rules.accept(name):
                yield Column(name, self._borrowed_type(name)), "same_table"
        style = name_style(names)
        good, weak = self._index.similar(names, self._rng)
        yield from self._borrow(good, style)
        said = text_meanings(f"{table.name} {' '.join(names)}"), self._rules.question
        field, general = pool_columns(*said, self._rng)
        yield from self._invent(field, style)
        yield from self._borrow(weak, style)
        yield from self._invent(general, style)

    def _borrow(self, donors: Iterable[list[str]], style: Style) -> Iterator[tuple[Column, str]]:
        for donor in donors:
            self._rng.shuffle(donor)
            # Another table's ids say nothing here: no `athlete_id` beside the height of a plant.
            for name in (name for name in donor if not is_id(name)):
                styled = name if style == "snake" and name.islower() else write_name(split_name(name) or [name], style)
                if self._rules.accept(styled):
                    yield Column(styled, self._borrowed_type(name)), "co_occurrence"

    def _invent(self, columns: Sequence[PoolColumn], style: Style) -> Iterator[tuple[Column, str]]:
        for words, kind in self._rng.sample(columns, len(columns)):
            styled = write_name(words, style)
            if self._rules.accept(styled):
                yield Column(styled, write_type(kind, self._types, self._rng)), "pool"

    def _borrowed_type(self, name: str) -> str:
        kind = self._index.type_of(name, self._rng)
        return kind if kind in self._types else write_type(kind_of(kind), self._types, self._rng)
