"""Exact set match (EM): the same query clause by clause, whatever the order inside a clause and whatever the literals.

The verdicts are those of the official Spider script (taoyds/test-suite-sql-eval at e97acc5, without `--plug_value` and
`--keep_distinct`); docs/exact_set_match.md has its rules and the few places where ours differ.
"""

from collections import Counter
from collections.abc import Callable

from text2sql_lightning.evaluation.result_match import normalized_exact_match
from text2sql_lightning.evaluation.spider.grammar import (
    ColumnUnit,
    Condition,
    Conditions,
    GrammarError,
    Ordering,
    Query,
    SpiderNames,
    Value,
    ValueUnit,
    spider_names,
)
from text2sql_lightning.evaluation.spider.parser import parse_query
from text2sql_lightning.sql.schema import Schema


def exact_set_match(gold: str, predicted: str, schema: Schema) -> bool:
    """Whether two queries are the same by Spider's component exact set match.

    Args:
        gold: The right query. Where Spider's grammar does not cover it, the two are compared as text.
        predicted: The query to judge; false where the grammar does not cover it.
        schema: The tables of their database.
    """
    names = spider_names(schema)
    try:
        wanted = _comparable(parse_query(gold, names), names)
    except (GrammarError, RecursionError):
        return normalized_exact_match(gold, predicted)
    try:
        return _same(_comparable(parse_query(_as_read(predicted), names), names), wanted)
    except (GrammarError, RecursionError):
        return False


def _as_read(predicted: str) -> str:
    """Return what the official script makes of a line of predictions before it looks at the SQL."""
    return predicted.strip().split("\t")[0].replace("value", "1")


def _same(found: Query, wanted: Query) -> bool:
    return (
        Counter(found.select) == Counter(wanted.select)
        and Counter(found.where[::2]) == Counter(wanted.where[::2])
        and set(found.where[1::2]) == set(wanted.where[1::2])
        and _grouping(found) == _grouping(wanted)
        and _ordering(found) == _ordering(wanted)
        and _keywords(found) == _keywords(wanted)
        and (not wanted.sources or Counter(found.sources) == Counter(wanted.sources))
        and (found.other is None or wanted.other is None or _same(found.other, wanted.other))
    )


def _grouping(query: Query) -> tuple[tuple[str, ...], Conditions] | None:
    """GROUP BY in its order, with HAVING; a HAVING alone is not looked at."""
    return (tuple(unit.column for unit in query.group), query.having) if query.group else None


def _ordering(query: Query) -> tuple[Ordering, bool] | None:
    return (query.order, query.limited) if query.order else None


def _keywords(query: Query) -> set[str]:
    """What is there, as far as the comparison of the clauses does not say so already."""
    conditions = [item for item in query.conditions if isinstance(item, Condition)]
    words = {condition.operator for condition in conditions} & {"in", "like"}
    words |= {"not"} if any(condition.negated for condition in conditions) else set()
    words |= {"or"} if "or" in query.connectives else set()
    words |= {"having"} if query.having else set()
    words |= {"limit"} if query.limited else set()
    return words | {query.set_operator}


Unify = Callable[[ColumnUnit], ColumnUnit]


def _comparable(query: Query, names: SpiderNames) -> Query:
    """Return a query without what is not compared: literals, DISTINCT, which end of a foreign key was named.

    A query nested in a condition keeps its DISTINCT and its columns, and one in FROM its literals too. The parts of a
    set operation take their tables from the first one. None of that is sensible, all of it decides verdicts.
    """
    tables = {source for source in query.sources if isinstance(source, str)}

    def unify(unit: ColumnUnit) -> ColumnUnit:
        column = unit.column
        if column in names.keys and column.partition(".")[0] in tables:
            column = names.keys[column]
        return ColumnUnit(unit.aggregate, column, False)

    return _rebuilt(query, unify)


def _rebuilt(query: Query, unify: Unify) -> Query:
    order = query.order
    return query._replace(
        select=tuple(item._replace(unit=_unit(item.unit, unify)) for item in query.select),
        joins=_conditions(query.joins, unify),
        where=_conditions(query.where, unify),
        group=tuple(unify(unit) for unit in query.group),
        having=_conditions(query.having, unify),
        order=order and order._replace(units=tuple(_unit(unit, unify) for unit in order.units)),
        other=query.other and _rebuilt(query.other, unify),
    )


def _unit(unit: ValueUnit, unify: Unify) -> ValueUnit:
    return ValueUnit(unit.operator, unify(unit.left), unit.right and unify(unit.right))


def _conditions(conditions: Conditions, unify: Unify) -> Conditions:
    """Rebuild the conditions, which are in even places."""
    rebuilt: list[Condition | str] = list(conditions)
    for i in range(0, len(conditions), 2):
        item = conditions[i]
        if isinstance(item, str):
            raise GrammarError("a connective is in the place of a condition")
        rebuilt[i] = item._replace(left=_unit(item.left, unify), value=_nested(item.value), upper=_nested(item.upper))
    return tuple(rebuilt)


def _nested(value: Value) -> Value:
    return _rebuilt(value, lambda unit: unit) if isinstance(value, Query) else None
