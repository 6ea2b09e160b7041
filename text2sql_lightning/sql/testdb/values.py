"""Values for a filling: a query's literals, values that nearly are them, and others of their kind."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from text2sql_lightning.sql.testdb.usage import Condition, Literal, whole
from text2sql_lightning.text.sql_tokens import keywords

_WORDS: Final = sorted(
    keywords(
        """Amber Birch Cedar Delta Ember Fjord Grove Harbor Iris Juniper Kestrel Lagoon Maple Nectar Onyx Prairie Quartz
        Raven Sierra Tundra Umber Violet Willow Xenon Yarrow Zephyr Basalt Coral Dune Falcon Granite Heron"""
    )
)
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d+)?")
_DIGITS: Final = re.compile(r"\d+")


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
        return Pool(_once(wanted), _once(near), _once(others))

    def _others(self, known: Sequence[Literal], rng: Random) -> list[Literal]:
        if not self.numeric:
            return list(rng.sample(_WORDS, 9 if self.narrow else 24))
        size = 9 if self.narrow else 24
        numbers = [value for value in known if not isinstance(value, str)]
        if not numbers:
            return list(rng.sample(range(1, 12 if self.narrow else 200), size))
        low, high = whole(min(numbers)), whole(max(numbers))
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

    def beyond(self, rng: Random, *, above: bool) -> Literal:
        """Return a value larger, or smaller, than all others, and hardly ever the same one twice."""
        values = [*self.wanted, *self.near, *self.others]
        numbers = [value for value in values if not isinstance(value, str)]
        if not numbers:
            return f"{'Zz' if above else 'Aa'} {rng.choice(_WORDS)} {rng.randint(1, 99)}"
        return whole(max(numbers)) + rng.randint(2, 40) if above else whole(min(numbers)) - rng.randint(1, 40)

    def fulfilling(self, conditions: Sequence[Condition]) -> list[Literal]:
        """Return the values that fulfil the most of the conditions."""
        values = _once([*self.wanted, *self.near, *self.others])
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
    """Return texts that are nearly this one: other letter case, another number in it, one word more."""
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


def _once(values: Iterable[Literal]) -> tuple[Literal, ...]:
    return tuple(dict.fromkeys(values))
