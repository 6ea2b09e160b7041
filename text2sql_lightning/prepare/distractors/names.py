"""Names of columns: the words in them, how they are written, and which of them say the same."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from itertools import chain
from typing import Any, Final, Literal, NamedTuple

from text2sql_lightning.text.sql_tokens import keywords, quote_name

Style = Literal["snake", "title", "upper", "camel", "pascal", "spaced"]

WORDS: Final[dict[str, Any]] = tomllib.loads((files(__package__) / "words.toml").read_text("utf-8"))
"""The lists of `words.toml`."""

_PIECE: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_LONGEST: Final = 36
_MOST_WORDS: Final = 6
_NO_LETTER: Final = re.compile(r"[\W_]+")
_ENDINGS: Final = ("ance", "ence", "ings", "ing", "ers", "er", "ors", "or", "ies", "ied", "ed", "es", "s", "e", "y")
_SHORTEST: Final = 3
_PREPOSITIONS: Final = keywords("of in by at per for from to on with")
_FILLERS: Final = _PREPOSITIONS | keywords("a an and or s the as no number name named value id")


class Name(NamedTuple):
    """A column's name as words that mean something.

    Attributes:
        compact: Its letters and digits in lower case, without a plural's ending.
        words: All of them, reduced to stems; words of one meaning have one stem.
        core: Those that carry the meaning: without prepositions, `number`, `name` and `id` where others are left.
        short: The core of what stands in front of a bracket, without numbers: `viewers__millions_` was "viewers
            (millions)".
        head: The noun that says what kind of thing the column holds.
        kind: Class of the head: person, place, time, group or number; empty where it is none of these.
        is_usual: Whether it needs no quotes, is ASCII, has a word of three letters and is not very long.
    """

    compact: str
    words: tuple[str, ...]
    core: frozenset[str]
    short: frozenset[str]
    head: str
    kind: str
    is_usual: bool


@lru_cache(maxsize=20_000)
def read_name(name: str) -> Name:
    """Return what the words of a column's name mean, in whatever style it is written."""
    plain = _plain_words(name)
    front = _plain_words(name.lstrip("_").split("__")[0]) or plain
    core = _core(plain)
    at = next((i for i, word in enumerate(front) if i and word in _PREPOSITIONS), len(front))
    nouns = [word for word in front[:at] if word not in _FILLERS] or core
    head = meaning(nouns[-1]) if nouns else ""
    usual = len(plain) <= _MOST_WORDS and len(name) <= _LONGEST and quote_name(name) == name and name.isascii()
    return Name(
        compact=compact(name),
        words=tuple(map(meaning, plain)),
        core=frozenset(map(meaning, core)),
        short=frozenset(map(meaning, _core([word for word in front if not word.isdigit()] or front))),
        head=head,
        kind=_KINDS.get(head, ""),
        is_usual=usual and max(map(len, plain), default=0) >= _SHORTEST,
    )


def _core(words: list[str]) -> list[str]:
    return [word for word in words if word not in _FILLERS] or words


def split_name(name: str) -> list[str]:
    """Return the words of a name as they are written: `FullName`, `full_name` and `Full name` have the same two."""
    return _PIECE.findall(name)


def _plain_words(name: str) -> list[str]:
    return [word for piece in split_name(name) for word in _unglue(piece.lower())]


def _unglue(word: str) -> list[str]:
    glued: dict[str, str] = WORDS["glued"]
    return glued.get(word, word).split()


@lru_cache(maxsize=20_000)
def compact(name: str) -> str:
    """Return a name's letters and digits in lower case, without a plural's ending."""
    return _NO_LETTER.sub("", name.lower()).rstrip("s")


@lru_cache(maxsize=20_000)
def is_id(name: str) -> bool:
    """Return whether a name is that of an id: `city_id`, `CityID`, `custid`."""
    words = _plain_words(name)
    return len(words) > 1 and words[-1] == "id"


def text_meanings(text: str) -> frozenset[str]:
    """Return what the words of a question mean, in the same stems as those of names."""
    return frozenset(chain.from_iterable(map(_piece_meanings, split_name(text))))


@lru_cache(maxsize=20_000)
def _piece_meanings(piece: str) -> tuple[str, ...]:
    return tuple(meaning(word) for word in _unglue(piece.lower()))


def meaning(word: str) -> str:
    """Return one stem for all words that mean the same here."""
    stemmed = _stem(word)
    return _MEANINGS.get(stemmed, stemmed)


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    """Cut the commonest English endings off: a crude stem, the same for `directed` and `director`."""
    for ending in _ENDINGS:
        rest = word.removesuffix(ending)
        if rest == word or len(rest) < _SHORTEST or (ending == "s" and rest.endswith("s")):
            continue
        if ending in ("ies", "ied", "y"):
            return rest + "i"
        doubled = rest[-1] == rest[-2] and rest[-1] not in "ls"
        return rest[:-1] if doubled else rest
    return word


_MEANINGS: Final = {
    _stem(word): _stem(line.split()[0]) for line in WORDS["meanings"]["same"].splitlines() for word in line.split()
}
_KINDS: Final = {meaning(word): kind for kind, words in WORDS["kinds"].items() for word in words.split()}


def name_style(names: Iterable[str]) -> Style:
    """Return how most of the names are written, `snake` where they do not tell."""
    votes = Counter(style for name in names for style in _styles(name))
    return max(votes, key=votes.__getitem__, default="snake")


def _styles(name: str) -> list[Style]:
    """Return the styles that a name may be in, the likeliest first; none for a single word in lower case."""
    if " " in name:
        return ["spaced"]
    if name.isupper():
        return ["upper"] if len(name) > _SHORTEST else []
    if "_" in name.strip("_"):
        return ["snake"] if name.islower() else ["title"]
    if name[:1].isupper():
        return ["pascal"] if len(split_name(name)) > 1 else ["title", "pascal"]
    return [] if name.islower() else ["camel"]


def write_name(words: Iterable[str], style: Style) -> str:
    """Write a name of these words in a style."""
    lower = [word.lower() for word in words]
    titles = [word.upper() if word == "id" else word.capitalize() for word in lower]
    if style == "upper":
        return "_".join(lower).upper()
    if style in ("title", "pascal", "spaced"):
        return {"title": "_", "pascal": "", "spaced": " "}[style].join(titles)
    return lower[0] + "".join(titles[1:]) if style == "camel" else "_".join(lower)
