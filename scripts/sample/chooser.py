"""Seeded choices of tables, columns, conditions and wordings of one domain: what a template is written with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeVar

from sample.conditions import Condition, date_condition, equals, flagged, number_condition, year_condition
from sample.database import FilledDatabase, Query, Value
from sample.english import listing, plural
from sample.schema import Column, Domain, Kind, Table

Option = TypeVar("Option")


_MAKERS: Final[Mapping[str, Callable[[Random, Column, Sequence[Value]], Condition]]] = {
    "text": equals,
    "label": equals,
    "number": number_condition,
    "year": year_condition,
    "date": date_condition,
    "flag": flagged,
}


class UnsuitableDomainError(Exception):
    """The domain has no table or column of the kind that a template needs; the generator takes another template."""


@dataclass(frozen=True)
class Draft:
    """A question and its query, before the query has proved itself."""

    question: str
    query: Query


@dataclass(frozen=True)
class Link:
    """A foreign key: the table that holds it, the column, the table it points to."""

    child: Table
    ref: Column
    parent: Table

    def source(self, *others: "Link") -> str:
        """Return the FROM clause: the child is T1, its parent T2; each further link joins its parent as T3, T4, ..."""
        text = f"{self.child.name} AS T1"
        aliases = {self.child.name: "T1"}
        for position, link in enumerate((self, *others), start=2):
            alias = f"T{position}"
            text += f" JOIN {link.parent.name} AS {alias}"
            text += f" ON {aliases[link.child.name]}.{link.ref.name} = {alias}.{link.parent.key.name}"
            aliases[link.parent.name] = alias
        return text


class Chooser:
    """Seeded choices inside one domain.

    Attributes:
        rng: The random numbers of this row.
        database: The filled database of the domain.
    """

    def __init__(self, rng: Random, database: FilledDatabase) -> None:
        self.rng = rng
        self.database = database

    @property
    def domain(self) -> Domain:
        """The domain that is written about."""
        return self.database.domain

    def one(self, options: Sequence[Option]) -> Option:
        """One of the options.

        Raises:
            UnsuitableDomainError: There is none.
        """
        if not options:
            raise UnsuitableDomainError
        return self.rng.choice(options)

    def some(self, options: Sequence[Option], size: int) -> list[Option]:
        """`size` different options in random order.

        Raises:
            UnsuitableDomainError: There are fewer.
        """
        if len(options) < size:
            raise UnsuitableDomainError
        return self.rng.sample(options, size)

    def chance(self, share: float) -> bool:
        """True in this share of the calls."""
        return self.rng.random() < share

    def table(self) -> Table:
        """A table with something to tell, not one that only links others."""
        return self.one([table for table in self.domain.tables if len(described(table)) >= 2])

    def labelled_table(self) -> Table:
        """A table whose rows have a name."""
        return self.one([table for table in self.domain.tables if table.label])

    def label(self, table: Table) -> Column:
        """The column that rows of this table are called by."""
        return self.one(table.of_kind("label"))

    def link(self) -> Link:
        """A foreign key of the domain."""
        return self.one(self.links())

    def links(self) -> list[Link]:
        """All foreign keys of the domain."""
        tables = self.domain.tables
        return [Link(child, ref, self.domain.table(ref.target)) for child in tables for ref in child.refs]

    def column(self, table: Table, *kinds: Kind, besides: Sequence[Column] = ()) -> Column:
        """A column of these kinds."""
        return self.one([column for column in table.of_kind(*kinds) if column not in besides])

    def rankable(self, table: Table, besides: Sequence[Column] = ()) -> Column:
        """A column that rows can be ranked by: it has an order and no NULL."""
        columns = table.of_kind("number", "year", "date")
        return self.one([column for column in columns if not column.nulls and column not in besides])

    def shown(self, table: Table, size: int, besides: Sequence[Column] = ()) -> list[Column]:
        """`size` columns to show, the label first where there is one."""
        columns = [column for column in described(table) if column not in besides]
        if table.label in columns and self.chance(0.7):
            rest = [column for column in columns if column != table.label]
            return [self.label(table), *self.some(rest, size - 1)]
        return self.some(columns, size)

    def condition(self, table: Table, besides: Sequence[Column] = ()) -> Condition:
        """A condition on one column that is not in `besides`."""
        columns = table.of_kind("text", "text", "number", "year", "date", "flag")
        column = self.one([column for column in columns if column not in besides])
        return self.condition_on(table, column)

    def condition_on(self, table: Table, column: Column) -> Condition:
        """A condition on this column, with a literal from its data."""
        return _MAKERS[column.kind](self.rng, column, self.values(table, column))

    def values(self, table: Table, column: Column) -> list[Value]:
        """The values of a column that are not NULL."""
        return [value for value in self.database.values[table.name, column.name] if value is not None]

    def wording(self, *wordings: str) -> str:
        """One of the wordings."""
        return self.rng.choice(wordings)


def described(table: Table) -> list[Column]:
    """The columns that say something about a row, and that a question can ask to see."""
    return table.of_kind("label", "text", "number", "year", "date")


def phrases(columns: Sequence[Column]) -> str:
    """The columns as people list them: `name, age and city`."""
    return listing([column.phrase for column in columns])


def plural_phrases(columns: Sequence[Column]) -> str:
    """The columns in the plural: `names, goals and cities`."""
    return listing([column.counted or plural(column.phrase) for column in columns])


def columns_sql(columns: Sequence[Column], alias: str = "") -> tuple[str, ...]:
    """The columns' names, behind an alias where one is given."""
    return tuple(f"{alias}.{column.name}" if alias else column.name for column in columns)
