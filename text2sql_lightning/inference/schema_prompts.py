"""A database's whole schema as the context of a prompt, if wanted with sample values."""

import sqlite3
from pathlib import Path
from typing import Final

from text2sql_lightning.sql.connection import connect
from text2sql_lightning.sql.execution import Value, run_query
from text2sql_lightning.sql.schema import Schema, Table
from text2sql_lightning.sql.tokens import quote_name

_LONGEST_VALUE: Final = 40
_TIMEOUT_S: Final = 2.0


def schema_context(schema: Schema, database: Path | None = None, *, sample_values: int = 0) -> str:
    """Write every table, column, type, primary and foreign key of a schema.

    Args:
        schema: The schema.
        database: Where sample values are read from, read-only.
        sample_values: How many values of each column stand in a comment behind its table. 0 for none.

    Returns:
        CREATE TABLE text, one statement a line.

    Raises:
        DataError: Sample values are wanted and the database cannot be read.
    """
    if database is None or sample_values < 1:
        return schema.to_ddl()
    with connect(database) as connection:
        samples = [_samples(connection, table, sample_values) for table in schema.tables]
    tables = [f"{table.to_ddl()}{sample}" for table, sample in zip(schema.tables, samples, strict=True)]
    return ";\n".join(tables)


def _samples(connection: sqlite3.Connection, table: Table, count: int) -> str:
    lines = []
    for column in table.columns:
        name, source = quote_name(column.name), quote_name(table.name)
        sql = f"SELECT DISTINCT {name} FROM {source} WHERE {name} IS NOT NULL LIMIT {count}"
        rows = run_query(connection, sql, timeout_s=_TIMEOUT_S).rows
        if rows:
            lines.append(f"{column.name}: {', '.join(_literal(value) for (value,) in rows)}")
    return f" /* {'; '.join(lines).replace('*/', '* /')} */" if lines else ""


def _literal(value: Value) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if not isinstance(value, str):
        return str(value)
    text = " ".join(value.split())
    text = text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
    return "'" + text.replace("'", "''") + "'"
