"""The little English grammar that questions need: plurals, articles, lists, and ways to ask."""

from collections.abc import Sequence
from random import Random
from typing import Final

_PLURALS: Final = {"person": "people", "fish": "fish", "series": "series", "species": "species", "volcano": "volcanoes"}
_SILENT: Final = ("hour", "honour", "honor", "heir")
_CONSONANT: Final = ("uni", "use", "usu", "eur", "one", "u.")


def plural(phrase: str) -> str:
    """The plural of a noun phrase, whose head stands before " of ", " in " or " per ", or else at the end."""
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
    """The text with a capital letter at its start."""
    return text[0].upper() + text[1:]
