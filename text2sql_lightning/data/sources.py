"""Rows of question, context and answer: from a file, the sample in the package, the hub, or a database of one's own.

Folders of benchmarks are read in `benchmarks.spider`; `prepare.sources` has them all.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final, NamedTuple

from text2sql_lightning.errors import DataError
from text2sql_lightning.files.hub import load_hub_dataset
from text2sql_lightning.files.jsonl import read_objects, text_field
from text2sql_lightning.files.tables import read_csv, read_parquet
from text2sql_lightning.sql.databases.sqlalchemy import DatabaseUrl
from text2sql_lightning.sql.sample_values import SampleSettings, schema_text, sqlite_schema

HUB_NAME: Final = "b-mc2/sql-create-context"
EMBEDDED_SOURCE: Final = "text2sql_lightning/sample"
SQLITE: Final = "sqlite"
COLUMNS: Final = ("question", "context", "answer")
SQL_FIELDS: Final = ("sql", "answer", "query")
"""Names that the field with the SQL of a pair may have; the first that a pair has counts."""

_NO_SAMPLES: Final = SampleSettings()


@dataclass(frozen=True)
class RawRow:
    """A row as it was found.

    Attributes:
        question: The question in words.
        context: The schema as CREATE TABLE text.
        answer: The SQL.
        index: The row's position in its source, from 0.
        source: The source's name.
        evidence: What the asker knows besides the question, as BIRD has it; in the prompt it follows the question.
        original_split: The split of the source that the row comes from.
        dialect: The SQL dialect of the answer, by sqlglot's name. Only `sqlite` is executed.
        database: A SQLite file that the answer is executed on, where the source has one.
        full_schema: Whether the context is the whole schema of a real database, so that nothing should be added to it.
        own_database: Whether all rows of the source ask this one database, at training and afterwards; such a source
            is split by query template, not by schema.
    """

    question: str
    context: str
    answer: str
    index: int
    source: str
    evidence: str = ""
    original_split: str = "train"
    dialect: str = SQLITE
    database: Path | None = None
    full_schema: bool = False
    own_database: bool = False


def read_rows(path: str | Path) -> list[RawRow]:
    """Return the rows of a JSON lines file, at least one, in its order; errors as those of `iter_rows`."""
    return list(iter_rows(path))


def iter_rows(path: str | Path) -> Iterator[RawRow]:
    """Read rows one by one from a file of JSON lines (.jsonl, .jsonl.gz); their source is the file's name.

    Raises:
        DataError: The file is missing, unreadable or empty, or `question`, `context` or `answer` is missing or not
            text; names line and field.
    """
    path = Path(path)
    return _to_rows(((f"{path}, line {line}", obj) for line, obj in read_objects(path)), path.name, str(path))


def csv_rows(path: str | Path) -> Iterator[RawRow]:
    """Read rows one by one from a .csv file (commas) or .tsv file (tabs) with a header, plain or with .gz behind it.

    Raises:
        DataError: The file is missing, unreadable, empty or not UTF-8, lacks a column, or a quote is never closed.
    """
    path = Path(path)
    places = ((f"{path}, line {line}", obj) for line, obj in read_csv(path, COLUMNS))
    return _to_rows(places, path.name, str(path))


def parquet_rows(path: str | Path) -> Iterator[RawRow]:
    """Read rows from the text columns of a Parquet file, a batch at a time.

    Raises:
        DataError: The file is missing, damaged or empty, lacks a column, or has one that is not text.
    """
    path = Path(path)
    places = ((f"{path}, row {index}", obj) for index, obj in read_parquet(path, COLUMNS))
    return _to_rows(places, path.name, str(path))


def sample_file() -> Traversable:
    """Return the file of the embedded sample inside the installed package."""
    return files("text2sql_lightning") / "assets" / "sample_rows.jsonl.gz"


def embedded_rows() -> list[RawRow]:
    """Return the sample that is part of the package; needs no network.

    Raises:
        DataError: The package was installed without its sample.
    """
    resource = sample_file()
    if not resource.is_file():
        raise DataError("this installation has no embedded sample (assets/sample_rows.jsonl.gz): reinstall the package")
    with as_file(resource) as path:
        places = ((f"embedded sample, line {line}", obj) for line, obj in read_objects(path))
        return list(_to_rows(places, EMBEDDED_SOURCE, "embedded sample"))


def hub_rows(name: str = HUB_NAME) -> Iterator[RawRow]:
    """Load the training split of a dataset from the Hugging Face Hub, or from its cache on this machine.

    Raises:
        DataError: The hub cannot be reached, knows no such dataset, or wants a licence accepted; or the dataset
            has other columns than question, context and answer.
    """
    loaded = load_hub_dataset(name, "train", "give local rows with --input_jsonl FILE")
    return _to_rows(((f"{name}, row {index}", obj) for index, obj in enumerate(loaded)), name, name)


def _to_rows(objects: Iterable[tuple[str, Mapping[str, object]]], source: str, origin: str) -> Iterator[RawRow]:
    index = -1
    for index, (place, obj) in enumerate(objects):
        question, context, answer = (text_field(obj, name, place) for name in COLUMNS)
        yield RawRow(question, context, answer, index, source)
    if index < 0:
        raise DataError(f"{origin} holds no rows; expected lines with question, context and answer")


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
    entries: Iterable[tuple[int, Mapping[str, object]]]
    entries = read_csv(path, ("question",)) if {".csv", ".tsv"} & set(path.suffixes) else read_objects(path)
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
    """Read pairs about a SQLite file, which is opened read-only; the build executes the queries on it.

    Args:
        database: The file.
        pairs: Questions and SQL (`read_pairs`).
        samples: How many values of which columns are shown in the schema.
        source: The rows' source; the database's file name where not given.

    Returns:
        A row for each pair, all with the whole schema.

    Raises:
        DataError: The database is missing, is none or has no table; or the file of pairs is not as it should be.
    """
    path = Path(database)
    context = schema_text(sqlite_schema(path, samples), samples)
    return _rows_of_pairs(pairs, context, source or path.name, SQLITE, path)


def url_rows(
    url: DatabaseUrl, pairs: str | Path, *, samples: SampleSettings = _NO_SAMPLES, source: str | None = None
) -> Iterator[RawRow]:
    """Read pairs, in the dialect of a database behind a URL: its schema is read, nothing is executed on it.

    Arguments and rows are those of `sqlite_rows`; the source is dialect and database name where not given.

    Raises:
        ConfigError: SQLAlchemy or the database's driver is not installed.
        DataError: The database cannot be reached or has no table; or the file of pairs is not as it should be.
    """
    context = schema_text(url.read_schema(samples), samples)
    return _rows_of_pairs(pairs, context, source or url.name, url.dialect, None)


def _rows_of_pairs(
    pairs: str | Path, context: str, source: str, dialect: str, database: Path | None
) -> Iterator[RawRow]:
    row = partial(RawRow, dialect=dialect, database=database, full_schema=True, own_database=True)
    for index, pair in enumerate(read_pairs(pairs)):
        yield row(pair.question, context, pair.sql, index, source)
