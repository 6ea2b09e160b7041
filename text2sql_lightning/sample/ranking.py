"""English for order: superlatives, sortings, and the names of aggregates."""

from random import Random
from typing import Final

from text2sql_lightning.sample.domain import Column

_SIZES: Final = ("area", "diameter", "distance", "duration", "length", "size", "volume", "weight", "wingspan", "time")
"""Quantities that are large or small rather than high or low."""


def extremes(column: Column, *, largest: bool) -> tuple[str, ...]:
    """The superlatives that go with a column's phrase ("highest", "latest")."""
    if column.kind != "number":
        return ("latest", "most recent") if largest else ("earliest",)
    if set(column.phrase.split()) & set(_SIZES):
        return ("largest", "greatest") if largest else ("smallest",)
    return ("highest",) if largest else ("lowest",)


def superlative(rng: Random, noun: str, column: Column, *, descending: bool, behind: str = "") -> str:
    """The noun of the rows at the top, or at the bottom, of a column ("most expensive wine").

    Args:
        rng: Chooses the wording.
        noun: The noun, in the number that is wanted.
        column: The column that ranks.
        descending: Whether the largest value comes first.
        behind: What else stands behind the noun ("from Italy").
    """
    adjective = column.most if descending else column.least
    noun_behind = f"{noun} {behind}".strip()
    wordings = [f"{adjective} {noun_behind}"] * 3 if adjective else []
    if column.verb and not behind:
        wordings.append(f"{noun} {column.verb} {'most recently' if descending else 'earliest'}")
    if column.counted:
        wordings.append(f"{noun_behind} with the {'most' if descending else 'fewest'} {column.counted}")
    else:
        words = extremes(column, largest=descending)
        wordings += [f"{noun_behind} with the {word} {column.phrase}" for word in words]
    return rng.choice(wordings)


def sorting(rng: Random, column: Column, *, descending: bool) -> str:
    """How the rows are sorted ("cheapest first", "in descending order of age")."""
    if column.kind in ("label", "text"):
        wordings = _ALPHABETICAL[descending]
    elif column.kind == "number":
        wordings = _NUMERIC[descending]
    else:
        wordings = _IN_TIME[descending]
    last, first = (extremes(column, largest=not descending)[0], extremes(column, largest=descending)[0])
    plain = [wording.format(column.phrase, first=first, last=last) for wording in wordings]
    return rng.choice(plain + _own_sortings(column, descending) * 3)


def _own_sortings(column: Column, descending: bool) -> list[str]:
    first, last = (column.most, column.least) if descending else (column.least, column.most)
    return [f"{first} first", f"from the {first} to the {last}"] if first and last else []


_ALPHABETICAL: Final = {
    False: ("in alphabetical order of {}", "sorted alphabetically by {}", "ordered by {}", "sorted by {} from A to Z"),
    True: ("in reverse alphabetical order of {}", "sorted by {} from Z to A", "in descending order of {}"),
}
_NUMERIC: Final = {
    False: (
        "sorted by {} in ascending order",
        "in ascending order of {}",
        "from the {first} to the {last} {}",
        "ordered by {} from low to high",
        "with the {first} {} first",
    ),
    True: (
        "sorted by {} in descending order",
        "in descending order of {}",
        "from the {first} to the {last} {}",
        "ordered by {} from high to low",
        "with the {first} {} first",
    ),
}
_IN_TIME: Final = {
    False: ("sorted by {} in ascending order", "from the {first} to the {last} {}", "with the {first} {} first"),
    True: ("sorted by {} in descending order", "from the {first} to the {last} {}", "with the {first} {} first"),
}

AVERAGES: Final = {"AVG": ("average", "average", "mean"), "SUM": ("total",)}
"""SQL function -> its adjectives, for the functions that are no extremes."""


def functions(column: Column) -> list[str]:
    """The aggregate functions that make sense for a column."""
    if column.kind != "number":
        return ["MAX", "MIN"]
    return ["AVG", "AVG", "SUM", "SUM", "MAX", "MIN"] if column.sums else ["AVG", "AVG", "MAX", "MIN"]


def aggregate(rng: Random, function: str, column: Column) -> str:
    """The aggregate as a noun phrase without its article ("average price")."""
    return f"{rng.choice(_adjectives(function, column))} {column.phrase}"


def aggregate_pair(rng: Random, one: str, two: str, column: Column) -> str:
    """Two aggregates of one column ("lowest and highest price"), in words that belong together."""
    first, second = _adjectives(one, column), _adjectives(two, column)
    style = rng.randrange(min(len(first), len(second)))
    return f"{first[style]} and {second[style]} {column.phrase}"


def _adjectives(function: str, column: Column) -> tuple[str, ...]:
    if function in AVERAGES:
        return AVERAGES[function]
    largest = function == "MAX"
    if column.kind != "number":
        return extremes(column, largest=largest)
    return (extremes(column, largest=largest)[0], "maximum" if largest else "minimum")
