"""Types of added columns, in the words that the schema around them uses."""

from collections.abc import Sequence
from random import Random
from typing import Final

from text2sql_lightning.data.build.column_pool import Kind

_STARTS: Final[tuple[tuple[str, Kind], ...]] = (
    ("INT", "integer"), ("BIGINT", "integer"), ("SMALLINT", "integer"), ("TINYINT", "integer"), ("BOOL", "integer"),
    ("REAL", "real"), ("FLOA", "real"), ("DOUB", "real"), ("DEC", "real"), ("NUM", "real"), ("MONEY", "real"),
    ("DATE", "date"), ("TIME", "date"), ("YEAR", "integer"),
)  # fmt: skip
_PLAIN: Final[dict[Kind, str]] = {"text": "TEXT", "integer": "INTEGER", "real": "REAL", "date": "DATE"}
_NUMBER_AS_TEXT: Final = 0.5


def kind_of(declared: str) -> Kind:
    """Return what a column of a declared type holds; text where the type says nothing."""
    upper = declared.upper()
    return next((kind for start, kind in _STARTS if upper.startswith(start)), "text")


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
