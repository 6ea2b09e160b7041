"""One raw row: clean it, repair what is certain, prove that its gold query runs; or say why it is dropped."""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from text2sql_lightning.data.build.literal_case import match_literal_case
from text2sql_lightning.data.build.normal_form import NormalQuery, normal_query, question_key
from text2sql_lightning.data.build.repairs import is_mangled, repair_gold
from text2sql_lightning.data.build.settings import LiteralCase
from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.errors import DataError
from text2sql_lightning.sql.components import hardness
from text2sql_lightning.sql.connection import restrict
from text2sql_lightning.sql.execution import run_query
from text2sql_lightning.sql.schema import Schema, Table, ddl_error, repair_ddl, schema_id
from text2sql_lightning.sql.tokens import tokenize
from text2sql_lightning.text.prompts import format_input, split_input
from text2sql_lightning.text.sql_cleaning import ensure_sql_only

_GENERIC_TABLE: Final = re.compile(r"table_name_\d+")
_IDENTIFIER_TABLE: Final = re.compile(r"table_\d+_\d+")
_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True)
class CleanRow:
    """A row that will be a record unless it is contaminated.

    Attributes:
        row: The row as it was found.
        question: Cleaned question.
        context: Schema that runs in SQLite.
        sql: Gold query that runs on this schema.
        repairs: What was done to schema and query.
        literal_case_repaired: Whether a literal took the question's letter case.
        hardness: Spider's class of the gold query.
        schema_id: Hash of the normalised schema.
        tables: Names of its tables in lower case, without generic ones.
        group_keys: Two rows with a key in common stand on the same tables.
        question_key: Equal for rows that ask the same.
        query: Normal form of the gold query.
    """

    row: RawRow
    question: str
    context: str
    sql: str
    repairs: tuple[str, ...]
    literal_case_repaired: bool
    hardness: str
    schema_id: str
    tables: tuple[str, ...]
    group_keys: tuple[str, ...]
    question_key: str
    query: NormalQuery


@dataclass(frozen=True)
class DroppedRow:
    """A row that will not be a record: the kind of reason, and the detail."""

    row: RawRow
    reason: str
    detail: str


class _UnusableError(Exception):
    """The row has to go."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def clean_row(row: RawRow, literal_case: LiteralCase) -> CleanRow | DroppedRow:
    """Make a raw row fit for training.

    Args:
        row: The row as it was found.
        literal_case: Whether literals take the question's letter case.

    Returns:
        The cleaned row, or why it is dropped: `empty_question`, `no_create_table`, `other_statements_in_context`,
        `context_does_not_run`, `context_breaks_prompt`, `no_select_statement`, `gold_mangled` (see `repairs`) or
        `gold_<error class>` with the error classes of `sql.execution`.
    """
    try:
        return _clean(row, literal_case)
    except _UnusableError as problem:
        return DroppedRow(row, problem.reason, problem.detail)


def _clean(row: RawRow, literal_case: LiteralCase) -> CleanRow:
    question = " ".join(row.question.split())
    if not question:
        raise _UnusableError("empty_question", "the question is empty")
    context, repairs, schema = _clean_context(row.context)
    if split_input(format_input(context, question)) != (context, question):
        raise _UnusableError("context_breaks_prompt", "the context holds the heading '### Question:'")
    sql = ensure_sql_only(row.answer)
    if not sql:
        raise _UnusableError("no_select_statement", row.answer)
    sql, gold_repairs = repair_gold(sql, context, question)
    _check_gold(sql, schema)
    if is_mangled(sql):
        raise _UnusableError("gold_mangled", sql)
    matched = match_literal_case(sql, question, _names(schema)) if literal_case == "question" else sql
    return CleanRow(
        row=row,
        question=question,
        context=context,
        sql=matched,
        repairs=repairs + gold_repairs,
        literal_case_repaired=matched != sql,
        hardness=hardness(matched, schema),
        schema_id=schema_id(schema),
        tables=tuple(sorted(name for name in map(_lower_name, schema.tables) if not _GENERIC_TABLE.fullmatch(name))),
        group_keys=_group_keys(schema),
        question_key=question_key(question),
        query=normal_query(matched),
    )


def _clean_context(text: str) -> tuple[str, tuple[str, ...], Schema]:
    text = text.strip().replace("\r\n", "\n")
    try:
        schema = Schema.from_ddl(text)
    except DataError as error:
        raise _UnusableError("no_create_table", str(error)) from error
    # Whatever the file holds is run below, so it must be CREATE TABLE (...) statements and nothing else.
    if _has_other_statements(text):
        raise _UnusableError("other_statements_in_context", text)
    repaired = repair_ddl(text)
    problem = None if repaired.repairs else ddl_error(repaired.text)
    if problem:
        raise _UnusableError("context_does_not_run", problem)
    return repaired.text, repaired.repairs, schema


def _has_other_statements(context: str) -> bool:
    tokens = tokenize(context)
    starts = [0, *(at + 1 for at, token in enumerate(tokens) if token.text == ";" and at + 1 < len(tokens))]
    if not all(tokens[at].is_word("CREATE") for at in starts):
        return True
    return any(one.is_word("AS") and other.is_word("SELECT", "WITH", "VALUES") for one, other in pairwise(tokens))


def _check_gold(sql: str, schema: Schema) -> None:
    """Run the query on empty tables: names, functions and syntax are checked before the first row is read."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(schema.to_ddl())
        restrict(connection)
        result = run_query(connection, sql, timeout_s=_TIMEOUT_S)
    if result.error:
        raise _UnusableError(f"gold_{result.error}", sql)


def _names(schema: Schema) -> frozenset[str]:
    columns = (column.name for table in schema.tables for column in table.columns)
    return frozenset(name.lower() for name in (*(table.name for table in schema.tables), *columns))


def _lower_name(table: Table) -> str:
    return table.name.lower()


def _group_keys(schema: Schema) -> tuple[str, ...]:
    """Name what tells that two rows stand on the same tables.

    That is the set of tables, and each single table: by its name where that is an identifier (`table_1825751_14`), by
    name and one common column where it is a word, for `student` may be of another database. A generic name
    (`table_name_12`) says nothing, so there all columns count instead.
    """
    keys = []
    parts = []
    for table in schema.tables:
        name = _lower_name(table)
        columns = sorted({column.name.lower() for column in table.columns})
        if _GENERIC_TABLE.fullmatch(name):
            name = f"table_name({','.join(columns)})"
        elif not _IDENTIFIER_TABLE.fullmatch(name):
            keys += [f"column {name}.{column}" for column in columns]
        else:
            keys.append(f"table {name}")
        parts.append(name)
    return (f"tables {';'.join(sorted(set(parts)))}", *keys)
