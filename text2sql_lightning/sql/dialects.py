"""Queries parsed by sqlglot: SQLite's, and those of other dialects, which are never executed."""

import logging
from functools import lru_cache
from typing import Final, Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from text2sql_lightning.sql.schema import Schema

DIALECTS: Final = (
    "athena", "bigquery", "clickhouse", "databricks", "doris", "drill", "duckdb", "exasol", "hive", "mysql", "oracle",
    "postgres", "presto", "redshift", "snowflake", "spark", "sqlite", "starrocks", "teradata", "trino", "tsql",
)  # fmt: skip
"""The dialects that a record may have, by sqlglot's names."""

Problem = Literal["syntax", "refused", "unknown_table"]


@lru_cache(maxsize=1)  # a row's query is looked at more than once
def parse_sqlite(sql: str) -> exp.Expr | None:
    """Return the parse tree of a SQLite query, None where it cannot be parsed; callers share it, so never change it."""
    try:
        return sqlglot.parse_one(sql, read="sqlite")
    except (SqlglotError, RecursionError, ValueError):
        return None


def query_problem(sql: str, schema: Schema, dialect: str) -> Problem | None:
    """Return what is wrong with a query, as far as its text and the schema show.

    Args:
        sql: The query.
        schema: The tables that it may use.
        dialect: One of `DIALECTS`.

    Returns:
        `syntax` when it cannot be parsed, `refused` when it is no single query, `unknown_table` when it uses a table
        that the schema lacks, None when nothing was found. Names of columns and types are not checked.
    """
    parser_log = logging.getLogger("sqlglot")
    level = parser_log.level
    parser_log.setLevel(logging.CRITICAL)  # it logs what it also raises
    try:
        statements = [tree for tree in sqlglot.parse(sql, read=dialect) if tree is not None]
    except (SqlglotError, RecursionError, ValueError):
        return "syntax"
    finally:
        parser_log.setLevel(level)
    if len(statements) != 1 or not isinstance(statements[0], exp.Query) or statements[0].find(exp.Into):
        return "refused"
    return None if _tables(statements[0]) <= {table.name.lower() for table in schema.tables} else "unknown_table"


def _tables(tree: exp.Expr) -> set[str]:
    """Return the tables that a query reads, without those it makes itself (WITH) and without functions."""
    made = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    read = {table.name.lower() for table in tree.find_all(exp.Table) if isinstance(table.this, exp.Identifier)}
    return read - made
