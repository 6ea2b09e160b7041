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
        phrase: What people call it, in the singular ("hire date").
        values: The pool of a `label` or `text` column.
        low: Smallest value of a `number` or `year`, or the first day of a `date` (ISO).
        high: Largest value, as `low`.
        digits: Decimal places of a `number`.
        comment: A remark for the CREATE TABLE text.
        nulls: Share of rows that have no value, 0 to 1.
        says: Wording of "equals" behind the noun, `{}` is the value ("from {}").
        adjective: Whether the value may stand before the noun ("red cars").
        verb: Participle of a `year` or `date` ("founded" in 1990, "hired" on a day).
        over: Wording of "greater than" behind the noun ("priced above {}").
        under: Wording of "less than" behind the noun.
        most: Superlative of the largest value ("most expensive").
        least: Superlative of the smallest value ("cheapest").
        unit: Unit that a question may name after the number.
        counted: What an integer counts, in the plural ("goals").
        mass: Whether the phrase takes no article ("revenue").
        sums: Whether adding the values up makes sense.
        person: Whether a `label` names people.
        target: The table that a `ref` points to.
        by: Words between the noun of a `ref`'s table and the noun of the target ("written by").
        yes: Adjective of a `flag` that is 1.
        no: Adjective of a `flag` that is 0.
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
    says: str = ""
    adjective: bool = False
    verb: str = ""
    over: str = ""
    under: str = ""
    most: str = ""
    least: str = ""
    unit: str = ""
    counted: str = ""
    mass: bool = False
    sums: bool = False
    person: bool = False
    target: str = ""
    by: str = ""
    yes: str = ""
    no: str = ""


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
    """One table of a domain: its name, its noun in the singular, its columns."""

    name: str
    noun: str
    columns: tuple[Column, ...]
    bridge: Bridge | None = None

    @property
    def key(self) -> Column:
        """The primary key."""
        return next(column for column in self.columns if column.kind == "key")

    @property
    def label(self) -> Column | None:
        """What a row of this table is called by, if it has a name."""
        return next((column for column in self.columns if column.kind == "label"), None)

    @property
    def who(self) -> str:
        """The relative pronoun of its rows."""
        return "who" if self.label and self.label.person else "that"

    @property
    def its(self) -> str:
        """The possessive of one of its rows."""
        return "their" if self.label and self.label.person else "its"

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


def table(name: str, noun: str, *columns: Column, bridge: Bridge | None = None) -> Table:
    """A table from its columns."""
    return Table(name, noun, columns, bridge)


def key(name: str = "id") -> Column:
    """The integer primary key."""
    return Column(name, "key", "INTEGER", spoken(name))


def ref(name: str, target: str, by: str = "of") -> Column:
    """A foreign key to the primary key of `target`."""
    return Column(name, "ref", "INTEGER", spoken(name), target=target, by=by)


def label(name: str, values: tuple[str, ...], phrase: str = "", *, person: bool = False) -> Column:
    """The column that a row is called by; its values are unique."""
    return Column(name, "label", "TEXT", phrase or spoken(name), values=values, person=person)


def text(
    name: str,
    values: str,
    phrase: str = "",
    *,
    says: str = "",
    adjective: bool = False,
    nulls: float = 0.0,
    comment: str = "",
) -> Column:
    """A text column with a handful of values, given as `one|two|three`."""
    return Column(
        name,
        "text",
        "TEXT",
        phrase or spoken(name),
        values=tuple(values.split("|")),
        says=says,
        adjective=adjective,
        nulls=nulls,
        comment=comment,
    )


def number(
    name: str,
    low: float,
    high: float,
    phrase: str = "",
    *,
    digits: int = 0,
    over: str = "",
    under: str = "",
    most: str = "",
    least: str = "",
    unit: str = "",
    mass: bool = False,
    sums: bool = False,
    nulls: float = 0.0,
    comment: str = "",
) -> Column:
    """A measured quantity: INTEGER, or REAL where it has decimals."""
    return Column(
        name,
        "number",
        "REAL" if digits else "INTEGER",
        phrase or spoken(name),
        low=low,
        high=high,
        digits=digits,
        over=over,
        under=under,
        most=most,
        least=least,
        unit=unit,
        mass=mass,
        sums=sums,
        nulls=nulls,
        comment=comment or unit,
    )


def count(name: str, low: int, high: int, things: str = "", *, comment: str = "") -> Column:
    """An integer that counts things, which the table itself does not list."""
    things = things or spoken(name)
    return Column(
        name, "number", "INTEGER", f"number of {things}", low=low, high=high, counted=things, sums=True, comment=comment
    )


def year(
    name: str,
    low: int,
    high: int,
    phrase: str = "",
    *,
    verb: str = "",
    most: str = "",
    least: str = "",
    nulls: float = 0.0,
) -> Column:
    """A year, as an integer."""
    phrase = phrase or spoken(name)
    return Column(name, "year", "INTEGER", phrase, low=low, high=high, verb=verb, most=most, least=least, nulls=nulls)


def date(
    name: str,
    low: str,
    high: str,
    phrase: str = "",
    *,
    verb: str = "",
    most: str = "",
    least: str = "",
    nulls: float = 0.0,
) -> Column:
    """A day, as ISO text."""
    phrase = phrase or spoken(name)
    return Column(name, "date", "DATE", phrase, low=low, high=high, verb=verb, most=most, least=least, nulls=nulls)


def flag(name: str, yes: str, no: str) -> Column:
    """A yes-or-no column, with the adjective of each answer."""
    return Column(name, "flag", "INTEGER", yes, yes=yes, no=no, comment="1 = yes, 0 = no")


def mix(first: str, second: str) -> tuple[str, ...]:
    """All two-word names from two lists of words, given as `one|two|three`."""
    return tuple(f"{a} {b}" for a in first.split("|") for b in second.split("|"))


def names(values: str) -> tuple[str, ...]:
    """A pool given as `one|two|three`."""
    return tuple(values.split("|"))


def spoken(name: str) -> str:
    """A column name as words: `hire_date` and `HireDate` are both "hire date"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").lower()
