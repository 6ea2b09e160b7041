"""English for order: superlatives, sortings, and the names of aggregates."""

from random import Random
from typing import Final

from text2sql_lightning.sample.domain import Column

_SIZES: Final = ("area", "depth", "distance", "duration", "height", "length", "size", "volume")
"""Quantities that are large or small rather than high or low."""

_OWN: Final = {"price": ("most expensive", "cheapest"), "age": ("oldest", "youngest")}
"""Superlatives that everybody uses, of the largest value and of the smallest, by column."""


def extreme(column: Column, *, largest: bool) -> str:
    """The superlative that goes with a column's phrase ("highest", "latest")."""
    if column.kind != "number":
        return "latest" if largest else "earliest"
    if set(column.phrase.split()) & set(_SIZES):
        return "largest" if largest else "smallest"
    return "highest" if largest else "lowest"


def superlative(rng: Random, noun: str, column: Column, *, descending: bool) -> str:
    """The noun of the rows at the top, or at the bottom, of a column ("wine with the highest price").

    Args:
        rng: Chooses the wording.
        noun: The noun, in the number that is wanted.
        column: The column that ranks.
        descending: Whether the largest value comes first.
    """
    own = _OWN.get(column.name)
    if own and rng.random() < 0.5:
        return f"{own[not descending]} {noun}"
    return f"{noun} with the {extreme(column, largest=descending)} {column.phrase}"


def sorting(rng: Random, column: Column, *, descending: bool) -> str:
    """How the rows are sorted ("in descending order of age")."""
    order = "descending" if descending else "ascending"
    if column.kind == "label":
        return f"in {'reverse ' if descending else ''}alphabetical order of {column.phrase}"
    first, last = (extreme(column, largest=largest) for largest in (descending, not descending))
    return rng.choice(
        (
            f"sorted by {column.phrase} in {order} order",
            f"in {order} order of {column.phrase}",
            f"from the {first} to the {last} {column.phrase}",
        )
    )


def functions(column: Column) -> list[str]:
    """The aggregate functions that make sense for a column."""
    if column.kind != "number":
        return ["MAX", "MIN"]
    return ["AVG", "AVG", "SUM", "MAX", "MIN"] if column.sums else ["AVG", "AVG", "MAX", "MIN"]


def aggregate(rng: Random, function: str, column: Column) -> str:
    """The aggregate as a noun phrase without its article ("average price")."""
    return f"{rng.choice(_adjectives(function, column))} {column.phrase}"


def _adjectives(function: str, column: Column) -> tuple[str, ...]:
    if function in ("AVG", "SUM"):
        return ("average",) if function == "AVG" else ("total",)
    largest = function == "MAX"
    if column.kind != "number":
        return (extreme(column, largest=largest),)
    return (extreme(column, largest=largest), "maximum" if largest else "minimum")
