"""Rows of question, context and answer: from a local file, the sample inside the package, or the Hugging Face Hub.

Folders of benchmarks are read in `benchmarks.spider`, databases in `own_database`; `prepare.sources` has them all.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from text2sql_lightning.errors import DataError
from text2sql_lightning.files.hub import load_hub_dataset
from text2sql_lightning.files.jsonl import read_objects, text_field
from text2sql_lightning.files.tables import read_csv, read_parquet

HUB_NAME: Final = "b-mc2/sql-create-context"
EMBEDDED_SOURCE: Final = "text2sql_lightning/sample"
SQLITE: Final = "sqlite"
COLUMNS: Final = ("question", "context", "answer")


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
    """Return the rows of a .jsonl or .jsonl.gz file, at least one, in its order.

    Every line has `question`, `context` and `answer`; the rows' source is the file's name without its folder.

    Raises:
        DataError: The file is missing, unreadable or empty, or a field is missing or not text; names line and field.
    """
    return list(iter_rows(path))


def iter_rows(path: str | Path) -> Iterator[RawRow]:
    """Read rows one by one from a JSON lines file (.jsonl, .jsonl.gz); errors as those of `read_rows`."""
    path = Path(path)
    return _to_rows(((f"{path}, line {line}", obj) for line, obj in read_objects(path)), path.name, str(path))


def csv_rows(path: str | Path) -> Iterator[RawRow]:
    """Read rows one by one from a .csv file (commas) or .tsv file (tabs) with a header, plain or with .gz behind it.

    Its columns are `question`, `context` and `answer`; others are ignored.

    Raises:
        DataError: The file is missing, unreadable, empty or not UTF-8, lacks a column, or a quote is never closed.
    """
    path = Path(path)
    places = ((f"{path}, line {line}", obj) for line, obj in read_csv(path, COLUMNS))
    return _to_rows(places, path.name, str(path))


def parquet_rows(path: str | Path) -> Iterator[RawRow]:
    """Read rows from a Parquet file, a batch at a time: its text columns `question`, `context` and `answer`.

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

    Args:
        name: The dataset, `owner/name`.

    Returns:
        The rows in the order of the dataset, read one by one.

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
