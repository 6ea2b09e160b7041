"""A condition on one column: its SQL, the ways in which English says the same, and how it fits around a noun."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from sample.database import Value
from sample.english import article, listing
from sample.schema import Column


@dataclass(frozen=True)
class Condition:
    """A condition and its wordings; each wording is complete by itself.

    Attributes:
        sql: The condition with `{}` where the column's name stands.
        column: The column.
        whose: Wordings behind "whose" ("price is above 20").
        having: Wordings behind "with" ("a price above 20").
        behind: Wordings that follow the noun directly ("in the city Rome").
        before: Wordings that precede the noun ("sold").
    """

    sql: str
    column: Column
    whose: tuple[str, ...] = ()
    having: tuple[str, ...] = ()
    behind: tuple[str, ...] = ()
    before: tuple[str, ...] = ()

    def on(self, alias: str = "") -> str:
        """Return the SQL, for a table alias where one is given."""
        return self.sql.replace("{}", f"{alias}.{self.column.name}" if alias else self.column.name)

    def tails(self) -> list[str]:
        """Return the general wordings behind a noun: with "whose" and with "with"."""
        return [f"whose {word}" for word in self.whose] + [f"with {word}" for word in self.having]


def quote(value: Value) -> str:
    """A value as an SQL literal."""
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return str(value)


def noun_phrase(rng: Random, noun: str, conditions: Sequence[Condition] = (), joiner: str = "and") -> str:
    """The noun with at most two conditions around it, in one of the ways that fit together.

    Args:
        rng: Chooses the wording.
        noun: The noun, in the number that is wanted.
        conditions: At most two conditions.
        joiner: "and" or "or".
    """
    if not conditions:
        return noun
    if len(conditions) == 1:
        return rng.choice(_single(noun, conditions[0]))
    pair = _either if joiner == "or" else _both
    return rng.choice(pair(noun, *conditions))


def _single(noun: str, condition: Condition) -> list[str]:
    natural = [f"{word} {noun}" for word in condition.before] + [f"{noun} {word}" for word in condition.behind]
    plain = [f"{noun} {tail}" for tail in condition.tails()]
    return plain + natural


def _both(noun: str, one: Condition, two: Condition) -> list[str]:
    pairs = [f"{noun} whose {a} and whose {b}" for a in one.whose for b in two.whose]
    pairs += [f"{noun} with {a} and {b}" for a in one.having for b in two.having]
    pairs += [f"{noun} {a} and {b}" for a in one.behind for b in two.behind]
    pairs += [f"{noun} {a} {b}" for a in one.behind for b in two.tails()]
    pairs += [f"{a} {noun} {b}" for a in one.before for b in (*two.behind, *two.tails())]
    pairs += [f"{b} {noun} {a}" for b in two.before for a in (*one.behind, *one.tails())]
    # A flag that is not set has wordings behind the noun only, and those must touch it.
    return pairs or [f"{noun} {b} {a}" for a in one.tails() for b in two.behind]


def _either(noun: str, one: Condition, two: Condition) -> list[str]:
    pairs = [f"{noun} whose {a} or whose {b}" for a in one.whose for b in two.whose]
    pairs += [f"{noun} with {a} or {b}" for a in one.having for b in two.having]
    pairs += [f"{noun} {a} or {b}" for a in one.behind for b in two.behind]
    return pairs


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
    """Return the value at a step that people would name: 1,237 becomes 1,200 where the range is wide."""
    width = float(column.high) - float(column.low)
    for step in (10000, 1000, 500, 100, 50, 10, 5, 1):
        if width / step >= 12:
            return round(value / step) * step
    return whole(round(value, 1)) if column.digits else int(value)


def whole(value: float) -> int | float:
    """Return the number, as an integer where it is one: 5 and not 5.0."""
    return int(value) if value == int(value) else value


def equals(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column is one of the values that occur; every wording names the column."""
    value, phrase = rng.choice(values), column.phrase
    return Condition(
        f"{{}} = {quote(value)}",
        column,
        whose=(f"{phrase} is {value}",),
        having=() if column.at else (f"the {phrase} {value}",),
        behind=(f"{column.at} the {phrase} {value}",) if column.at else (),
    )


def differs(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column is not one of the values that occur."""
    value = rng.choice(values)
    return Condition(
        f"{{}} != {quote(value)}",
        column,
        whose=(f"{column.phrase} is not {value}",),
        having=(f"{article(column.phrase)} other than {value}",),
    )


def one_of(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column is one of two values."""
    pool = sorted({str(value) for value in values})
    chosen = rng.sample(pool, min(len(pool), 2))
    either, phrase = listing(chosen, "or"), column.phrase
    return Condition(
        f"{{}} IN ({', '.join(map(quote, chosen))})",
        column,
        whose=(f"{phrase} is {either}", f"{phrase} is either {either}"),
        having=() if column.at else (f"the {phrase} {either}",),
        behind=(f"{column.at} the {phrase} {either}",) if column.at else (),
    )


def like(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column's text starts with, ends with or contains something."""
    words = str(rng.choice(values)).split()
    way = rng.choice(("starts", "contains", "ends")) if len(words) > 1 else "starts"
    if way == "starts":
        return _like(column, words[0][0], "{}%", "starts with the letter", "starting with the letter")
    if way == "ends":
        return _like(column, words[-1], "%{}", "ends with", "ending with")
    return _like(column, rng.choice(words), "%{}%", "contains", "containing")


def _like(column: Column, part: str, pattern: str, verb: str, participle: str) -> Condition:
    return Condition(
        f"{{}} LIKE {quote(pattern.format(part))}",
        column,
        whose=(f"{column.phrase} {verb} {part}",),
        having=(f"{article(column.phrase)} {participle} {part}",),
    )


def missing(rng: Random, column: Column) -> Condition:
    """The column has no value, or (half of the time) has one."""
    phrase = column.phrase
    if rng.random() < 0.5:
        return Condition("{} IS NULL", column, whose=(f"{phrase} is missing",), having=(f"no {phrase}",))
    return Condition(
        "{} IS NOT NULL", column, whose=(f"{phrase} is not missing",), having=(article(f"known {phrase}"),)
    )


def flagged(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The flag is set, or is not."""
    value = rng.choice(values)
    if value:
        return Condition("{} = 1", column, before=(column.phrase,))
    return Condition("{} = 0", column, behind=(f"marked as not {column.phrase}",))
