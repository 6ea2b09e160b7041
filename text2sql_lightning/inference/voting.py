"""Which of several answers counts, without knowing the right one: by executing them.

Answers that return the same rows mean the same, whatever they look like; what most answers mean is more often right
than the first of them (self-consistency, arXiv:2203.11171, by results instead of texts). The queries run on the user's
database, or where there is none on small databases made from the schema and from what the answers themselves compare.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias

from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.result_match import same_rows
from text2sql_lightning.modeling.settings import Choice
from text2sql_lightning.sql.execution import Execution, execute
from text2sql_lightning.sql.repair import repair_ddl
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.sql.testdb.filling import make_databases
from text2sql_lightning.text.prompts import schema_in_prompt
from text2sql_lightning.text.sql_tokens import is_top_level_ordered

Database: TypeAlias = Path | bytes

_GUIDES: Final = 4
_FILLINGS: Final = 2


def choose(answers: Sequence[str], databases: Sequence[Database], choice: Choice, *, timeout_s: float = 5.0) -> int:
    """Choose one of the answers to a question.

    Args:
        answers: SQL, in the order in which they were generated; anything that a model may have written.
        databases: Where they run: all count.
        choice: `first`, `first_executable`, or `vote`.
        timeout_s: Seconds that one query may take.

    Returns:
        The index of the answer; 0 where no answer runs, or there is no database to run it on.

    Raises:
        DataError: A database is missing or is none.
    """
    if choice == "first" or len(answers) < 2 or not databases:
        return 0
    if choice == "first_executable":
        running = (at for at, sql in enumerate(answers) if runs(sql, databases, timeout_s))
        return next(running, 0)
    results = {sql: [execute(database, sql, timeout_s=timeout_s) for database in databases] for sql in set(answers)}
    return vote([results[sql] for sql in answers], [is_top_level_ordered(sql) for sql in answers])


def vote(results: Sequence[Sequence[Execution]], ordered: Sequence[bool]) -> int:
    """Find the answer whose results most answers share.

    Args:
        results: For each answer what came of it on each database. One that failed anywhere has no vote.
        ordered: For each answer whether it orders its rows. The order counts between two answers that both do.

    Returns:
        The index of the first answer with the most votes, its own included; 0 where every answer failed.
    """
    voters = [at for at, answer in enumerate(results) if all(one.error is None for one in answer)]
    votes = {
        at: sum(_agree(results[at], results[other], ordered=ordered[at] and ordered[other]) for other in voters)
        for at in voters
    }
    return max(voters, key=lambda at: (votes[at], -at), default=0)


def _agree(one: Sequence[Execution], other: Sequence[Execution], *, ordered: bool) -> bool:
    return all(same_rows(a.rows, b.rows, ordered=ordered) for a, b in zip(one, other, strict=True))


def runs(sql: str, databases: Sequence[Database], timeout_s: float) -> bool:
    """Return whether a query runs on each database."""
    return all(execute(database, sql, timeout_s=timeout_s).error is None for database in databases)


def databases_for_prompt(prompt: str, answers: Sequence[str], choice: Choice) -> list[bytes]:
    """Make databases from the schema in a prompt, for a choice between answers to it.

    Returns:
        For a vote databases with rows on which the answers can differ, for any other choice one with empty tables; none
        where the prompt holds no schema.
    """
    context = schema_in_prompt(prompt)
    if choice == "vote":
        return databases_for(context, answers)
    database = empty_database(context)
    return [] if database is None else [database]


def databases_for(context: str, answers: Sequence[str], *, seed: int = 0) -> list[bytes]:
    """Make small databases from a schema, with rows on which the answers can differ.

    Rows made without a query in mind would answer most queries alike, with nothing. So each of the first answers that
    run is taken for right in turn, and rows are made that it selects and that it narrowly misses.

    Args:
        context: CREATE TABLE text.
        answers: SQL that may be right.
        seed: Same seed, context and answers: the same databases.

    Returns:
        Serialized SQLite databases; none where no answer runs on the schema.
    """
    databases: list[bytes] = []
    guides = 0
    for sql in dict.fromkeys(answers):
        if guides == _GUIDES:
            break
        try:
            databases += make_databases(context, sql, seed=seed, fillings=_FILLINGS)
        except DataError:
            continue
        guides += 1
    return databases


@lru_cache(maxsize=16)
def empty_database(context: str) -> bytes | None:
    """Return a serialized SQLite database of CREATE TABLE text, repaired where that is certain; None of any other."""
    try:
        declared = Schema.from_ddl(repair_ddl(context).text).to_ddl()
    except DataError:
        return None
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        try:
            connection.executescript(declared)
        except sqlite3.Error:
            return None
        return connection.serialize()
