"""One raw row: cleaned, repaired where that is certain, its gold query proved to run; or why it is dropped."""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

from text2sql_lightning.data.sources import SQLITE, RawRow
from text2sql_lightning.errors import DataError
from text2sql_lightning.prepare.decontaminate import Match
from text2sql_lightning.prepare.normal_form import NormalQuery, normal_query, question_key
from text2sql_lightning.prepare.repairs import constructs, is_mangled, match_literal_case, repair_gold
from text2sql_lightning.prepare.settings import LiteralCase
from text2sql_lightning.sql.databases.sqlite import restrict
from text2sql_lightning.sql.dialects import query_problem
from text2sql_lightning.sql.execution import execute, run_query
from text2sql_lightning.sql.hardness import hardness
from text2sql_lightning.sql.repair import ddl_error, repair_ddl
from text2sql_lightning.sql.schema import Schema, schema_id
from text2sql_lightning.text.prompts import format_input, split_input
from text2sql_lightning.text.sql_cleaning import ensure_sql_only
from text2sql_lightning.text.sql_tokens import tokenize

_GENERIC_TABLE: Final = re.compile(r"table_name_\d+")
_IDENTIFIER_TABLE: Final = re.compile(r"table_\d+_\d+")
TOO_LONG: Final = "too_long"
_TIMEOUT_S: Final = 5.0
_DATABASE_TIMEOUT_S: Final = 30.0
_LONGEST: Final = {"question": 20_000, "evidence": 20_000, "context": 500_000, "answer": 50_000}
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class CleanRow:
    """A row that will be a record unless it is contaminated.

    Attributes:
        row: The row as it was found.
        question: Cleaned question, with the row's evidence behind it.
        context: Schema that runs in SQLite; one of another dialect is only parsed.
        sql: Gold query that runs on this schema; one of another dialect is only parsed.
        repairs: What was done to schema and query.
        literal_case_repaired: Whether a literal is written in the question's case now.
        hardness: Spider's class of the gold query.
        schema_id: Hash of the normalised schema.
        tables: Names of its tables in lower case, without generic ones.
        group_keys: Two rows with a key in common are on the same tables.
        question_key: Equal for rows that ask the same.
        query: Normal form of the gold query.
        constructs: What the gold query uses; see `constructs`.
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
    constructs: tuple[str, ...] = ()


@dataclass(frozen=True)
class DroppedRow:
    """A row that will not be a record: the kind of reason, the detail, and what a benchmark has in common with it."""

    row: RawRow
    reason: str
    detail: str
    match: Match | None = None


class _UnusableError(Exception):
    """Why a row is dropped: reason and detail."""


def clean_row(row: RawRow, literal_case: LiteralCase) -> CleanRow | DroppedRow:
    """Make a raw row fit for training.

    Returns:
        The cleaned row, or why it is dropped: `too_long`, `control_characters`, `empty_question`, `no_create_table`,
        `other_statements_in_context`, `context_does_not_run`, `context_breaks_prompt`, `no_select_statement`,
        `gold_mangled` (see `repairs`) or `gold_<error class>` with the error classes of `sql.execution`.
    """
    try:
        return _clean(row, literal_case)
    except _UnusableError as problem:
        return DroppedRow(row, *problem.args)


def _clean(row: RawRow, literal_case: LiteralCase) -> CleanRow:
    _check_texts(row)
    bare, evidence = " ".join(row.question.split()), " ".join(row.evidence.split())
    if not bare:
        raise _UnusableError("empty_question", "the question is empty")
    question = f"{bare} Hint: {evidence}" if evidence else bare
    context, repairs, schema = _clean_context(row.context, row.dialect)
    if split_input(format_input(context, question)) != (context, question):
        raise _UnusableError("context_breaks_prompt", "the context holds the heading '### Question:'")
    gold = _prove_gold(row, context, schema, question, literal_case)
    query = normal_query(gold.sql)
    return CleanRow(
        row=row,
        question=question,
        context=context,
        sql=gold.sql,
        repairs=repairs + gold.repairs,
        literal_case_repaired=gold.literal_case_repaired,
        hardness=hardness(gold.sql),
        schema_id=schema_id(schema),
        tables=tuple(sorted(name for name in _table_names(schema) if not _GENERIC_TABLE.fullmatch(name))),
        group_keys=(f"template {row.source} {query.canonical}",) if row.own_database else _group_keys(schema),
        question_key=question_key(bare),
        query=query,
        constructs=constructs(gold.sql),
    )


def _check_texts(row: RawRow) -> None:
    """Refuse what no prompt can hold, before any time is spent on it."""
    texts = {name: str(getattr(row, name)) for name in _LONGEST}
    for name, text in texts.items():
        if len(text) > _LONGEST[name]:
            raise _UnusableError(TOO_LONG, f"{name} of {len(text)} characters; at most {_LONGEST[name]} are taken")
    for name, text in texts.items():
        if found := _CONTROL_CHARACTER.search(text):
            raise _UnusableError("control_characters", f"U+{ord(found[0]):04X} in {name}, character {found.start()}")


@dataclass(frozen=True)
class _Gold:
    sql: str
    repairs: tuple[str, ...] = ()
    literal_case_repaired: bool = False


def _prove_gold(row: RawRow, context: str, schema: Schema, question: str, literal_case: LiteralCase) -> _Gold:
    """Return the gold query, repaired where that is certain and proved as far as the source allows."""
    sql = ensure_sql_only(row.answer)
    if not sql:
        raise _UnusableError("no_select_statement", row.answer)
    if row.dialect != SQLITE:
        if problem := query_problem(sql, schema, row.dialect):
            raise _UnusableError(f"gold_{problem}", sql)
        return _Gold(sql)  # nothing here tells whether another spelling would find the same rows
    if row.database is None:
        sql, repairs = repair_gold(sql, context, question)
        _check_gold(sql, schema)
        if is_mangled(sql):
            raise _UnusableError("gold_mangled", sql)
    else:  # what answers on a real database is as it should be: nothing to repair
        repairs = ()
        _check_gold(sql, schema)
        _check_on_database(sql, row.database)
    matched = match_literal_case(sql, question, _names(schema)) if literal_case == "question" else sql
    if row.database is not None and not _same_answer(sql, matched, row.database):
        matched = sql
    return _Gold(matched, repairs, matched != sql)


@lru_cache(maxsize=64)  # rows on one database follow each other, and whole schemas are long
def _clean_context(text: str, dialect: str) -> tuple[str, tuple[str, ...], Schema]:
    text = text.strip().replace("\r\n", "\n")
    try:
        schema = Schema.from_ddl(text)
    except DataError as error:
        raise _UnusableError("no_create_table", str(error)) from error
    # Whatever the file holds is run below, so it must be CREATE TABLE (...) statements and nothing else.
    if _has_other_statements(text):
        raise _UnusableError("other_statements_in_context", text)
    if dialect != SQLITE:
        return text, (), schema
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


def _check_on_database(sql: str, database: Path) -> None:
    result = execute(database, sql, timeout_s=_DATABASE_TIMEOUT_S)
    # It ran on empty tables, so what is too large here is its result, and nothing is wrong with the query.
    if result.error and result.error != "too_large":
        raise _UnusableError(f"gold_{result.error}", sql)


def _same_answer(one: str, other: str, database: Path) -> bool:
    """Return whether two queries answer the same on a real database, whose values may be spelled in any way."""
    if one == other:
        return True
    results = [execute(database, sql, timeout_s=_DATABASE_TIMEOUT_S) for sql in (one, other)]
    return all(result.error is None for result in results) and results[0].rows == results[1].rows


def _names(schema: Schema) -> frozenset[str]:
    columns = (column.name.lower() for table in schema.tables for column in table.columns)
    return frozenset([*_table_names(schema), *columns])


def _table_names(schema: Schema) -> list[str]:
    return [table.name.lower() for table in schema.tables]


def _group_keys(schema: Schema) -> tuple[str, ...]:
    """Return keys of which rows on the same tables have one in common.

    That is the set of tables, and each single table: by its name where that is an identifier (`table_1825751_14`), by
    name and one common column where it is a word, for `student` may be of another database. A generic name
    (`table_name_12`) says nothing, so there all columns count instead.
    """
    keys = []
    parts = []
    for table, name in zip(schema.tables, _table_names(schema), strict=True):
        columns = sorted({column.name.lower() for column in table.columns})
        if _GENERIC_TABLE.fullmatch(name):
            name = f"table_name({','.join(columns)})"
        elif not _IDENTIFIER_TABLE.fullmatch(name):
            keys += [f"column {name}.{column}" for column in columns]
        else:
            keys.append(f"table {name}")
        parts.append(name)
    return (f"tables {';'.join(sorted(set(parts)))}", *keys)
