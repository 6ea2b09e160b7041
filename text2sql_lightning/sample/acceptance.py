"""Whether a generated query is worth keeping: it runs, answers something, and each of its parts matters."""

from dataclasses import replace

from text2sql_lightning.sample.database import FilledDatabase, Value
from text2sql_lightning.sample.query import Query, Select, SetOperation

Rows = list[tuple[Value, ...]]


def is_acceptable(database: FilledDatabase, query: Query) -> bool:
    """True when the query's answer on the filled database is neither empty nor trivial.

    Args:
        database: A filled database of the query's domain.
        query: The query in parts.

    Returns:
        False where the result is empty, NULL or a zero count, where leaving out a condition, DISTINCT, the order or
        one side of a set operation changes nothing, where there is one group only, or where a tie makes the rows of
        a LIMIT ambiguous.
    """
    rows = database.rows(query.text())
    if not rows or all(value in (None, 0) for row in rows for value in row):
        return False
    if isinstance(query, SetOperation):
        sides = (database.rows(query.left.text()), database.rows(query.right.text()))
        return all(side and set(side) != set(rows) for side in sides)
    if any(_same(rows, database.rows(variant.text())) for variant in query.weaker()):
        return False
    if query.group and not query.having and not query.limit and len(rows) < 2:
        return False
    if query.order and rows == database.rows(replace(query, order="").text()):
        return False
    return not query.limit or _is_clear_cut(database, query)


def _same(left: Rows, right: Rows) -> bool:
    return sorted(map(repr, left)) == sorted(map(repr, right))


def _is_clear_cut(database: FilledDatabase, query: Select) -> bool:
    keys = database.rows(query.cut().text())
    return len(keys) > query.limit and len(set(keys)) == len(keys) and (None,) not in keys
