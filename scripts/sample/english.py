"""The English that questions need: plurals, articles, lists, ways to ask, superlatives and sortings."""

from collections.abc import Sequence
from random import Random
from typing import Final

from sample.schema import Column

_PLURALS: Final = {"person": "people", "fish": "fish", "series": "series", "species": "species", "volcano": "volcanoes"}
_SILENT: Final = ("hour", "honour", "honor", "heir")
_CONSONANT: Final = ("uni", "use", "usu", "eur", "one", "u.")


def plural(phrase: str) -> str:
    """Return the plural of a noun phrase, whose head stands before " of ", " in " or " per ", or else at the end."""
    for preposition in (" of ", " in ", " per "):
        if preposition in phrase:
            head, rest = phrase.split(preposition, 1)
            return f"{plural(head)}{preposition}{rest}"
    first, _, last = phrase.rpartition(" ")
    return f"{first} {_plural_word(last)}".strip()


def _plural_word(word: str) -> str:
    if word in _PLURALS:
        return _PLURALS[word]
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    return word + "s"


def article(phrase: str) -> str:
    """The phrase behind "a" or "an"."""
    lower = phrase.lower()
    vowel = lower[0] in "aeiou" and not lower.startswith(_CONSONANT)
    return f"{'an' if vowel or lower.startswith(_SILENT) else 'a'} {phrase}"


def listing(items: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b` or `a, b and c`."""
    if len(items) == 1:
        return items[0]
    return f"{', '.join(items[:-1])} {last} {items[-1]}"


_ORDERS: Final = ("List {}.", "Show {}.", "Find {}.", "Give me {}.")
"""Orders; the first is for several things only."""


def request(rng: Random, wanted: str, *, many: bool) -> str:
    """A sentence that asks for `wanted`, a noun phrase with its article, in one of five ways."""
    asked = f"What {'are' if many else 'is'} {{}}?"
    sentences: list[str] = [*_ORDERS[not many :], asked, asked]
    return rng.choice(sentences).format(wanted)


def sentence(text: str) -> str:
    """Return the text with a capital letter at its start."""
    return text[0].upper() + text[1:]


_SIZES: Final = ("area", "depth", "distance", "duration", "height", "length", "size", "volume")
"""Quantities that are large or small rather than high or low."""

_OWN: Final = {"price": ("most expensive", "cheapest"), "age": ("oldest", "youngest")}
"""Superlatives that everybody uses, of the largest value and of the smallest, by column."""


def extreme(column: Column, *, largest: bool) -> str:
    """Return the superlative that goes with a column's phrase ("highest", "latest")."""
    if column.kind != "number":
        return "latest" if largest else "earliest"
    if set(column.phrase.split()) & set(_SIZES):
        return "largest" if largest else "smallest"
    return "highest" if largest else "lowest"


def superlative(rng: Random, noun: str, column: Column, *, descending: bool) -> str:
    """Return the noun of the rows at the top, or at the bottom, of a column ("wine with the highest price").

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
    """Return the aggregate functions that make sense for a column."""
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
