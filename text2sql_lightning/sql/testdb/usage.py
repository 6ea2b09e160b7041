"""How a query uses its tables: which columns it compares with what, joins, groups, sums and sorts."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import sqlglot
from sqlglot import exp

from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.sql.testdb.values import LARGEST, Condition, Literal, Place, clamp

_COMPARISONS: Final[dict[type[exp.Expr], str]] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.GT: ">", exp.GTE: ">=", exp.LT: "<", exp.LTE: "<=",
    exp.Like: "like", exp.ILike: "like", exp.Glob: "glob", exp.Between: "between", exp.In: "in", exp.Is: "is",
}  # fmt: skip
_ARITHMETIC: Final[tuple[type[exp.Expr], ...]] = (
    exp.Sum, exp.Avg, exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod, exp.BitwiseAnd, exp.BitwiseOr,
)  # fmt: skip
_MIRRORED: Final = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
_NEGATED: Final = {"=": "<>", "<>": "=", ">": "<=", ">=": "<", "<": ">=", "<=": ">"}


@dataclass
class Usage:
    """What a query says about its columns.

    Attributes:
        instances: The table (lower case) of each (scope, alias).
        conditions: Comparisons with literals.
        links: Pairs of places that must hold the same value for a row to come out.
        compared: Other pairs of places that are compared, or are in the same column of a result.
        shown: Places in the result outside aggregates.
        groups: Places in GROUP BY.
        sorted: Places in ORDER BY.
        numeric: Places that are summed, averaged, calculated with or compared with a number.
        counted: Places in COUNT, where a NULL would not count.
        highest: Places whose largest value is asked for: in MAX, or sorted by, downwards.
        lowest: Places whose smallest value is asked for: in MIN, or sorted by, upwards.
        counts: Numbers that COUNT is compared with.
        limit: The largest LIMIT, 0 without one.
    """

    instances: dict[tuple[int, str], str] = field(default_factory=dict)
    conditions: list[Condition] = field(default_factory=list)
    links: list[tuple[Place, Place]] = field(default_factory=list)
    compared: list[tuple[Place, Place]] = field(default_factory=list)
    shown: set[Place] = field(default_factory=set)
    groups: set[Place] = field(default_factory=set)
    sorted: set[Place] = field(default_factory=set)
    numeric: set[Place] = field(default_factory=set)
    counted: set[Place] = field(default_factory=set)
    highest: set[Place] = field(default_factory=set)
    lowest: set[Place] = field(default_factory=set)
    counts: list[int] = field(default_factory=list)
    limit: int = 0

    def column_of(self, place: Place) -> tuple[str, str]:
        """Return the table and the column of a place, in lower case."""
        return self.instances[place[:2]], place.column


def read_usage(sql: str, schema: Schema) -> Usage:
    """Return how a query uses a schema's columns; nothing where the query cannot be parsed."""
    try:
        tree = sqlglot.parse_one(sql, read="sqlite")
        reader = _Reader(tree, schema)
        reader.read()
    except (sqlglot.errors.SqlglotError, RecursionError, ValueError):
        return Usage()
    return reader.usage


def _own(expression: exp.Expr) -> Iterator[exp.Expr]:
    """Yield an expression's parts without those of the queries inside it; such a query itself is yielded."""
    stack = [expression]
    while stack:
        part = stack.pop()
        yield part
        if part is expression or not isinstance(part, exp.Query):
            stack.extend(part.iter_expressions())


class _Reader:
    """Collects the usage of a query's columns, SELECT by SELECT."""

    def __init__(self, tree: exp.Expr, schema: Schema) -> None:
        self.usage = Usage()
        self._tree = tree
        self._selects = list(tree.find_all(exp.Select))
        self._numbers = {id(select): number for number, select in enumerate(self._selects)}
        self._columns = {t.name.lower(): {c.name.lower() for c in t.columns} for t in schema.tables}
        self._derived: dict[tuple[int, str], exp.Select] = {}
        self._calculations: tuple[tuple[tuple[type[exp.Expr], ...], set[Place]], ...] = (
            (_ARITHMETIC, self.usage.numeric),
            ((exp.Count,), self.usage.counted),
            ((exp.Max,), self.usage.highest),
            ((exp.Min,), self.usage.lowest),
        )

    def read(self) -> None:
        for number, select in enumerate(self._selects):
            self._read_sources(number, select)
        for number, select in enumerate(self._selects):
            self._read_select(number, select)
        for operation in self._tree.find_all(exp.SetOperation):
            left, right = self._projections(operation.this), self._projections(operation.expression)
            pairs = [(a, b) for a, b in zip(left, right, strict=False) if a and b]
            (self.usage.links if isinstance(operation, exp.Intersect) else self.usage.compared).extend(pairs)

    def _read_sources(self, number: int, select: exp.Select) -> None:
        joins = [join.this for join in select.args.get("joins") or []]
        source = select.args.get("from_")
        for table in ([source.this] if source else []) + joins:
            alias = table.alias_or_name.lower()
            if isinstance(table, exp.Table) and table.name.lower() in self._columns:
                self.usage.instances[number, alias] = table.name.lower()
            elif isinstance(table, exp.Subquery) and (inner := table.find(exp.Select)):
                self._derived[number, alias] = inner

    def _read_select(self, number: int, select: exp.Select) -> None:
        for part in _own(select):
            kind = _COMPARISONS.get(type(part))
            if kind:
                self._read_comparison(number, part, kind)
            else:
                self._read_calculation(number, part)
        for projection in select.expressions:
            if not any(isinstance(part, exp.AggFunc) for part in _own(projection)):
                self.usage.shown.update(self._places(number, projection))
        group, order, limit = (select.args.get(name) for name in ("group", "order", "limit"))
        if group:
            self.usage.groups.update(self._places(number, group))
        if order:
            self.usage.sorted.update(self._places(number, order))
        if limit and isinstance(limit.expression, exp.Literal) and limit.expression.is_int:
            self.usage.limit = max(self.usage.limit, clamp(_number(limit.expression.this)))

    def _read_calculation(self, number: int, part: exp.Expr) -> None:
        for kinds, places in self._calculations:
            if isinstance(part, kinds):
                places.update(self._places(number, part))
        if isinstance(part, exp.Ordered):
            (self.usage.highest if part.args.get("desc") else self.usage.lowest).update(self._places(number, part))

    def _read_comparison(self, number: int, part: exp.Expr, kind: str) -> None:
        left = part.this
        others = [part.args[name] for name in ("expression", "low", "high") if part.args.get(name) is not None]
        others += part.args.get("expressions") or []
        literals = [self._literal(number, other) for other in others]
        if kind in _MIRRORED | {"=": "", "<>": ""} and literals == [None] and self._literal(number, left) is not None:
            left, others, literals = others[0], [left], [self._literal(number, left)]
            kind = _MIRRORED.get(kind, kind)
        negated = self._is_negated(part)
        if isinstance(left, exp.Count) or (isinstance(left, exp.Paren) and isinstance(left.this, exp.Count)):
            self.usage.counts += [clamp(x) for x in literals if isinstance(x, int | float)]
            return
        place = next(iter(self._places(number, left)), None)
        if place is None:
            return
        found = tuple(literal for literal in literals if literal is not None)
        if found or (kind == "is" and isinstance(others[0], exp.Null)):
            self._add_condition(Condition(place, kind, found, negated))
        inner = part.args.get("query") or next((other for other in others if isinstance(other, exp.Query)), None)
        if inner is not None:
            for other in self._projections(inner)[:1]:
                if other:
                    (self.usage.links if kind == "in" and not negated else self.usage.compared).append((place, other))
        elif not found:
            self._relate(number, place, others, equal=kind == "=" and not negated)

    def _add_condition(self, condition: Condition) -> None:
        if condition.negated and condition.operator in _NEGATED:
            condition = Condition(condition.place, _NEGATED[condition.operator], condition.values)
        if condition.operator == "is" and condition.values:
            condition = Condition(condition.place, "<>" if condition.negated else "=", condition.values)
        self.usage.conditions.append(condition)
        if any(not isinstance(value, str) for value in condition.values):
            self.usage.numeric.add(condition.place)

    def _relate(self, number: int, place: Place, others: list[exp.Expr], *, equal: bool) -> None:
        for other in others:
            for partner in self._places(number, other):
                plain = isinstance(other.unnest(), exp.Column)
                (self.usage.links if equal and plain else self.usage.compared).append((place, partner))

    def _is_negated(self, part: exp.Expr) -> bool:
        negated, parent = bool(part.args.get("negate")), part.parent  # NOT LIKE is a field, other NOTs are nodes
        while parent is not None and not isinstance(parent, exp.Select | exp.Where | exp.Join | exp.Having):
            negated ^= isinstance(parent, exp.Not)
            parent = parent.parent
        return negated

    def _literal(self, number: int, part: exp.Expr) -> Literal | None:
        """Return a literal's value; text in double quotes is a literal where no column has that name."""
        part = part.unnest()
        if isinstance(part, exp.Neg):
            value = self._literal(number, part.this)
            return -value if isinstance(value, int | float) else None
        if isinstance(part, exp.Literal):
            return part.this if part.is_string else _number(part.this)
        if isinstance(part, exp.Column) and not part.table and part.this.args.get("quoted"):
            return part.name if self._place(number, part) is None else None
        return None

    def _places(self, number: int, part: exp.Expr) -> list[Place]:
        columns = [column for column in _own(part) if isinstance(column, exp.Column)]
        return [place for column in columns if (place := self._place(number, column))]

    def _place(self, number: int, column: exp.Column) -> Place | None:
        """Return where a column belongs: in its own SELECT, or in one around it."""
        name, alias = column.name.lower(), column.table.lower()
        scope: int | None = number
        while scope is not None:
            for (owner, instance), table in self.usage.instances.items():
                if owner == scope and alias in ("", instance) and name in self._columns[table]:
                    return Place(scope, instance, name)
            for (owner, instance), inner in self._derived.items():
                if owner == scope and alias in ("", instance) and (place := self._projected(inner, name)):
                    return place
            outer = self._selects[scope].parent_select
            scope = self._numbers.get(id(outer)) if outer is not None else None
        return None

    def _projected(self, select: exp.Select, name: str) -> Place | None:
        number = self._numbers[id(select)]
        for projection in select.expressions:
            if projection.alias_or_name.lower() == name:
                return next(iter(self._places(number, projection)), None)
        return None

    def _projections(self, query: exp.Expr) -> list[Place | None]:
        select = query if isinstance(query, exp.Select) else query.find(exp.Select)
        if select is None:
            return []
        number = self._numbers[id(select)]
        return [next(iter(self._places(number, projection)), None) for projection in select.expressions]


def _number(text: str) -> int | float:
    try:
        value = float(text) if not text.lower().startswith("0x") else float(int(text, 16))
    except OverflowError:  # a hexadecimal number of 1,024 bits and more
        value = float("inf")
    return int(value) if value.is_integer() and abs(value) < LARGEST else value
