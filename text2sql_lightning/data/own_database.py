"""Rows about a database of one's own: its schema, and pairs of a question and its SQL that a user writes."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from text2sql_lightning.data.sources import SQLITE, RawRow
from text2sql_lightning.errors import DataError
from text2sql_lightning.files.jsonl import read_objects, text_field
from text2sql_lightning.files.tables import read_csv
from text2sql_lightning.sql.databases.sqlalchemy import DatabaseUrl
from text2sql_lightning.sql.sample_values import SampleSettings, schema_text, sqlite_schema

SQL_FIELDS: Final = ("sql", "answer", "query")
"""Names that the field with the SQL may have; the first that a pair has counts."""

_NO_SAMPLES: Final = SampleSettings()


class Pair(NamedTuple):
    """A question and the query that answers it."""

    question: str
    sql: str


def read_pairs(path: str | Path) -> Iterator[Pair]:
    """Yield the pairs of a file, in its order.

    Args:
        path: A .jsonl file or a .csv or .tsv file with a header, plain or with .gz behind it, with `question` and
            `sql` (or `answer`, or `query`).

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


def sqlite_rows(
    database: str | Path, pairs: str | Path, *, samples: SampleSettings = _NO_SAMPLES, source: str | None = None
) -> Iterator[RawRow]:
    """Read pairs about a SQLite file.

    Args:
        database: The file; it is opened read-only, and the build executes the queries on it.
        pairs: Questions and SQL (`read_pairs`).
        samples: How many values of which columns are shown in the schema.
        source: The rows' source; the database's file name where not given.

    Yields:
        A row for each pair, all with the whole schema.

    Raises:
        DataError: The database is missing, is none or has no table; or the file of pairs is not as it should be.
    """
    path = Path(database)
    context = schema_text(sqlite_schema(path, samples), samples)
    return _rows(pairs, context, source or path.name, SQLITE, path)


def url_rows(
    url: DatabaseUrl, pairs: str | Path, *, samples: SampleSettings = _NO_SAMPLES, source: str | None = None
) -> Iterator[RawRow]:
    """Read pairs about a database behind a URL: its schema is read, nothing is executed on it.

    Args:
        url: Where the database is.
        pairs: Questions and SQL in the database's own dialect (`read_pairs`).
        samples: How many values of which columns are shown in the schema.
        source: The rows' source; dialect and database name where not given.

    Yields:
        A row for each pair, all with the whole schema; their `dialect` is the database's.

    Raises:
        ConfigError: SQLAlchemy or the database's driver is not installed.
        DataError: The database cannot be reached or has no table; or the file of pairs is not as it should be.
    """
    context = schema_text(url.read_schema(samples), samples)
    return _rows(pairs, context, source or url.name, url.dialect, None)


def _rows(pairs: str | Path, context: str, source: str, dialect: str, database: Path | None) -> Iterator[RawRow]:
    for index, pair in enumerate(read_pairs(pairs)):
        yield RawRow(
            pair.question,
            context,
            pair.sql,
            index,
            source,
            dialect=dialect,
            database=database,
            full_schema=True,
            own_database=True,
        )
