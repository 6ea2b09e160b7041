"""A query's comparisons with literals, and values for a filling: ones that fulfil them, ones that just miss, others."""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final, NamedTuple, TypeAlias

from text2sql_lightning.text.sql_tokens import keywords

Literal: TypeAlias = int | float | str

LARGEST: Final = 2**53
"""Of numbers that rows are made around: up to here SQLite's two kinds of numbers are the same."""
_WORDS: Final = sorted(
    keywords(
        """Amber Birch Cedar Delta Ember Fjord Grove Harbor Iris Juniper Kestrel Lagoon Maple Nectar Onyx Prairie Quartz
        Raven Sierra Tundra Umber Violet Willow Xenon Yarrow Zephyr Basalt Coral Dune Falcon Granite Heron"""
    )
)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d+)?")
_DIGITS: Final = re.compile(r"\d+")


class Place(NamedTuple):
    """A column of a table as it appears in one SELECT: the SELECT's number, the table's alias, the column."""

    scope: int
    alias: str
    column: str


@dataclass(frozen=True)
class Condition:
    """A column compared with literals: by =, <>, <, <=, >, >=, like, glob, between, in, or `is` for IS NULL."""

    place: Place
    operator: str
    values: tuple[Literal, ...]
    negated: bool = False

    def holds(self, value: Literal | None) -> bool:
        """Whether a value fulfils the condition (NULL fulfils none but IS NULL)."""
        if self.operator == "is":
            return (value is None) != self.negated
        return value is not None and self._holds(value) != self.negated

    def _holds(self, value: Literal) -> bool:
        if self.operator in ("like", "glob"):
            return _is_like(str(value), str(self.values[0]))
        if self.operator == "between":
            return _compare(value, ">=", self.values[0]) and _compare(value, "<=", self.values[-1])
        if self.operator == "in":
            return any(_compare(value, "=", literal) for literal in self.values)
        return _compare(value, self.operator, self.values[0])


@cache
def _sqlite() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False)


def _is_like(text: str, pattern: str) -> bool:
    try:
        return bool(_sqlite().execute("SELECT ? LIKE ?", (text, pattern)).fetchone()[0])
    except (sqlite3.Error, UnicodeError):  # a pattern that is too long: the query will fail on any row
        return False


def _compare(value: Literal, operator: str, literal: Literal) -> bool:
    if isinstance(value, str) != isinstance(literal, str):
        value, literal = str(value), str(literal)
    less, equal = value < literal, value == literal  # type: ignore[operator]
    return {
        "=": equal, "<>": not equal, "<": less, "<=": less or equal, ">": not less and not equal, ">=": not less,
    }[operator]  # fmt: skip


@dataclass(frozen=True)
class PoolSpec:
    """What is known about the values of columns that are compared with each other.

    Attributes:
        numeric: Whether other values are numbers rather than words.
        narrow: Whether values should repeat often: keys and groups.
        conditions: The comparisons with literals.
    """

    numeric: bool
    narrow: bool
    conditions: tuple[Condition, ...]

    def draw(self, rng: Random) -> "Pool":
        """Return values for one filling."""
        wanted: list[Literal] = []
        near: list[Literal] = []
        for condition in self.conditions:
            for literal in condition.values:
                if condition.operator in ("like", "glob"):
                    wanted += [matching(str(literal), rng) for _ in range(2)]
                else:
                    wanted.append(literal)
            near += near_misses(condition, rng)
        others = self._others([*wanted, *near], rng)
        return Pool(_unique(wanted), _unique(near), _unique(others))

    def _others(self, known: Sequence[Literal], rng: Random) -> list[Literal]:
        if not self.numeric:
            return list(rng.sample(_WORDS, 9 if self.narrow else 24))
        size = 9 if self.narrow else 24
        numbers = [value for value in known if not isinstance(value, str)]
        if not numbers:
            return list(rng.sample(range(1, 12 if self.narrow else 200), size))
        low, high = clamp(min(numbers)), clamp(max(numbers))
        spread = max(20, (high - low) // 2)
        return list(rng.sample(range(low - spread if low < 0 else max(0, low - spread), high + spread + 5), size))


@dataclass(frozen=True)
class Pool:
    """The values of one filling: literals asked for, near misses, and others."""

    wanted: tuple[Literal, ...]
    near: tuple[Literal, ...]
    others: tuple[Literal, ...]

    def random(self, rng: Random) -> Literal:
        """Return any of the values, each kind about equally often."""
        kinds = [kind for kind in (self.wanted, self.near, self.others) if kind]
        return rng.choice(rng.choice(kinds))

    def extreme(self, rng: Random, *, above: bool) -> Literal:
        """Return a value larger, or smaller, than all others, rarely the same one twice."""
        values = [*self.wanted, *self.near, *self.others]
        numbers = [value for value in values if not isinstance(value, str)]
        if not numbers:
            return f"{'Zz' if above else 'Aa'} {rng.choice(_WORDS)} {rng.randint(1, 99)}"
        return clamp(max(numbers)) + rng.randint(2, 40) if above else clamp(min(numbers)) - rng.randint(1, 40)

    def fulfilling(self, conditions: Sequence[Condition]) -> list[Literal]:
        """Return the values that fulfil the most of the conditions."""
        values = _unique([*self.wanted, *self.near, *self.others])
        if not conditions:
            return list(self.others)
        fulfilled = [sum(condition.holds(value) for condition in conditions) for value in values]
        most = max(fulfilled)
        return [value for value, count in zip(values, fulfilled, strict=True) if count == most]


def near_misses(condition: Condition, rng: Random) -> list[Literal]:
    """Return values on the other side of a condition, as close to it as values of that kind come."""
    near: list[Literal] = []
    for literal in condition.values:
        if condition.operator in ("like", "glob"):
            bare = str(literal).strip("%*_?")
            word = rng.choice(_WORDS)
            near += [bare.swapcase() + "s", bare[:-1] or "x", f"{word} {bare}", f"{bare} {word}"]
        elif isinstance(literal, str):
            near += near_text(literal, rng)
        elif isinstance(literal, int):
            near += [literal - 1, literal + 1, literal + rng.randint(2, 9)]
        else:
            near += [literal - 0.5, literal + 0.5, literal + rng.randint(1, 9)]
    if condition.operator == "between" and len(condition.values) == 2:
        near += _between(*condition.values)
    return near


def edges(condition: Condition) -> list[Literal]:
    """Return the values that only just fulfil a comparison with a number; none for other conditions."""
    if condition.negated or not condition.values:
        return []
    low, high = condition.values[0], condition.values[-1]
    if condition.operator == "between":
        return [low, high]
    sign = {">": 1, ">=": 0, "<": -1, "<=": 0}.get(condition.operator)
    return [] if sign is None else [_moved(low, sign)]


def _moved(literal: Literal, by: int) -> Literal:
    """Return a number moved by a step of its last digit, a text as it is where it is none."""
    text = str(literal)
    if by == 0 or not _NUMBER.fullmatch(text):
        return literal
    decimals = len(text.partition(".")[2])
    moved = f"{float(text) + by * 10**-decimals:.{decimals}f}"
    return moved if isinstance(literal, str) else type(literal)(moved)


def near_text(text: str, rng: Random) -> list[Literal]:
    """Return texts that are nearly this one: another case, another number in it, one word more."""
    if _NUMBER.fullmatch(text):
        value = float(text)
        number = int(value) if value.is_integer() and "." not in text else value
        return [str(number - 1), str(number + 1), str(number + rng.randint(2, 9))]
    near: list[Literal] = [text.swapcase(), rng.choice((text.title(), text.lower(), text.upper()))]
    digits = list(_DIGITS.finditer(text))
    if digits:
        for step in (1, -1):
            run = rng.choice(digits)
            changed = str(max(0, int(run.group()[:15]) + step)).zfill(len(run.group()))
            near.append(text[: run.start()] + changed + text[run.end() :])
    near.append(f"{text} {rng.choice(_WORDS)}" if rng.random() < 0.5 else text[:-1])
    return [value for value in near if value != text]


def is_numeric_text(text: str) -> bool:
    """Whether a text is a number as SQLite would write it."""
    return _NUMBER.fullmatch(text) is not None


def matching(pattern: str, rng: Random) -> str:
    """Return a text that a LIKE or GLOB pattern matches."""
    text = ""
    for character in pattern:
        if character in "%*":
            text += rng.choice(("", rng.choice(_WORDS), " "))
        else:
            text += rng.choice("aeiou") if character in "_?" else character
    return text


def _between(low: Literal, high: Literal) -> list[Literal]:
    if isinstance(low, str) or isinstance(high, str) or high < low:
        return []
    return [low + (high - low) // 2, low + (high - low) // 3]


def _unique(values: Iterable[Literal]) -> tuple[Literal, ...]:
    return tuple(dict.fromkeys(values))


def clamp(value: float) -> int:
    """Return a number without its fraction, and no larger than SQLite stores and Python draws from."""
    return int(min(max(value, -LARGEST), LARGEST))
