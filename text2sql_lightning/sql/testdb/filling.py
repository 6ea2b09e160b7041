"""CREATE TABLE text + gold -> small databases that tell gold from queries that mean something else.

A random database answers most wrong queries like the right one: with nothing. So every filling is made around the
gold query: rows that it selects, rows that miss it by one condition, keys that join and keys that do not, groups of
different sizes, values on both sides of every threshold. Several are tried, and the one is kept that tells gold from
the most mutants which no filling before it has caught.
"""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

from text2sql_lightning.errors import DataError
from text2sql_lightning.sql.databases.sqlite import restrict
from text2sql_lightning.sql.execution import Row, Value, execute
from text2sql_lightning.sql.testdb.mutants import make_mutants
from text2sql_lightning.sql.testdb.plan import FillingPlan, plan_filling
from text2sql_lightning.sql.testdb.rows import make_rows
from text2sql_lightning.text.sql_tokens import is_top_level_ordered, quote_name

_Rows: TypeAlias = dict[str, list[Row]]

_MUTANTS: Final = 20
_TRIES: Final = 4
_FEW: Final = 3
_GOOD: Final = 2
_STEPS_A_LOOK: Final = 5_000
_LOOKS: Final = 60
_EMPTY_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True)
class Filling:
    """Rows for the tables of a schema.

    Attributes:
        tables: For each table its name and its columns as (name, declared type).
        rows: For each table its rows.
    """

    tables: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    rows: tuple[tuple[Row, ...], ...]

    def to_database(self, *, case_blind: bool = False) -> bytes:
        """Return it as a serialized SQLite database.

        Args:
            case_blind: Declare every column COLLATE NOCASE, so that comparisons ignore the case of ASCII letters.
        """
        connection = self.open(case_blind=case_blind)
        try:
            return connection.serialize()
        finally:
            connection.close()

    def open(self, *, case_blind: bool = False) -> sqlite3.Connection:
        """Return it as an open database in memory."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        collation = " COLLATE NOCASE" if case_blind else ""
        connection.execute("PRAGMA page_size = 1024")
        connection.execute("BEGIN")
        for (name, columns), rows in zip(self.tables, self.rows, strict=True):
            declared = ", ".join(f"{quote_name(column)} {kind}{collation}" for column, kind in columns)
            connection.execute(f"CREATE TABLE {quote_name(name)} ({declared})")
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {quote_name(name)} VALUES ({marks})", rows)
        connection.execute("COMMIT")
        return connection


def make_databases(context: str, gold: str, *, seed: int, fillings: int = 4) -> list[bytes]:
    """Return small databases that tell the gold query from its mutants.

    Args:
        context: The record's CREATE TABLE text; it is repaired where that is certain.
        gold: The query that is right.
        seed: Same seed, context and gold: the same bytes.
        fillings: How many databases.

    Returns:
        Serialized SQLite databases of about 12 to 60 rows a table.

    Raises:
        DataError: When the context or the gold query cannot run.
    """
    return [filling.to_database() for filling in make_fillings(context, gold, seed=seed, fillings=fillings)]


def make_fillings(context: str, gold: str, *, seed: int, fillings: int = 4) -> list[Filling]:
    """Like `make_databases`, before they are written: for callers that want more than one form of them."""
    plan = plan_filling(context, gold)
    empty = Filling(plan.declarations, tuple(() for _ in plan.declarations))
    # On empty tables only an endless query takes time; a busy machine must not make a good record a bad one.
    failure = execute(empty.to_database(), gold, timeout_s=_EMPTY_TIMEOUT_S).error
    if failure is not None:
        raise DataError(f"the gold query does not run on its own tables ({failure}): {gold[:120]!r}")
    rng = Random(f"{seed}/{fillings}/{context}/{gold}")
    mutants = make_mutants(gold, plan.schema, rng, _MUTANTS)
    ordered = is_top_level_ordered(gold)
    chosen: list[Filling] = []
    for _ in range(fillings):
        best = _best_filling(plan, rng, gold, mutants, ordered=ordered)
        chosen.append(best.filling)
        mutants = [mutant for mutant in mutants if mutant not in best.killed]
    return chosen


@dataclass(frozen=True)
class _Trial:
    """A filling that was tried: how good gold's answer on it is, and which mutants answer something else."""

    filling: Filling
    quality: int
    killed: frozenset[str]

    @property
    def score(self) -> tuple[int, int]:
        return self.quality, len(self.killed)


def _best_filling(plan: FillingPlan, rng: Random, gold: str, mutants: Sequence[str], *, ordered: bool) -> _Trial:
    best: _Trial | None = None
    tries = _TRIES if len(mutants) > _FEW else 2  # the last few are mostly ones that mean the same as gold
    for number in range(_TRIES):
        if best is not None and number >= tries and best.quality == _GOOD:
            break
        rows = make_rows(plan, rng, unique_keys=number < _TRIES - 1)
        trial = _try(Filling(plan.declarations, rows), gold, mutants, ordered=ordered)
        if best is None or trial.score > best.score:
            best = trial
        # Half of what is left is enough: later fillings are made for the rest.
        if best.quality == _GOOD and len(best.killed) * 2 >= len(mutants):
            break
    assert best is not None
    return best


def _try(filling: Filling, gold: str, mutants: Sequence[str], *, ordered: bool) -> _Trial:
    connection = filling.open()
    try:
        restrict(connection)
        answer = _run(connection, gold)
        killed = frozenset(m for m in mutants if _differs(answer, _run(connection, m), ordered=ordered))
        quality = _quality(connection, gold, answer, ordered=ordered)
    finally:
        connection.close()
    return _Trial(filling, quality, killed)


def _quality(connection: sqlite3.Connection, gold: str, answer: list[Row] | None, *, ordered: bool) -> int:
    """Rate gold's answer: 0 nothing or an error, 1 one that hangs on the order of the table's rows, 2 good."""
    if not answer or all(value in (None, 0) for row in answer for value in row):
        return 0
    connection.set_authorizer(None)
    connection.execute("PRAGMA reverse_unordered_selects = ON")
    return 1 if _differs(answer, _run(connection, gold), ordered=ordered) else _GOOD


def _run(connection: sqlite3.Connection, sql: str) -> list[Row] | None:
    """Return a query's rows, or None for an error. The limit is in steps, not in seconds: the outcome must repeat."""
    looks = 0

    def look() -> bool:
        nonlocal looks
        looks += 1
        return looks > _LOOKS

    connection.set_progress_handler(look, _STEPS_A_LOOK)
    try:
        return connection.execute(sql).fetchall()
    except (sqlite3.Error, ValueError, OverflowError, MemoryError):
        return None


def _differs(answer: list[Row] | None, other: list[Row] | None, *, ordered: bool) -> bool:
    if answer is None or other is None:
        return False
    if ordered:
        return answer != other
    return len(answer) != len(other) or Counter[tuple[Value, ...]](answer) != Counter(other)
