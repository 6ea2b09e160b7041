"""Pairs of a question and its SQL: what a user writes about the own database."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from text2sql_lightning.data.csv_file import read_csv
from text2sql_lightning.data.jsonl import read_objects, text_field
from text2sql_lightning.errors import DataError

SQL_FIELDS: Final = ("sql", "answer", "query")
"""Names that the field with the SQL may have; the first that a pair has counts."""


class Pair(NamedTuple):
    """A question and the query that answers it."""

    question: str
    sql: str


def read_pairs(path: str | Path) -> Iterator[Pair]:
    """Read pairs one by one.

    Args:
        path: A .jsonl file or a .csv or .tsv file with a header, plain or with .gz behind it, with `question` and
            `sql` (or `answer`, or `query`).

    Yields:
        The pairs in the order of the file.

    Raises:
        DataError: The file is missing, unreadable or empty, or a field is missing or no text; names line and field.
    """
    path = Path(path)
    entries: Iterable[tuple[int, Mapping[str, Any]]]
    is_table = {".csv", ".tsv"} & set(path.suffixes)
    entries = read_csv(path, ("question",)) if is_table else read_objects(path)
    empty = True
    for line, entry in entries:
        place = f"{path}, line {line}"
        field = next((name for name in SQL_FIELDS if name in entry), SQL_FIELDS[0])
        yield Pair(text_field(entry, "question", place), text_field(entry, field, place))
        empty = False
    if empty:
        raise DataError(f"{path} holds no pairs; expected lines with question and sql")
