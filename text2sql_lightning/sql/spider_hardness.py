"""Hardness by Spider's rules: three counts, and a table that turns them into a word."""

from typing import Literal, TypeAlias

from text2sql_lightning.sql.spider_query import ColumnUnit, Condition, Item, Query

Hardness: TypeAlias = Literal["easy", "medium", "hard", "extra", "unknown"]


def rate(clauses: int, nested: int, others: int) -> Hardness:
    """Apply the rules' table; the numbers are the official script's.

    Args:
        clauses: WHERE, GROUP BY, ORDER BY, LIMIT, joins, ORs and LIKEs (its component 1).
        nested: Queries in conditions and behind a set operator (its component 2).
        others: How many of these there are more than one of: aggregates, columns, conditions, groups.
    """
    if clauses <= 1 and others == 0 and nested == 0:
        return "easy"
    if nested == 0 and ((others <= 2 and clauses <= 1) or (clauses <= 2 and others < 2)):
        return "medium"
    if (
        (nested == 0 and others > 2 and clauses <= 2)
        or (nested == 0 and 2 < clauses <= 3 and others <= 2)
        or (clauses <= 1 and others == 0 and nested <= 1)
    ):
        return "hard"
    return "extra"


def query_hardness(query: Query) -> Hardness:
    """Rate a query that Spider's grammar covers; only its first SELECT is looked at."""
    conditions = [item for item in query.conditions if isinstance(item, Condition)]
    clauses = (
        bool(query.where)
        + bool(query.group)
        + (query.order is not None)
        + query.limited
        + max(0, len(query.sources) - 1)
        + query.connectives.count("or")
        + sum(condition.operator == "like" for condition in conditions)
    )
    nested = sum(isinstance(value, Query) for c in conditions for value in (c.value, c.upper)) + bool(query.other)
    others = (_count_aggregates(query) > 1) + (len(query.select) > 1) + (len(query.where) > 1) + (len(query.group) > 1)
    return rate(clauses, nested, others)


def _count_aggregates(query: Query) -> int:
    """Count aggregates where the script looks for them.

    It asks for a part's first field. In a condition that holds NOT; in HAVING it also meets each AND and OR.
    """
    ordered = query.order.units if query.order else ()
    sides = [side for unit in ordered for side in (unit.left, unit.right) if side]
    parts: list[Item | ColumnUnit] = [*query.select, *query.group, *sides]
    return (
        sum(part.aggregate != "none" for part in parts)
        + sum(isinstance(item, str) or item.negated for item in query.where[::2])
        + sum(isinstance(item, str) or item.negated for item in query.having)
    )
