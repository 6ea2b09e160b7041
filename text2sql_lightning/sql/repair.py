"""Repairs of SQL text that leave no doubt about what was meant; everything else is left as it is."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Final

from text2sql_lightning.sql.databases.sqlite import restrict_to_definitions
from text2sql_lightning.sql.ddl import Column, Table, read_tables
from text2sql_lightning.text.sql_tokens import RESERVED, Token, keywords, quote_name, tokenize

# Reserved words that are no keyword of a SELECT statement, so that there they can only be names.
_NEVER_IN_SELECT: Final = keywords(
    """ADD ALTER AUTOINCREMENT CHECK COMMIT CONSTRAINT CREATE DEFAULT DEFERRABLE DELETE DROP FOREIGN INDEX INSERT INTO
    NOTHING PRIMARY RAISE REFERENCES RETURNING TABLE TO TRANSACTION UNIQUE UPDATE"""
)


@dataclass(frozen=True)
class DdlRepair:
    """CREATE TABLE text that was made to run.

    Attributes:
        text: The statements, separated by `; `; the text as given when nothing had to be done or nothing helped.
        repairs: What was done, e.g. "merged table singer", "quoted column order"; empty for no repair.
    """

    text: str
    repairs: tuple[str, ...]


@lru_cache(maxsize=4)  # asked again of the same text, and a database in memory takes longer than all the rest
def ddl_error(text: str) -> str | None:
    """Return SQLite's message when the statements do not run, None when they do."""
    connection = sqlite3.connect(":memory:")
    restrict_to_definitions(connection)
    try:
        connection.executescript(text)
    except (sqlite3.Error, ValueError, MemoryError) as error:  # ValueError: a NUL or a lone surrogate in the text
        return str(error) or type(error).__name__
    finally:
        connection.close()
    return None


def repair_ddl(text: str) -> DdlRepair:
    """Make CREATE TABLE text run in SQLite where it is certain what was meant.

    A table that is created twice is merged into one with all the columns; a column that is declared twice in a table
    is kept once (names are case-insensitive); reserved words and names that are no
    words are quoted; statements separated by ` | ` or by nothing get semicolons. Where that is not enough to make
    the text run, it is left as it is.
    """
    if ddl_error(text) is None:
        return DdlRepair(text, ())
    tables, repairs = merge_tables(read_tables(text))
    repairs += [f"quoted table {table.name}" for table in tables if _needs_quotes(table.name)]
    repairs += [f"quoted column {c.name}" for table in tables for c in table.columns if _needs_quotes(c.name)]
    repaired = "; ".join(table.to_ddl() for table in tables)
    if _runs_on(text):
        repairs.append("separated statements")
    if not repairs or ddl_error(repaired) is not None:
        return DdlRepair(text, ())
    return DdlRepair(repaired, tuple(repairs))


def repair_query(sql: str, context: str) -> str:
    """Quote the context's columns and tables whose names are reserved words, where a query uses them unquoted.

    Only words that cannot be keywords at their place are touched: `group` and `order` in front of anything but BY,
    and words such as `index` that no SELECT statement has as a keyword.
    """
    tables = read_tables(context)
    reserved = {
        name.upper() for t in tables for name in (t.name, *(c.name for c in t.columns)) if name.upper() in RESERVED
    }
    if not reserved:
        return sql
    tokens = tokenize(sql)
    places = [i for i, token in enumerate(tokens) if token.is_word(*reserved) and _is_name(tokens, i)]
    for i in reversed(places):
        token = tokens[i]
        sql = f'{sql[: token.start]}"{token.text}"{sql[token.end :]}'
    return sql


def merge_tables(tables: Iterable[Table]) -> tuple[list[Table], list[str]]:
    """Return each table once, with the columns of all its declarations, and what was done to get there."""
    declarations: dict[str, list[Table]] = {}
    repairs: list[str] = []
    for declared in tables:
        table, dropped = _once(declared)
        repairs += [f"dropped repeated column {name}" for name in dropped]
        same = declarations.setdefault(table.name.lower(), [])
        same.append(table)
        if len(same) > 1:
            repairs.append(f"merged table {same[0].name}")
    return [_merge(same) for same in declarations.values()], repairs


def _merge(declarations: Sequence[Table]) -> Table:
    first = declarations[0]
    if len(declarations) == 1:
        return first
    columns = tuple(column for table in declarations for column in table.columns)
    keys = dict.fromkeys(key for table in declarations for key in table.foreign_keys)
    return _once(Table(first.name, columns, tuple(keys)))[0]


def _once(table: Table) -> tuple[Table, list[str]]:
    """Return the table with each column once, and the names that were dropped."""
    columns: dict[str, Column] = {}
    dropped: list[str] = []
    for column in table.columns:
        key = column.name.lower()
        known = columns.setdefault(key, column)
        if known is not column:
            dropped.append(column.name)
            # VARCHAR is what the data says when it does not know; any other type was seen in use.
            if known.type.upper() == "VARCHAR" and column.type:
                columns[key] = replace(known, type=column.type)
    return replace(table, columns=tuple(columns.values())), dropped


def _runs_on(text: str) -> bool:
    """Whether a CREATE follows a closing bracket without a semicolon between them."""
    tokens = [token for token in tokenize(text) if token.text != "|"]
    return any(one.text == ")" and two.is_word("CREATE") for one, two in pairwise(tokens))


def _needs_quotes(name: str) -> bool:
    return quote_name(name) != name


def _is_name(tokens: Sequence[Token], at: int) -> bool:
    word = tokens[at].text.upper()
    if word in ("GROUP", "ORDER"):
        return at + 1 == len(tokens) or not tokens[at + 1].is_word("BY")
    return word in _NEVER_IN_SELECT
