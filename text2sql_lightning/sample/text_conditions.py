"""Conditions on text columns, flags, and on values that are missing."""

from collections.abc import Sequence
from random import Random

from text2sql_lightning.sample.conditions import Condition, articled, quote
from text2sql_lightning.sample.database import Value
from text2sql_lightning.sample.domain import Column
from text2sql_lightning.sample.english import listing


def equals(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column is one of the values that occur."""
    value = rng.choice(values)
    natural = column.says or column.adjective
    return Condition(
        f"{{}} = {quote(value)}",
        column,
        whose=(f"{column.phrase} is {value}",),
        having=() if natural else (f"the {column.phrase} {value}",),
        behind=(column.says.format(value),) if column.says else (),
        before=(str(value),) if column.adjective else (),
    )


def differs(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column is not one of the values that occur."""
    value = rng.choice(values)
    return Condition(
        f"{{}} != {quote(value)}",
        column,
        whose=(f"{column.phrase} is not {value}", f"{column.phrase} is different from {value}"),
        having=(f"{articled(column)} other than {value}",),
        behind=(f"not {column.says.format(value)}",) if column.says else (),
    )


def one_of(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column is one of two or three values."""
    pool = sorted({str(value) for value in values})
    chosen = rng.sample(pool, min(len(pool), rng.choice((2, 2, 3))))
    either, phrase = listing(chosen, "or"), column.phrase
    return Condition(
        f"{{}} IN ({', '.join(map(quote, chosen))})",
        column,
        whose=(f"{phrase} is {either}", f"{phrase} is either {either}", f"{phrase} is one of {listing(chosen)}"),
        having=() if column.says or column.adjective else (f"the {phrase} {either}",),
        behind=(column.says.format(either),) if column.says else (),
    )


def like(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The column's text starts with, ends with or contains something."""
    words = str(rng.choice(values)).split()
    several = len(words) > 1
    way = rng.choice(("word", "letter", "end", "contain") if several else ("letter", "letters"))
    if way == "end":
        return _like(rng, column, words[-1], "%{}", ("ends with", "ends in"), ("ending with", "that ends in"))
    if way == "contain":
        word = rng.choice(words)
        return _like(rng, column, word, "%{}%", ("contains", "includes"), ("containing", "that includes"))
    part = {"word": words[0], "letter": words[0][0], "letters": words[0][:2]}[way]
    return _like(rng, column, part, "{}%", ("starts with", "begins with"), ("starting with", "that begins with"))


def _like(
    rng: Random, column: Column, part: str, pattern: str, verbs: tuple[str, str], participles: tuple[str, str]
) -> Condition:
    shown = rng.choice((f"'{part}'", f'"{part}"', part, f"the letter {part}" if len(part) == 1 else part))
    return Condition(
        f"{{}} LIKE {quote(pattern.format(part))}",
        column,
        whose=tuple(f"{column.phrase} {verb} {shown}" for verb in verbs),
        having=tuple(f"{articled(column)} {participle} {shown}" for participle in participles),
    )


def missing(rng: Random, column: Column) -> Condition:
    """The column has no value, or (half of the time) has one."""
    phrase, a_phrase = column.phrase, articled(column)
    if rng.random() < 0.5:
        return Condition(
            "{} IS NULL",
            column,
            whose=(f"{phrase} is missing", f"{phrase} is unknown", f"{phrase} is not recorded", f"{phrase} is empty"),
            having=(f"no {phrase}", f"no recorded {phrase}", f"a missing {phrase}"),
            behind=(f"without {a_phrase}",),
        )
    return Condition(
        "{} IS NOT NULL",
        column,
        whose=(f"{phrase} is known", f"{phrase} is recorded", f"{phrase} is not missing", f"{phrase} is filled in"),
        having=(f"a known {phrase}", f"a recorded {phrase}", f"{a_phrase} on record"),
    )


def flagged(rng: Random, column: Column, values: Sequence[Value]) -> Condition:
    """The flag is set, or is not."""
    value = rng.choice(values)
    return Condition(f"{{}} = {value}", column, before=(column.yes if value else column.no,))
