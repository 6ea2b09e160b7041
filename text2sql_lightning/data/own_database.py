"""Rows of the user's own database: its real schema, and pairs of a question and SQL."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from text2sql_lightning.data.database_url import DatabaseUrl
from text2sql_lightning.data.pairs import read_pairs
from text2sql_lightning.data.sources import SQLITE, RawRow
from text2sql_lightning.sql.sample_values import SampleSettings, schema_text, sqlite_schema

_NO_SAMPLES: Final = SampleSettings()


def sqlite_rows(
    database: str | Path,
    pairs: str | Path,
    *,
    samples: SampleSettings = _NO_SAMPLES,
    source: str | None = None,
) -> Iterator[RawRow]:
    """Read pairs about a SQLite file.

    Args:
        database: The file; it is opened read-only, and the build executes the queries on it.
        pairs: Questions and SQL (`pairs.read_pairs`).
        samples: How many values of which columns stand in the schema.
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
    url: DatabaseUrl,
    pairs: str | Path,
    *,
    samples: SampleSettings = _NO_SAMPLES,
    source: str | None = None,
) -> Iterator[RawRow]:
    """Read pairs about a database behind a URL: its schema is read, nothing is executed on it.

    Args:
        url: Where the database is.
        pairs: Questions and SQL in the database's own dialect (`pairs.read_pairs`).
        samples: How many values of which columns stand in the schema.
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
            question=pair.question,
            context=context,
            answer=pair.sql,
            index=index,
            source=source,
            dialect=dialect,
            database=database,
            full_schema=True,
            own_database=True,
        )
