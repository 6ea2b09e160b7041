"""English for order: superlatives, sortings, and the names of aggregates."""

from random import Random
from typing import Final

from text2sql_lightning.sample.domain import Column


def superlative(rng: Random, noun: str, column: Column, *, descending: bool, behind: str = "") -> str:
    """The noun of the rows at the top, or at the bottom, of a column ("most expensive wine").

    Args:
        rng: Chooses the wording.
        noun: The noun, in the number that is wanted.
        column: The column that ranks.
        descending: Whether the largest value comes first.
        behind: What else stands behind the noun ("from Italy").
    """
    noun_behind = f"{noun} {behind}".strip()
    return rng.choice([*_own_superlatives(noun_behind, column, descending), *_plain(noun_behind, column, descending)])


def _own_superlatives(noun: str, column: Column, descending: bool) -> list[str]:
    adjective = column.most if descending else column.least
    wordings = [f"{adjective} {noun}"] * 3 if adjective else []
    if column.verb:
        wordings.append(f"{noun} {column.verb} {'most recently' if descending else 'earliest'}")
    return wordings


def _plain(noun: str, column: Column, descending: bool) -> list[str]:
    if column.counted:
        return [f"{noun} with the {'most' if descending else 'fewest'} {column.counted}"]
    if column.kind == "number":
        words = ("highest", "highest", "largest") if descending else ("lowest", "lowest", "smallest")
    else:
        words = ("latest", "most recent") if descending else ("earliest",)
    return [f"{noun} with the {word} {column.phrase}" for word in words]


def sorting(rng: Random, column: Column, *, descending: bool) -> str:
    """How the rows are sorted ("cheapest first", "in descending order of age")."""
    phrase = column.phrase
    if column.kind in ("label", "text"):
        wordings = _ALPHABETICAL[descending]
    elif column.kind == "number":
        wordings = _NUMERIC[descending]
    else:
        wordings = _IN_TIME[descending]
    plain = [wording.format(phrase) for wording in wordings]
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
        "from the lowest to the highest {}",
        "ordered by {} from low to high",
        "with the lowest {} first",
    ),
    True: (
        "sorted by {} in descending order",
        "in descending order of {}",
        "from the highest to the lowest {}",
        "ordered by {} from high to low",
        "with the highest {} first",
    ),
}
_IN_TIME: Final = {
    False: ("sorted by {} in ascending order", "from the earliest to the latest {}", "with the earliest {} first"),
    True: ("sorted by {} in descending order", "from the latest to the earliest {}", "with the latest {} first"),
}

AGGREGATES: Final = {
    "AVG": ("average", "average", "mean"),
    "SUM": ("total",),
    "MAX": ("highest", "maximum", "largest"),
    "MIN": ("lowest", "minimum", "smallest"),
}
"""SQL function -> its adjectives, for quantities."""

_TIME_AGGREGATES: Final = {"MAX": ("latest", "most recent"), "MIN": ("earliest",)}


def functions(column: Column) -> list[str]:
    """The aggregate functions that make sense for a column."""
    if column.kind != "number":
        return ["MAX", "MIN"]
    return ["AVG", "AVG", "SUM", "SUM", "MAX", "MIN"] if column.sums else ["AVG", "AVG", "MAX", "MIN"]


def aggregate(rng: Random, function: str, column: Column) -> str:
    """The aggregate as a noun phrase without its article ("average price")."""
    words = AGGREGATES[function] if column.kind == "number" else _TIME_AGGREGATES[function]
    return f"{rng.choice(words)} {column.phrase}"
