"""The hand-written schemas of `schemas.yaml`: columns, how people speak of them, CREATE TABLE text."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

Kind = Literal["key", "ref", "label", "text", "number", "year", "date", "flag"]

_SQL_TYPES: Final = {"key": "INTEGER", "label": "TEXT", "text": "TEXT", "date": "DATE"}


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
        at: Preposition for the phrase and the value ("in": "in the city Rome").
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
class Table:
    """One table of a domain.

    Attributes:
        name: The name in the CREATE TABLE text.
        columns: Its columns.
        bridge: For a table that refers to two others: each of the two, with the words between its noun and the other
            noun ("students *enrolled in* courses", "courses *taken by* students").
    """

    name: str
    columns: tuple[Column, ...]
    bridge: tuple[tuple[str, str], ...] = ()

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
    def refs(self) -> list[Column]:
        """The foreign keys."""
        return self.of_kind("ref")

    def of_kind(self, *kinds: Kind) -> list[Column]:
        """Return the columns of these kinds, in the order of the table."""
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
        """Return the table of that name."""
        return next(table for table in self.tables if table.name == name)

    def ddl(self) -> str:
        """Return the CREATE TABLE text, in one line: the context of every row of this domain."""
        return "; ".join(self._create_table(table) for table in self.tables)

    def _create_table(self, table: Table) -> str:
        parts = [self._declaration(column) for column in table.columns]
        if self.fk_clause:
            parts += [f"FOREIGN KEY ({ref.name}) REFERENCES {self._target(ref)}" for ref in table.refs]
        return f"CREATE TABLE {table.name} ({', '.join(parts)})"

    def _declaration(self, column: Column) -> str:
        parts = [column.name, self.text_type if column.sql_type == "TEXT" else column.sql_type]
        if column.kind == "key":
            parts.append("PRIMARY KEY")
        if column.kind == "ref" and not self.fk_clause:
            parts.append(f"REFERENCES {self._target(column)}")
        if column.comment:
            parts.append(f"/* {column.comment} */")
        return " ".join(parts)

    def _target(self, ref: Column) -> str:
        target = self.table(ref.target)
        return f"{target.name} ({target.key.name})"


def read_domains(text: str) -> tuple[Domain, ...]:
    """Return the domains of a YAML text in the form of `schemas.yaml`."""
    domains = yaml.safe_load(text)
    domains.pop("pools", None)
    return tuple(make_domain(name, tables) for name, tables in domains.items())


def make_domain(name: str, tables: Mapping[str, Any]) -> Domain:
    """Return a domain from its mapping of table names, `text_type` and `fk_clause` among them."""
    options = {option: tables[option] for option in ("text_type", "fk_clause") if option in tables}
    return Domain(name, tuple(make_table(*table) for table in tables.items() if table[0] not in options), **options)


def make_table(name: str, columns: Mapping[str, Any]) -> Table:
    """Return a table from its mapping of column names; without a key among them it gets `<name>_id` in front."""
    bridge = columns.get("bridge", {})
    made = [make_column(column, spec) for column, spec in columns.items() if column != "bridge"]
    if not any(column.kind == "key" for column in made):
        made.insert(0, make_column(f"{name}_id", "key"))
    return Table(name, tuple(made), tuple(bridge.items()))


def make_column(name: str, spec: str | Mapping[str, Any]) -> Column:
    """Return a column from what `schemas.yaml` says of it: `flag`, or `{text: red|blue, at: in}`."""
    options: dict[str, Any] = {spec: None} if isinstance(spec, str) else dict(spec)
    kind: Any = next(iter(options))
    value = options.pop(kind)
    phrase = spoken(name)
    if kind in ("label", "text"):
        options["values"] = _pool(value)
    elif kind == "ref":
        options["target"] = value
    elif kind == "flag":
        options["comment"] = "1 = yes, 0 = no"
    elif kind == "date":
        options |= {"low": f"{value[0]}-01-01", "high": f"{value[1]}-12-31"}
    elif kind != "key":
        options |= {"low": value[0], "high": value[1]}
    if kind == "count":
        kind, phrase = "number", f"number of {phrase}"
        options |= {"counted": spoken(name), "sums": True}
    sql_type = "REAL" if options.get("digits") else _SQL_TYPES.get(kind, "INT")
    return Column(name, kind, sql_type, phrase, **options)


def _pool(words: str | Sequence[str]) -> tuple[str, ...]:
    """The words of `one|two|three`, or the two-word names of two such lists."""
    if isinstance(words, str):
        return tuple(word.strip() for word in words.split("|"))
    first, second = map(_pool, words)
    return tuple(f"{a} {b}" for a in first for b in second)


def spoken(name: str) -> str:
    """Return a column name as words: `hire_date` and `HireDate` are both "hire date"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).replace("_", " ").lower()


DOMAINS: Final = read_domains((Path(__file__).parent / "schemas.yaml").read_text(encoding="utf-8"))
"""Every domain; no two share a table name."""
