"""Mutants of gold queries that are known to mean something else: some random database tells them from gold."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

import sqlglot
from reference.random_filler import RandomDatabases, differ
from reference.tree_mutants import KINDS, tree_mutants

from text2sql_lightning.sql.repair import repair_ddl


@dataclass(frozen=True)
class Mutant:
    """A query that is one mistake of this kind away from gold."""

    kind: str
    context: str
    gold: str
    sql: str


def differing_mutants(
    rows: Iterable[tuple[str, str]], per_kind: int, *, seed: int, databases: int = 20
) -> list[Mutant]:
    """Find mutants whose result differs from gold's on at least one random database.

    Args:
        rows: (context, gold) of records; each gives at most one mutant of a kind.
        per_kind: How many to find of each kind.
        seed: Decides the order of the rows, the mutants and the databases.
        databases: How many databases a mutant may differ on.

    Returns:
        The mutants, fewer than asked for where the rows give no more.
    """
    found: dict[str, list[Mutant]] = {kind: [] for kind in KINDS}
    order = list(rows)
    Random(seed).shuffle(order)
    for number, (context, gold) in enumerate(order):
        wanted = [kind for kind in KINDS if len(found[kind]) < per_kind]
        if not wanted:
            break
        for mutant in _mutants_of(context, gold, wanted, f"{seed}/{number}", databases):
            found[mutant.kind].append(mutant)
    return [mutant for kind in KINDS for mutant in found[kind]]


def _mutants_of(context: str, gold: str, kinds: list[str], seed: str, databases: int) -> list[Mutant]:
    ddl = repair_ddl(context).text
    empty = sqlite3.connect(":memory:")
    try:
        empty.executescript(ddl)
        empty.execute(gold)
        ordered = sqlglot.parse_one(gold, read="sqlite").args.get("order") is not None
        names = empty.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        columns = {
            name.lower(): [row[1] for row in empty.execute("SELECT * FROM pragma_table_info(?)", (name,))]
            for (name,) in names
        }
        candidates = [
            Mutant(kind, context, gold, sql)
            for kind in kinds
            for sql in tree_mutants(gold, columns, kind, Random(f"{seed}/{kind}"))[:2]
            if _runs(empty, sql)
        ]
    except (sqlite3.Error, sqlglot.errors.SqlglotError):
        return []
    finally:
        empty.close()
    return _differing(candidates, RandomDatabases(ddl, gold, seed, databases), gold, ordered=ordered)


def _runs(connection: sqlite3.Connection, sql: str) -> bool:
    try:
        connection.execute(sql)
    except sqlite3.Error:
        return False
    return True


def _differing(candidates: list[Mutant], judge: RandomDatabases, gold: str, *, ordered: bool) -> list[Mutant]:
    """Return the first candidate of each kind that differs from gold."""
    right = judge.answers(gold)
    kept: dict[str, Mutant] = {}
    for mutant in candidates:
        pairs = zip(right, judge.answers(mutant.sql), strict=True) if mutant.kind not in kept else ()
        if any(differ(one, other, ordered=ordered) for one, other in pairs):
            kept[mutant.kind] = mutant
    judge.close()
    return list(kept.values())
