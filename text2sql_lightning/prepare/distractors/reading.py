"""What a gold query reads of its schema, and whether it still means the same on a wider one."""

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from typing import Final, NamedTuple

from text2sql_lightning.sql.databases.sqlite import restrict_to_definitions
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.text.sql_tokens import Token

_ALLOWED: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_BEFORE_STAR: Final = frozenset(["SELECT", "DISTINCT", "ALL", ",", "."])


class Reading(NamedTuple):
    """What a query reads.

    Attributes:
        columns: (table, column) in lower case for every name that SQLite resolved, in its order, repeated ones
            included. `COUNT(*)` reads a table with an empty column.
        result: Names of the result's columns; empty where the query was not compiled.
    """

    columns: tuple[tuple[str, str], ...]
    result: tuple[str, ...] = ()


def read_columns(context: str, sql: str) -> Reading | None:
    """Return what a query reads on a schema (CREATE TABLE text), None where either does not run.

    SQLite resolves names when it compiles a query, before any row is read, and asks an authorizer for each.
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


def said_columns(schema: Schema, tokens: Sequence[Token]) -> Reading | None:
    """Return what a query reads by its text alone, each column once, which is ten times faster.

    None where the text does not tell: with several tables, or a `*`.
    """
    if len(schema.tables) > 1 or has_star(tokens):
        return None
    said = {token.value.lower() for token in tokens if token.kind in ("word", "quoted", "name")}
    table = schema.tables[0]
    names = [column.name.lower() for column in table.columns]
    return Reading(tuple((table.name.lower(), name) for name in names if name in said))


def means_the_same(before: Reading, after: Reading | None, added: Collection[tuple[str, str]]) -> bool:
    """Return whether a query that runs on a schema means the same on a wider one.

    Where a name does not resolve to an added column, it resolves to what it was before: an added column of that name
    would have been found instead, or have made it ambiguous, or stands in a table farther out, where it is not looked
    for. `*` is the exception; where there is one, both readings are compared.

    Args:
        before: What it reads on the schema.
        after: The same of the wider schema, None where it does not compile there.
        added: (table, column) that only the wider schema has.
    """
    if after is None or any(column in added for column in after.columns):
        return False
    return not before.result or before == after


def has_star(tokens: Sequence[Token]) -> bool:
    """Return whether a query has a `*` that stands for columns, not for rows or a product."""
    stars = [at for at, token in enumerate(tokens) if at and token.text == "*"]
    return any(tokens[at - 1].text.upper() in _BEFORE_STAR for at in stars)


def needed_columns(schema: Schema, reading: Reading, tokens: Sequence[Token]) -> list[str]:
    """Return the columns that gold needs: those it reads, and those of `USING (...)`, which SQLite does not tell."""
    read = {table for table, _ in reading.columns}
    merges = any(token.is_word("USING", "NATURAL") for token in tokens)
    said = {token.value.lower() for token in tokens} if merges else set()
    return [
        column.name
        for table in schema.tables
        if table.name.lower() in read
        for column in table.columns
        if (table.name.lower(), column.name.lower()) in reading.columns or column.name.lower() in said
    ]
