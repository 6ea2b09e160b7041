"""Hardness of a query by the rules of Spider's evaluation script, applied to the parse tree of a full SQL parser."""

from collections.abc import Iterator
from typing import Literal, TypeAlias

from sqlglot import exp

from text2sql_lightning.sql.dialects import parse_sqlite

Hardness: TypeAlias = Literal["easy", "medium", "hard", "extra", "unknown"]


def hardness(sql: str) -> Hardness:
    """Rate how hard a query is to write; equal to the official rating of every gold query of Spider dev.

    Counted in the first SELECT only: clauses, joins, OR and LIKE (the script's component 1); nested queries in
    conditions, and UNION, INTERSECT or EXCEPT (2); aggregates, columns, conditions and groups beyond one (the others).

    Returns:
        The rating, "unknown" where the query cannot be parsed.
    """
    tree = parse_sqlite(sql)
    select = _first_select(tree) if tree is not None else None
    if select is None:
        return "unknown"
    try:
        return _rate(_count_clauses(select), _count_nested(select), _count_others(select))
    except RecursionError:
        return "unknown"


def _rate(clauses: int, nested: int, others: int) -> Hardness:
    """Apply the script's table; the numbers are its own."""
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


def _first_select(tree: exp.Expr) -> exp.Select | None:
    """Return the first SELECT: the left end of UNION, INTERSECT and EXCEPT."""
    while not isinstance(tree, exp.Select):
        if not isinstance(tree, exp.SetOperation | exp.Subquery | exp.Paren):
            return None
        tree = tree.this
    return tree


def _is_combined(select: exp.Select) -> bool:
    """Whether the SELECT is one end of a set operation; its ORDER BY and LIMIT then belong to the other end."""
    parent = select.parent
    while isinstance(parent, exp.Subquery | exp.Paren):
        parent = parent.parent
    return isinstance(parent, exp.SetOperation)


def _sources(select: exp.Select) -> list[exp.Expr]:
    source = select.args.get("from_")
    joined = [join.this for join in select.args.get("joins") or []]
    return ([source.this] if source else []) + joined


def _condition_roots(select: exp.Select) -> list[exp.Expr]:
    """Return the conditions of ON, WHERE and HAVING."""
    joins = [join.args["on"] for join in select.args.get("joins") or [] if join.args.get("on")]
    clauses = [select.args[name].this for name in ("where", "having") if select.args.get(name)]
    return joins + clauses


def _conditions(root: exp.Expr) -> Iterator[exp.Expr]:
    """Yield the single conditions of a tree of AND, OR and brackets; a NOT stays with its condition."""
    if isinstance(root, exp.And | exp.Or):
        yield from _conditions(root.this)
        yield from _conditions(root.expression)
    elif isinstance(root, exp.Paren):
        yield from _conditions(root.this)
    else:
        yield root


def _count_ors(root: exp.Expr) -> int:
    if isinstance(root, exp.And | exp.Or):
        return isinstance(root, exp.Or) + _count_ors(root.this) + _count_ors(root.expression)
    return _count_ors(root.this) if isinstance(root, exp.Paren) else 0


def _bare(condition: exp.Expr) -> exp.Expr:
    while isinstance(condition, exp.Not | exp.Paren | exp.Escape):
        condition = condition.this
    return condition


def _count_clauses(select: exp.Select) -> int:
    """Count what the official script calls component 1."""
    roots = _condition_roots(select)
    conditions = [_bare(condition) for root in roots for condition in _conditions(root)]
    return (
        sum(select.args.get(name) is not None for name in ("where", "group", "order", "limit"))
        + max(0, len(_sources(select)) - 1)
        + sum(_count_ors(root) for root in roots)
        + sum(isinstance(condition, exp.Like | exp.ILike) for condition in conditions)
    )


def _count_nested(select: exp.Select) -> int:
    """Count queries on the right-hand side of conditions, and a set operation (component 2)."""
    conditions = [_bare(condition) for root in _condition_roots(select) for condition in _conditions(root)]
    return sum(_nested_in(condition) for condition in conditions) + _is_combined(select)


def _nested_in(condition: exp.Expr) -> int:
    operands = [condition.args.get(name) for name in ("expression", "query", "low", "high")]
    if isinstance(condition, exp.Exists):
        operands.append(condition.this)
    return sum(isinstance(operand, exp.Query) for operand in operands)


def _count_others(select: exp.Select) -> int:
    """Count what there is more than one of: aggregates, columns, conditions in WHERE, columns in GROUP BY."""
    group, order = select.args.get("group"), select.args.get("order")
    where, having = select.args.get("where"), select.args.get("having")
    conditions = list(_conditions(where.this)) if where else []
    grouped = group.expressions if group else []
    groups = list(_conditions(having.this)) if having else []
    # The script asks a condition for its aggregate by looking at its first field, which holds NOT; so do AND and OR
    # in HAVING, to it.
    accidents = sum(isinstance(part, exp.Not) or bool(part.args.get("negate")) for part in [*conditions, *groups])
    accidents += max(0, len(groups) - 1)
    aggregates = sum(_has_aggregate(part) for part in [*select.expressions, *grouped]) + accidents
    aggregates += sum(_count_aggregates(part) for part in (order.expressions if order else []))
    return (aggregates > 1) + (len(select.expressions) > 1) + (len(conditions) > 1) + (len(grouped) > 1)


def _count_aggregates(part: exp.Expr) -> int:
    return sum(isinstance(node, exp.AggFunc) for node in part.walk(prune=lambda node: isinstance(node, exp.Query)))


def _has_aggregate(part: exp.Expr) -> bool:
    return _count_aggregates(part) > 0
