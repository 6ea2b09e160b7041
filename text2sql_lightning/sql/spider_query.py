"""A query as Spider's rules see it: columns by table, no aliases, a flat list of conditions a clause."""

from typing import NamedTuple, TypeAlias


class ColumnUnit(NamedTuple):
    """A column, bare or inside one aggregate.

    Attributes:
        aggregate: "max", "min", "count", "sum", "avg"; "none" where there is none.
        column: "table.column" in lower case, or "*".
        distinct: Whether DISTINCT stands before the column.
    """

    aggregate: str
    column: str
    distinct: bool


class ValueUnit(NamedTuple):
    """One column, or two with an operator (`-`, `+`, `*`, `/`; "none" for one) between them."""

    operator: str
    left: ColumnUnit
    right: ColumnUnit | None


class Item(NamedTuple):
    """What one place of SELECT shows; `aggregate` is the one that encloses the whole unit."""

    aggregate: str
    unit: ValueUnit


class Condition(NamedTuple):
    """A comparison; `upper` is the second bound of BETWEEN."""

    negated: bool
    operator: str
    left: ValueUnit
    value: "Value"
    upper: "Value"


class Ordering(NamedTuple):
    """An ORDER BY: all its units, and the direction that is named last."""

    direction: str
    units: tuple[ValueUnit, ...]


class Query(NamedTuple):
    """A SELECT, and the query that UNION, INTERSECT or EXCEPT puts behind it.

    Attributes:
        distinct: Whether it is a SELECT DISTINCT.
        select: What it shows, in order.
        sources: Tables by name (lower case), and nested queries, in the order of FROM.
        joins: The conditions of all ON clauses.
        where: The conditions of WHERE.
        group: The units of GROUP BY.
        having: The conditions of HAVING.
        order: Its ORDER BY, or None.
        limited: Whether there is a LIMIT; which one is never looked at.
        set_operator: "union", "intersect", "except", or empty.
        other: The query behind the set operator.
    """

    distinct: bool
    select: tuple[Item, ...]
    sources: tuple["str | Query", ...]
    joins: "Conditions"
    where: "Conditions"
    group: tuple[ColumnUnit, ...]
    having: "Conditions"
    order: Ordering | None
    limited: bool
    set_operator: str
    other: "Query | None"

    @property
    def conditions(self) -> "Conditions":
        """The conditions of ON, WHERE and HAVING, without what joins them."""
        return self.joins[::2] + self.where[::2] + self.having[::2]

    @property
    def connectives(self) -> "Conditions":
        """The ANDs and ORs of ON, WHERE and HAVING."""
        return self.joins[1::2] + self.where[1::2] + self.having[1::2]


Value: TypeAlias = "Query | ColumnUnit | str | float | None"
"""The right-hand side of a condition; a string keeps its quotes."""

Conditions: TypeAlias = tuple[Condition | str, ...]
"""Conditions and, between them, "and" or "or"; brackets are not kept, as Spider's grammar has none there.

Broken SQL can leave out a connective: then a condition stands in an odd place. The rules go by place.
"""
