"""Conditions on numbers, years and days: comparisons and ranges."""

from collections.abc import Sequence
from random import Random
from typing import Final

from text2sql_lightning.sample.conditions import Condition, quote
from text2sql_lightning.sample.database import Value
from text2sql_lightning.sample.domain import Column
from text2sql_lightning.sample.english import article

_COMPARISONS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    ">": (("is greater than {}", "is above {}"), ("above {}", "greater than {}")),
    "<": (("is less than {}", "is below {}"), ("below {}", "less than {}")),
    ">=": (("is at least {}",), ("of at least {}",)),
    "<=": (("is at most {}",), ("of at most {}",)),
    "=": (("is {}",), ("of {}",)),
}
"""Operator -> wordings behind the phrase in a "whose" and in a "with"."""

_COUNTS: Final[dict[str, str]] = {
    ">": "more than {} {}",
    "<": "fewer than {} {}",
    ">=": "at least {} {}",
    "<=": "at most {} {}",
    "=": "exactly {} {}",
}

_TIMES: Final[dict[str, str]] = {
    ">": "after {}",
    "<": "before {}",
    ">=": "{} or later",
    "<=": "{} or earlier",
    "=": "{}",
}


def number_condition(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The number is above, below or equal to a value from the middle of those that occur."""
    value = rounded(column, float(str(_middle(rng, column, values))))
    way = rng.choice((">", ">", ">", ">", "<", "<", "<", "<", ">=", "<=", "="))
    if way == "=" and (column.digits or float(column.high) - float(column.low) > 60):
        way = rng.choice(("<", ">"))
    whose, having = _COMPARISONS[way]
    if column.counted:
        having = (_COUNTS[way].format(value, column.counted),) if value not in (0, 1) else ()
    else:
        having = tuple(f"{article(column.phrase)} {words.format(value)}" for words in having)
    return Condition(
        f"{{}} {way} {value}",
        column,
        whose=tuple(f"{column.phrase} {words.format(value)}" for words in whose),
        having=having,
    )


def year_condition(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The year is after, before or equal to one that occurs."""
    return _timed(column, rng.choice((">", ">", "<", "<", ">=", "=")), _middle(rng, column, values))


def date_condition(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The day is after or before one that occurs."""
    return _timed(column, rng.choice((">", "<")), _middle(rng, column, values))


def _timed(column: Column, way: str, value: Value) -> Condition:
    words, phrase = _TIMES[way].format(value), column.phrase
    having = f"the {phrase} {words}" if way == "=" else f"{article(phrase)} {'of ' if '=' in way else ''}{words}"
    return Condition(f"{{}} {way} {quote(value)}", column, whose=(f"{phrase} is {words}",), having=(having,))


def in_year(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The day lies in one year."""
    value = str(rng.choice(values))[:4]
    return Condition(
        f"strftime('%Y', {{}}) = '{value}'",
        column,
        whose=(f"{column.phrase} is in the year {value}",),
        having=(f"{article(column.phrase)} in the year {value}",),
    )


def between(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column lies between two values, both included."""
    low, high = _span(rng, column, values)
    span = f"between {low} and {high}"
    return Condition(
        f"{{}} BETWEEN {quote(low)} AND {quote(high)}",
        column,
        whose=(f"{column.phrase} is {span}",),
        having=(f"{span} {column.counted}" if column.counted else f"{article(column.phrase)} {span}",),
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
