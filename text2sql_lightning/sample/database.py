"""A domain filled with seeded rows: the database that every generated query must prove itself on."""

import sqlite3
from datetime import date, timedelta
from random import Random

from text2sql_lightning.sample.ddl import create_table_text
from text2sql_lightning.sample.domain import Column, Domain, Table

Value = str | int | float | None

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
        self._connection.executescript(create_table_text(domain))
        rng = Random(f"{seed}/{domain.name}/rows")
        for table in domain.tables:
            self._fill(table, rng)

    def rows(self, sql: str) -> list[tuple[Value, ...]]:
        """The result of a query."""
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
