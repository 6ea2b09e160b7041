"""Conditions on numbers, years and days: comparisons and ranges."""

from collections.abc import Sequence
from random import Random
from typing import Final

from text2sql_lightning.sample.conditions import Condition, articled, quote, with_unit
from text2sql_lightning.sample.database import Value
from text2sql_lightning.sample.domain import Column

_COMPARISONS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    ">": (
        ("is greater than {}", "is above {}", "is more than {}", "is over {}", "exceeds {}", "is higher than {}"),
        ("above {}", "of more than {}", "greater than {}", "over {}", "higher than {}"),
    ),
    "<": (
        ("is less than {}", "is below {}", "is under {}", "is lower than {}", "is smaller than {}"),
        ("below {}", "of less than {}", "under {}", "lower than {}"),
    ),
    ">=": (("is at least {}", "is {} or more"), ("of at least {}", "of {} or more")),
    "<=": (("is at most {}", "is {} or less"), ("of at most {}", "of {} or less")),
    "=": (("is {}", "is exactly {}", "equals {}"), ("of {}", "of exactly {}")),
}
"""Operator -> wordings behind the phrase in a "whose" and in a "with"."""

_COUNTS: Final[dict[str, tuple[str, ...]]] = {
    ">": ("more than {} {}", "over {} {}"),
    "<": ("fewer than {} {}", "under {} {}"),
    ">=": ("at least {} {}", "{} or more {}"),
    "<=": ("at most {} {}", "no more than {} {}"),
    "=": ("exactly {} {}",),
}

_TIMES: Final[dict[str, tuple[str, str, str]]] = {
    ">": ("after {}", "is after {}", "after {}"),
    "<": ("before {}", "is before {}", "before {}"),
    ">=": ("in {} or later", "is {} or later", "of {} or later"),
    "<=": ("in {} or earlier", "is {} or earlier", "of {} or earlier"),
    "=": ("in {}", "is {}", "of {}"),
}
"""Operator -> wordings behind a participle, in a "whose" and in a "with"."""


def number_condition(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The number is above, below or equal to a value from the middle of those that occur."""
    value = rounded(column, float(str(_middle(rng, column, values))))
    way = rng.choice((">", ">", ">", "<", "<", "<", ">=", "<=", "="))
    if way == "=" and (column.digits or float(column.high) - float(column.low) > 60):
        way = rng.choice(("<", ">"))
    sql = f"{{}} {way} {value}"
    whose, having = _COMPARISONS[way]
    if column.counted:
        counts = _COUNTS[way] if value not in (0, 1) else ()
        return Condition(
            sql,
            column,
            whose=tuple(f"{column.phrase} {words.format(value)}" for words in whose[:2]),
            having=tuple(words.format(value, column.counted) for words in counts),
        )
    shown, own = with_unit(rng, column, value), {">": column.over, "<": column.under}.get(way, "")
    return Condition(
        sql,
        column,
        whose=tuple(f"{column.phrase} {words.format(shown)}" for words in whose),
        having=tuple(f"{articled(column)} {words.format(shown)}" for words in having),
        # A wording with its own unit, like "lasting more than {} days", must not get a second one.
        behind=(own.format(value if " days" in own else shown),) if own else (),
    )


def year_condition(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The year is after, before or equal to one that occurs."""
    return _timed(column, rng.choice((">", ">", "<", "<", ">=", "<=", "=")), _middle(rng, column, values))


def date_condition(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The day is after or before one that occurs."""
    return _timed(column, rng.choice((">", "<")), _middle(rng, column, values))


def _timed(column: Column, way: str, value: Value) -> Condition:
    behind, whose, having = (words.format(value) for words in _TIMES[way])
    return Condition(
        f"{{}} {way} {quote(value)}",
        column,
        whose=(f"{column.phrase} {whose}",),
        having=(f"{articled(column)} {having}",),
        behind=(f"{column.verb} {behind}",) if column.verb else (),
    )


def in_year(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The day lies in one year."""
    value = str(rng.choice(values))[:4]
    phrase = column.phrase
    return Condition(
        f"strftime('%Y', {{}}) = '{value}'",
        column,
        whose=(f"{phrase} is in {value}", f"{phrase} falls in {value}", f"{phrase} is in the year {value}"),
        having=(f"{articled(column)} in {value}",),
        behind=(f"{column.verb} in {value}", f"{column.verb} in the year {value}") if column.verb else (),
    )


def between(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column lies between two values, both included."""
    low, high = _span(rng, column, values)
    shown = with_unit(rng, column, high)
    span, sql = f"between {low} and {shown}", f"{{}} BETWEEN {quote(low)} AND {quote(high)}"
    whose = (f"{column.phrase} is {span}", f"{column.phrase} lies {span}")
    if column.counted:
        return Condition(sql, column, whose=whose[:1], having=(f"{span} {column.counted}",))
    ranges = (span, f"from {low} to {shown}") if column.kind == "number" else (span,)
    return Condition(
        sql,
        column,
        whose=whose,
        having=tuple(f"{articled(column)} {words}" for words in ranges),
        behind=(f"{column.verb} {span}",) if column.verb else (),
    )


def _span(rng: Random, column: Column, values: Sequence[Value]) -> tuple[Value, Value]:
    ordered = _ordered(column, values)
    size = len(ordered)
    low = ordered[rng.randrange(size // 8, size // 2)]
    high = ordered[rng.randrange(size // 2, size - size // 8)]
    if column.kind == "number":
        low, high = rounded(column, float(str(low))), rounded(column, float(str(high)))
    return low, high if high != low else ordered[-1]


def _middle(rng: Random, column: Column, values: Sequence[Value]) -> Value:
    ordered = _ordered(column, values)
    return ordered[rng.randrange(len(ordered) // 8, len(ordered) - len(ordered) // 8)]


def _ordered(column: Column, values: Sequence[Value]) -> list[Value]:
    if column.kind == "date":
        return sorted(values, key=str)
    return sorted(values, key=lambda value: float(str(value)))


def rounded(column: Column, value: float) -> int | float:
    """The value at a step that people would name: 1,237 becomes 1,200 where the range is wide."""
    width = float(column.high) - float(column.low)
    for step in (10000, 1000, 500, 100, 50, 10, 5, 1):
        if width / step >= 12:
            return round(value / step) * step
    return whole(round(value, 1)) if column.digits else int(value)


def whole(value: float) -> int | float:
    """The number, as an integer where it is one: 5 and not 5.0."""
    return int(value) if value == int(value) else value
