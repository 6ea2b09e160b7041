"""What a hand-written schema is made of, and the short constructors that the schema files are written with."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["key", "ref", "label", "text", "number", "year", "date", "flag"]


@dataclass(frozen=True)
class Column:
    """One column: its SQL side, the values it may hold, and how people speak of it.

    Attributes:
        name: The name in the CREATE TABLE text.
        kind: What the column is for; a `label` is what its row is called by (a name, a title).
        sql_type: The declared type.
        phrase: What people call it, in the singular: the name with spaces ("hire date").
        values: The pool of a `label` or `text` column.
        low: Smallest value of a `number` or `year`, or the first day of a `date` (ISO).
        high: Largest value, as `low`.
        digits: Decimal places of a `number`.
        comment: A remark for the CREATE TABLE text.
        nulls: Share of rows that have no value, 0 to 1.
        at: Preposition that may stand before the phrase and the value ("in": "in the city Rome").
        counted: What an integer counts, in the plural ("goals").
        sums: Whether adding the values up makes sense.
        target: The table that a `ref` points to.
    """

    name: str
    kind: Kind
    sql_type: str
    phrase: str
    values: tuple[str, ...] = ()
    low: float | str = 0
    high: float | str = 0
    digits: int = 0
    comment: str = ""
    nulls: float = 0.0
    at: str = ""
    counted: str = ""
    sums: bool = False
    target: str = ""


@dataclass(frozen=True)
class Bridge:
    """How two tables speak of each other through a table that refers to both.

    Attributes:
        left: Name of the first table.
        left_by: Words between the left noun and the right one ("students *enrolled in* courses").
        right: Name of the second table.
        right_by: Words between the right noun and the left one ("courses *taken by* students").
    """

    left: str
    left_by: str
    right: str
    right_by: str


@dataclass(frozen=True)
class Table:
    """One table of a domain: its name and its columns."""

    name: str
    columns: tuple[Column, ...]
    bridge: Bridge | None = None

    @property
    def noun(self) -> str:
        """What a row is called: the name of the table as words."""
        return spoken(self.name)

    @property
    def key(self) -> Column:
        """The primary key."""
        return next(column for column in self.columns if column.kind == "key")

    @property
    def label(self) -> Column | None:
        """What a row of this table is called by, if it has a name."""
        return next((column for column in self.columns if column.kind == "label"), None)

    @property
    def refs(self) -> tuple[Column, ...]:
        """The foreign keys."""
        return tuple(column for column in self.columns if column.kind == "ref")

    def of_kind(self, *kinds: Kind) -> list[Column]:
        """The columns of these kinds, in the order of the table."""
        return [column for column in self.columns if column.kind in kinds]


@dataclass(frozen=True)
class Domain:
    """A hand-written database: a few tables about one subject.

    Attributes:
        name: Unique name of the domain.
        tables: Its tables; a table comes after those it refers to.
        text_type: The type that text columns are declared with.
        fk_clause: Whether foreign keys stand at the end of the table instead of behind their column.
    """

    name: str
    tables: tuple[Table, ...]
    text_type: str = "TEXT"
    fk_clause: bool = False

    def table(self, name: str) -> Table:
        """The table of that name."""
        return next(table for table in self.tables if table.name == name)


def domain(name: str, *tables: Table, text_type: str = "TEXT", fk_clause: bool = False) -> Domain:
    """A domain from its tables."""
    return Domain(name, tables, text_type, fk_clause)


def table(name: str, *columns: Column, bridge: Bridge | None = None) -> Table:
    """A table from its columns; without a key among them it gets `<name>_id` in front."""
    if not any(column.kind == "key" for column in columns):
        columns = (key(f"{name}_id"), *columns)
    return Table(name, columns, bridge)


def key(name: str = "id") -> Column:
    """The integer primary key."""
    return Column(name, "key", "INTEGER", spoken(name))


def ref(target: str, name: str = "") -> Column:
    """A foreign key to the primary key of `target`, called `<target>_id` unless it has a name of its own."""
    name = name or f"{target}_id"
    return Column(name, "ref", "INT", spoken(name), target=target)


def label(name: str, values: tuple[str, ...]) -> Column:
    """The column that a row is called by; its values are unique."""
    return Column(name, "label", "TEXT", spoken(name), values=values)


def text(name: str, values: str, at: str = "", *, nulls: float = 0.0, comment: str = "") -> Column:
    """A text column with a handful of values, given as `one|two|three`."""
    return Column(
        name, "text", "TEXT", spoken(name), values=tuple(values.split("|")), at=at, nulls=nulls, comment=comment
    )


def number(
    name: str, low: float, high: float, comment: str = "", *, digits: int = 0, sums: bool = False, nulls: float = 0.0
) -> Column:
    """A measured quantity: INTEGER, or REAL where it has decimals."""
    sql_type = "REAL" if digits else "INT"
    return Column(
        name,
        "number",
        sql_type,
        spoken(name),
        low=low,
        high=high,
        digits=digits,
        comment=comment,
        sums=sums,
        nulls=nulls,
    )


def count(name: str, low: int, high: int) -> Column:
    """An integer that counts things, which the table itself does not list."""
    things = spoken(name)
    return Column(name, "number", "INT", f"number of {things}", low=low, high=high, counted=things, sums=True)


def year(name: str, low: int, high: int, *, nulls: float = 0.0) -> Column:
    """A year, as an integer."""
    return Column(name, "year", "INT", spoken(name), low=low, high=high, nulls=nulls)


def date(name: str, low: int, high: int, *, nulls: float = 0.0) -> Column:
    """A day, as ISO text, from the years `low` to `high`."""
    return Column(name, "date", "DATE", spoken(name), low=f"{low}-01-01", high=f"{high}-12-31", nulls=nulls)


def flag(name: str) -> Column:
    """A yes-or-no column, named by the adjective of yes."""
    return Column(name, "flag", "INT", spoken(name), comment="1 = yes, 0 = no")


def mix(first: str, second: str) -> tuple[str, ...]:
    """All two-word names from two lists of words, given as `one|two|three`."""
    return tuple(f"{a} {b}" for a in first.split("|") for b in second.split("|"))


def names(values: str) -> tuple[str, ...]:
    """A pool given as `one|two|three`."""
    return tuple(values.split("|"))


def spoken(name: str) -> str:
    """A column name as words: `hire_date` and `HireDate` are both "hire date"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").lower()
