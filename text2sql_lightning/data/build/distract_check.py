"""Proof that a query means the same on two schemas: which columns SQLite finds behind its names, one by one."""

import sqlite3
from contextlib import closing
from typing import NamedTuple

from text2sql_lightning.sql.connection import restrict_to_definitions


class Reading(NamedTuple):
    """What a query reads.

    Attributes:
        columns: (table, column) in lower case for every name that SQLite resolved, in its order, repeated ones
            included. `COUNT(*)` reads a table with an empty column.
        result: Names of the result's columns.
    """

    columns: tuple[tuple[str, str], ...]
    result: tuple[str, ...]


def read_columns(context: str, sql: str) -> Reading | None:
    """Find out what a query reads.

    SQLite resolves names when it compiles a query, before any row is read, and asks an authorizer for each. Where two
    schemas give the same list and differ only in columns that are not on it, the query is the same program on both:
    no name became ambiguous, no text in double quotes became a column, no `*` grew, and so no row can differ.

    Args:
        context: CREATE TABLE text.
        sql: One SELECT statement.

    Returns:
        What it reads, or None where the schema or the query does not run.
    """
    found: list[tuple[str, str]] = []

    def note(action: int, table: str | None, column: str | None, *_: str | None) -> int:
        if action == sqlite3.SQLITE_READ:
            found.append(((table or "").lower(), (column or "").lower()))
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY

    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        try:
            restrict_to_definitions(connection)
            connection.executescript(context)
            connection.set_authorizer(note)
            cursor = connection.execute(sql)
        except (sqlite3.Error, ValueError):
            return None
        return Reading(tuple(found), tuple(entry[0] for entry in cursor.description or ()))


_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
