"""Queries one mistake away from gold, on sqlglot's tree: independent of `text2sql_lightning.sql.testdb.mutants`.

Five kinds: `literal`, `operator`, `aggregate`, `column`, `condition` (a condition that is left out).
"""

from collections.abc import Callable, Iterator
from random import Random
from typing import TypeAlias

import sqlglot
from sqlglot import exp

KINDS = ("literal", "operator", "aggregate", "column", "condition")

# A change: the node, and what stands in its place (None removes it).
Change: TypeAlias = tuple[exp.Expression, exp.Expression | None]

_SWAPS: dict[type[exp.Expression], tuple[type[exp.Expression], ...]] = {
    exp.EQ: (exp.NEQ, exp.GT, exp.LTE),
    exp.NEQ: (exp.EQ,),
    exp.GT: (exp.GTE, exp.LT, exp.EQ),
    exp.GTE: (exp.GT, exp.LTE),
    exp.LT: (exp.LTE, exp.GT, exp.EQ),
    exp.LTE: (exp.LT, exp.GTE),
    exp.And: (exp.Or,),
    exp.Or: (exp.And,),
    exp.Like: (exp.EQ,),
    exp.Add: (exp.Sub,),
    exp.Sub: (exp.Add,),
    exp.Mul: (exp.Div,),
    exp.Div: (exp.Mul,),
    exp.Union: (exp.Intersect, exp.Except),
    exp.Intersect: (exp.Union, exp.Except),
    exp.Except: (exp.Union, exp.Intersect),
}
_AGGREGATES = (exp.Max, exp.Min, exp.Sum, exp.Avg, exp.Count)


def tree_mutants(sql: str, columns: dict[str, list[str]], kind: str, rng: Random) -> list[str]:
    """Return all mutants of one kind, in random order.

    Args:
        sql: The query.
        columns: For each table (lower case) its columns.
        kind: One of `KINDS`.
        rng: Decides new values and the order.
    """
    try:
        tree = sqlglot.parse_one(sql, read="sqlite")
    except (sqlglot.errors.SqlglotError, RecursionError):
        return []
    known = {name.lower() for names in columns.values() for name in names}
    makers: dict[str, Callable[[], Iterator[Change]]] = {
        "literal": lambda: _literals(tree, known, rng),
        "operator": lambda: _operators(tree),
        "aggregate": lambda: _aggregates(tree),
        "column": lambda: _columns(tree, columns, rng),
        "condition": lambda: _conditions(tree),
    }
    original = tree.sql(dialect="sqlite")
    mutants = []
    for node, new in list(makers[kind]()):
        changed = _apply(tree, node, new)
        if changed is not None and changed != original:
            mutants.append(changed)
    rng.shuffle(mutants)
    return list(dict.fromkeys(mutants))


def _apply(tree: exp.Expression, node: exp.Expression, new: exp.Expression | None) -> str | None:
    """Return the SQL with one node changed; the tree stays as it is."""
    path = []
    at = node
    while at is not tree:
        if at.parent is None:
            return None
        path.append((at.arg_key, at.index))
        at = at.parent
    copy = tree.copy()
    target = copy
    for key, index in reversed(path):
        value = target.args[key]
        target = value if index is None else value[index]
    if target is copy:
        return None if new is None else new.sql(dialect="sqlite")
    if new is None:
        target.pop()
    else:
        target.replace(new.copy())
    return copy.sql(dialect="sqlite")


def _literals(tree: exp.Expression, known: set[str], rng: Random) -> Iterator[Change]:
    for literal in tree.find_all(exp.Literal):
        if literal.is_string:
            for text in _other_texts(literal.this, rng):
                yield literal, exp.Literal.string(text)
        elif isinstance(literal.parent, exp.Limit):
            yield literal, exp.Literal.number(int(literal.this) + rng.choice((1, 2)))
        else:
            value = float(literal.this)
            for other in (value + 1, value - 1, value * 10, value + rng.choice((0.5, 3, 17))):
                yield literal, exp.Literal.number(int(other) if other.is_integer() else other)
    for column in tree.find_all(exp.Column):  # "text" in double quotes
        if column.this.args.get("quoted") and not column.table and column.name.lower() not in known:
            for text in _other_texts(column.name, rng):
                yield column, exp.Literal.string(text)


def _other_texts(text: str, rng: Random) -> Iterator[str]:
    yield text.swapcase()
    yield text[:-1]
    yield text + rng.choice("aeiou")
    yield rng.choice(("Paris", "green", "2001", "x"))
    digits = [i for i, character in enumerate(text) if character.isdigit()]
    if digits:
        at = rng.choice(digits)
        yield text[:at] + str((int(text[at]) + 1) % 10 if text[at].isascii() else 1) + text[at + 1 :]
    if len(text) > 3:
        at = rng.randrange(len(text) - 1)
        yield text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _operators(tree: exp.Expression) -> Iterator[Change]:
    for node in tree.walk():
        for new in _SWAPS.get(type(node), ()):
            yield node, new(**{key: _copied(value) for key, value in node.args.items()})
        if isinstance(node, exp.Ordered):
            yield node, exp.Ordered(this=node.this.copy(), desc=not node.args.get("desc"))
        elif isinstance(node, exp.In | exp.Like | exp.Between | exp.Is) and not isinstance(node.parent, exp.Not):
            yield node, exp.Not(this=exp.Paren(this=node.copy()))
        elif isinstance(node, exp.Not):
            yield node, node.this.copy()
        elif isinstance(node, exp.Between):
            yield node, exp.GTE(this=node.this.copy(), expression=node.args["low"].copy())


def _copied(value: object) -> object:
    return value.copy() if isinstance(value, exp.Expression) else value


def _aggregates(tree: exp.Expression) -> Iterator[Change]:
    for node in tree.find_all(*_AGGREGATES):
        inside = node.this
        star = isinstance(inside, exp.Star)
        distinct = isinstance(inside, exp.Distinct)
        if star or inside is None:
            continue
        bare = inside.expressions[0] if distinct else inside
        for other in _AGGREGATES:
            if not isinstance(node, other):
                yield node, other(this=bare.copy())
        if isinstance(node, exp.Count | exp.Sum | exp.Avg):
            yield node, type(node)(this=bare.copy() if distinct else exp.Distinct(expressions=[bare.copy()]))
        yield node, bare.copy()
    for select in tree.find_all(exp.Select):
        for projection in select.expressions:
            if isinstance(projection, exp.Column):
                yield projection, exp.Max(this=projection.copy())
                yield projection, exp.Count(this=projection.copy())
        changed = select.copy()
        changed.set("distinct", None if select.args.get("distinct") else exp.Distinct())
        yield select, changed


def _columns(tree: exp.Expression, columns: dict[str, list[str]], rng: Random) -> Iterator[Change]:
    for column in tree.find_all(exp.Column):
        name = column.name.lower()
        others = {
            other
            for names in columns.values()
            if name in map(str.lower, names)
            for other in names
            if other.lower() != name
        }
        for other in rng.sample(sorted(others), min(3, len(others))):
            table = column.args.get("table")
            yield column, exp.Column(this=exp.to_identifier(other, quoted=True), table=table.copy() if table else None)


def _conditions(tree: exp.Expression) -> Iterator[Change]:
    for node in tree.find_all(exp.And, exp.Or):
        yield node, node.this.copy()
        yield node, node.expression.copy()
    for node in tree.find_all(exp.Where, exp.Having):
        yield node, None
