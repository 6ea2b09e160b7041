"""Conditions on text columns, flags, and on values that are missing."""

from collections.abc import Sequence
from random import Random

from text2sql_lightning.sample.conditions import Condition, quote
from text2sql_lightning.sample.database import Value
from text2sql_lightning.sample.domain import Column
from text2sql_lightning.sample.english import article, listing


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
