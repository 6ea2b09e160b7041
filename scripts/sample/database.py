"""Queries in parts, and the filled database on which each must answer something with every part of it."""

import sqlite3
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from sample.schema import Column, Domain, Table


@dataclass(frozen=True)
class Select:
    """One SELECT statement; an empty clause is absent.

    Attributes:
        columns: The expressions after SELECT.
        source: The FROM clause: a table, or tables with their joins.
        where: The conditions, joined by AND.
        group: The GROUP BY key.
        having: The HAVING condition.
        order: The ORDER BY key with its direction.
        limit: Number of rows kept, 0 for all.
        distinct: Whether equal rows are shown once.
        either: Whether the conditions are joined by OR instead.
    """

    columns: tuple[str, ...]
    source: str
    where: tuple[str, ...] = ()
    group: str = ""
    having: str = ""
    order: str = ""
    limit: int = 0
    distinct: bool = False
    either: bool = False

    def text(self) -> str:
        """Return the SQL, on one line, without a semicolon."""
        parts = ["SELECT DISTINCT" if self.distinct else "SELECT", ", ".join(self.columns), "FROM", self.source]
        for keyword, clause in (
            ("WHERE", (" OR " if self.either else " AND ").join(self.where)),
            ("GROUP BY", self.group),
            ("HAVING", self.having),
            ("ORDER BY", self.order),
            ("LIMIT", str(self.limit or "")),
        ):
            if clause:
                parts += [keyword, clause]
        return " ".join(parts)

    def weaker(self) -> list["Select"]:
        """Return the same statement with one filtering part left out, for each such part."""
        variants = [replace(self, where=self.where[:i] + self.where[i + 1 :]) for i in range(len(self.where))]
        if self.having:
            variants.append(replace(self, having=""))
        if self.distinct:
            variants.append(replace(self, distinct=False))
        return variants

    def cut(self) -> "Select":
        """Return the ordering keys of the rows up to one beyond the LIMIT."""
        key = self.order.removesuffix(" DESC").removesuffix(" ASC")
        return replace(self, columns=(key,), limit=self.limit + 1)


@dataclass(frozen=True)
class SetOperation:
    """Two SELECT statements joined by UNION, INTERSECT or EXCEPT."""

    left: Select
    operator: str
    right: Select

    def text(self) -> str:
        """Return the SQL, on one line, without a semicolon."""
        return f"{self.left.text()} {self.operator} {self.right.text()}"


Query = Select | SetOperation
Value = str | int | float | None
Rows = list[tuple[Value, ...]]

MAX_PARENT_ROWS = 24
"""Rows of a table that others refer to: few enough that its rows have several children."""
CHILD_ROWS = 40
UNREFERRED = 4
"""Rows of a parent table that no child refers to, so that "without any" has an answer."""


class FilledDatabase:
    """An in-memory SQLite database of one domain.

    Attributes:
        domain: The domain.
        values: The values of each column, in row order, by (table, column) name.
    """

    def __init__(self, domain: Domain, seed: int) -> None:
        self.domain = domain
        self.values: dict[tuple[str, str], list[Value]] = {}
        self._connection = sqlite3.connect(":memory:")
        self._connection.executescript(domain.ddl())
        rng = Random(f"{seed}/{domain.name}/rows")
        for table in domain.tables:
            self._fill(table, rng)

    def rows(self, sql: str) -> Rows:
        """Return the result of a query."""
        return self._connection.execute(sql).fetchall()

    def close(self) -> None:
        """Forget the database."""
        self._connection.close()

    def _fill(self, table: Table, rng: Random) -> None:
        rows = self._row_count(table)
        columns = [self._column_values(table, column, rows, rng) for column in table.columns]
        for column, values in zip(table.columns, columns, strict=True):
            self.values[table.name, column.name] = values
        marks = ", ".join("?" * len(columns))
        self._connection.executemany(f"INSERT INTO {table.name} VALUES ({marks})", zip(*columns, strict=True))

    def _row_count(self, table: Table) -> int:
        parent = any(ref.target == table.name for other in self.domain.tables for ref in other.refs)
        limit = MAX_PARENT_ROWS if parent else CHILD_ROWS
        return min(limit, len(table.label.values)) if table.label else limit

    def _column_values(self, table: Table, column: Column, rows: int, rng: Random) -> list[Value]:
        if column.kind == "key":
            return list(range(1, rows + 1))
        if column.kind == "ref":
            keys = self.values[column.target, self.domain.table(column.target).key.name]
            return [rng.choice(keys[: len(keys) - UNREFERRED]) for _ in range(rows)]
        if column.kind == "label":
            return list(rng.sample(column.values, rows))
        return [None if rng.random() < column.nulls else _value(column, rng) for _ in range(rows)]


def _value(column: Column, rng: Random) -> Value:
    if column.kind == "text":
        # Unequal shares, so that counts per value differ and "the most common" is one value.
        return column.values[min(int(rng.random() ** 1.4 * len(column.values)), len(column.values) - 1)]
    if column.kind == "flag":
        return int(rng.random() < 0.5)
    if column.kind == "date":
        first, last = date.fromisoformat(str(column.low)), date.fromisoformat(str(column.high))
        return (first + timedelta(days=rng.randrange((last - first).days + 1))).isoformat()
    low, high = float(column.low), float(column.high)
    if column.digits:
        return round(rng.uniform(low, high), column.digits)
    return rng.randint(int(low), int(high))


def is_acceptable(database: FilledDatabase, query: Query) -> bool:
    """True when the query's answer on the filled database is neither empty nor trivial.

    Args:
        database: A filled database of the query's domain.
        query: The query in parts.

    Returns:
        False where the result is empty, NULL or a zero count, where leaving out a condition, DISTINCT, the order or
        one side of a set operation changes nothing, where there is one group only, or where a tie makes the rows of
        a LIMIT ambiguous.
    """
    rows = database.rows(query.text())
    if not rows or all(value in (None, 0) for row in rows for value in row):
        return False
    if isinstance(query, SetOperation):
        sides = (database.rows(query.left.text()), database.rows(query.right.text()))
        return all(side and set(side) != set(rows) for side in sides)
    if any(_same(rows, database.rows(variant.text())) for variant in query.weaker()):
        return False
    if query.group and not query.having and not query.limit and len(rows) < 2:
        return False
    if query.order and rows == database.rows(replace(query, order="").text()):
        return False
    return not query.limit or _is_clear_cut(database, query)


def _same(left: Rows, right: Rows) -> bool:
    return sorted(map(repr, left)) == sorted(map(repr, right))


def _is_clear_cut(database: FilledDatabase, query: Select) -> bool:
    keys = database.rows(query.cut().text())
    return len(keys) > query.limit and len(set(keys)) == len(keys) and (None,) not in keys
