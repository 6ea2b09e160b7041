"""Schema adherence: does a query use only the tables and columns of its schema, each column in its own table?

Names are looked up as SQLite does it: aliases, common tables and nested queries have scopes, and text in double quotes
that names no column is text. Not part of it: whether the query runs, and whether a name is ambiguous.
"""

import re
import sqlite3
from dataclasses import dataclass
from typing import Final, Literal

import sqlglot
from sqlglot import exp

from text2sql_lightning.errors import DataError
from text2sql_lightning.sql.databases.sqlite import restrict
from text2sql_lightning.sql.name_lookup import NameLookup
from text2sql_lightning.sql.schema import Schema, repair_ddl
from text2sql_lightning.sql.scopes import Scope

_MISSING: Final = re.compile(r"no such (table|column): (.*)")


@dataclass(frozen=True)
class Adherence:
    """What a query names that its schema does not have.

    Attributes:
        unknown_tables: Tables, as written, each once.
        unknown_columns: Columns, as written, each once.
        reason: "syntax" where the query cannot be parsed, "not_a_query" where it is another kind of statement.
    """

    unknown_tables: tuple[str, ...] = ()
    unknown_columns: tuple[str, ...] = ()
    reason: Literal["syntax", "not_a_query"] | None = None

    @property
    def adheres(self) -> bool:
        """Whether it is a query, and all that it names is in the schema."""
        return self.reason is None and not self.unknown_tables and not self.unknown_columns


def schema_adherence(sql: str, schema: Schema) -> Adherence:
    """Look up every table and column of a query in a schema.

    Args:
        sql: One query.
        schema: The tables that it may use. SQLite's own (`sqlite_master`) are not among them.
    """
    if "\0" in sql or not _is_unicode(sql):
        return Adherence(reason="syntax")
    try:
        tree = sqlglot.parse_one(sql, read="sqlite")
        if not isinstance(tree, exp.Query | exp.Values):
            return Adherence(reason="not_a_query")
        lookup = NameLookup(sql, schema)
        lookup.read_query(tree, Scope())
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError):
        return _ask_sqlite(sql, schema)
    return Adherence(tuple(lookup.unknown_tables), tuple(lookup.unknown_columns))


def adheres_to_context(sql: str, context: str) -> bool:
    """Whether a query uses only what CREATE TABLE text declares, which is repaired first where that is certain."""
    try:
        schema = Schema.from_ddl(repair_ddl(context).text)
    except DataError:
        return False
    return schema_adherence(sql, schema).adheres


def _ask_sqlite(sql: str, schema: Schema) -> Adherence:
    """Let SQLite judge a query that the parser cannot read; of several faults it names the first."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        connection.executescript(schema.to_ddl())
        restrict(connection)
        connection.execute(f"EXPLAIN {sql}")
    except (sqlite3.Error, ValueError, MemoryError) as error:
        missing = _MISSING.fullmatch(str(error))
        if missing is None:
            return Adherence(reason="syntax")
        kind, name = missing.groups()
        return Adherence(unknown_tables=(name,)) if kind == "table" else Adherence(unknown_columns=(name,))
    finally:
        connection.close()
    return Adherence()


def _is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogate."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
