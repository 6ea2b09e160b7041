"""Columns as databases of many fields have them, for tables that nothing like is known of; and the types of columns."""

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Final, Literal, NamedTuple

from text2sql_lightning.prepare.distractors.names import WORDS, meaning

Kind = Literal["text", "integer", "real", "date"]
_STARTS: Final[dict[Kind, tuple[str, ...]]] = {
    "integer": ("INT", "BIGINT", "SMALLINT", "TINYINT", "BOOL", "YEAR"),
    "real": ("REAL", "FLOA", "DOUB", "DEC", "NUM", "MONEY"),
    "date": ("DATE", "TIME"),
}
_PLAIN: Final[dict[Kind, str]] = {"text": "TEXT", "integer": "INTEGER", "real": "REAL", "date": "DATE"}
_NUMBER_AS_TEXT: Final = 0.5
_MANY_FIELDS: Final = 4
_FITS: Final = 0.5
_COLUMN_WORD: Final = 0.4
_QUESTION_WORD: Final = 0.3


def kind_of(declared: str) -> Kind:
    """Return what a column of a declared type holds; text where the type says nothing."""
    return next((kind for kind, starts in _STARTS.items() if declared.upper().startswith(starts)), "text")


def write_type(kind: Kind, present: Sequence[str], rng: Random) -> str:
    """Write a type as the schema's other columns have theirs.

    Args:
        kind: What the column holds.
        present: Declared types of the schema's columns.
        rng: Decides how a number is declared in schemas that know VARCHAR and INTEGER alone: those of
            `b-mc2/sql-create-context` say VARCHAR of numbers, too.

    Returns:
        The type; empty where the schema declares none.
    """
    declared = [kind for kind in present if kind]
    if not declared:
        return ""
    if {name.upper() for name in declared} <= {"VARCHAR", "INTEGER"}:
        return "INTEGER" if kind in ("integer", "real") and rng.random() < _NUMBER_AS_TEXT else "VARCHAR"
    of_kind = [name for name in declared if kind_of(name) == kind]
    return rng.choice(of_kind) if of_kind else _PLAIN[kind]


class PoolColumn(NamedTuple):
    """A column: the words of its name, and what it holds."""

    words: tuple[str, ...]
    kind: Kind


class _Field(NamedTuple):
    hints: dict[str, float]
    columns: tuple[PoolColumn, ...]


@cache
def _fields() -> tuple[_Field, ...]:
    """Return the fields in the order of the file: the last is that of any table."""
    return tuple(_read_field(**entry) for entry in WORDS["field"])


def _read_field(words: str, **names: str) -> _Field:
    columns = [
        PoolColumn(tuple(name.split()), kind) for kind in _PLAIN for name in names.get(kind, "").split(",") if name
    ]
    said = {meaning(word): _COLUMN_WORD for column in columns for word in column.words}
    return _Field(said | dict.fromkeys(map(meaning, words.split()), 1.0), tuple(dict.fromkeys(columns)))


@cache
def _votes() -> dict[str, list[tuple[int, float]]]:
    """Return for each word which fields it speaks for: much where it stands in one, not at all where it is in many."""
    votes: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for number, field in enumerate(_fields()[:-1]):
        for word, weight in field.hints.items():
            votes[word].append((number, weight))
    return {
        word: [(number, weight / len(given)) for number, weight in given]
        for word, given in votes.items()
        if len(given) <= _MANY_FIELDS
    }


def pool_columns(
    schema: frozenset[str], question: frozenset[str], rng: Random
) -> tuple[Sequence[PoolColumn], Sequence[PoolColumn]]:
    """Return columns for a table.

    Args:
        schema: Stems of the words of its name and its columns.
        question: Stems of the question's words; they count less.
        rng: Decides between fields that fit as well.

    Returns:
        Columns of the field that fits best, none where none fits; and columns that a table of any field may have.
    """
    *fields, general = _fields()
    fits = [0.0] * len(fields)
    for words, counts in ((schema, 1.0), (question - schema, _QUESTION_WORD)):
        for word in sorted(words):  # floats: the order of a set differs between processes
            for number, weight in _votes().get(word, ()):
                fits[number] += counts * weight
    best = max(range(len(fields)), key=lambda at: (fits[at], rng.random()))
    return fields[best].columns if fits[best] >= _FITS else (), general.columns
