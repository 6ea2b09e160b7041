"""Read the questions of test sets, which must not be trained on."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.data.jsonl import read_objects, text_field
from text2sql_lightning.errors import DataError

QUERY_FIELDS: Final = ("query", "sql", "SQL", "answer")
_FOLDER_FILES: Final = ("dev.json", "test.json")
_FLAG: Final = "--decontaminate_against"


@dataclass(frozen=True)
class BenchmarkExample:
    """A question of a benchmark and its gold query."""

    question: str
    query: str


def benchmark_files(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Find the files of test sets, and name them without their folders.

    Args:
        paths: Folders in Spider's format (`dev.json`, `test.json` or both), or files.

    Returns:
        Name and path of every file; a name is the file's own and a number, `dev.json 1`.

    Raises:
        DataError: A folder has none of these files.
    """
    files = [file for path in paths for file in (_files_in(path) if path.is_dir() else [path])]
    return [(f"{file.name} {number}", file) for number, file in enumerate(files, start=1)]


def _files_in(folder: Path) -> list[Path]:
    found = [folder / name for name in _FOLDER_FILES if (folder / name).is_file()]
    if not found:
        raise DataError(
            f"{_FLAG} {folder}: has no {' and no '.join(_FOLDER_FILES)}; give a folder in Spider's format or a "
            ".jsonl file"
        )
    return found


def read_benchmark(path: Path) -> list[BenchmarkExample]:
    """Read a test set.

    Args:
        path: A .json file with a list of objects as in Spider, or JSON lines (.jsonl, .jsonl.gz). An object holds
            `question`, and its SQL as `query`, `sql`, `SQL` or `answer`.

    Returns:
        The examples in the order of the file, at least one.

    Raises:
        DataError: The file is missing, unreadable or empty, or a field is missing or not text; names the place.
    """
    if path.suffix == ".json":
        objects: Sequence[tuple[str, Any]] = [(f"entry {at}", entry) for at, entry in enumerate(_read_list(path))]
    else:
        try:
            objects = [(f"line {line}", entry) for line, entry in read_objects(path)]
        except DataError as error:
            raise DataError(f"{_FLAG}: {error}") from error
    examples = [_example(entry, f"{_FLAG} {path}, {place}") for place, entry in objects]
    if not examples:
        raise DataError(f"{_FLAG} {path}: holds no questions")
    return examples


def _read_list(path: Path) -> list[Any]:
    try:
        entries = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"{_FLAG} {path}: cannot be read ({error.strerror or error}); give a folder in Spider's format or a "
            ".jsonl file"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{_FLAG} {path}: is not JSON ({type(error).__name__}: {error})") from error
    if not isinstance(entries, list):
        raise DataError(f"{_FLAG} {path}: is not a list of objects with question and query")
    return entries


def _example(entry: object, place: str) -> BenchmarkExample:
    if not isinstance(entry, Mapping):
        raise DataError(f"{place}: is not an object with question and query")
    field = next((name for name in QUERY_FIELDS if name in entry), QUERY_FIELDS[0])
    return BenchmarkExample(text_field(entry, "question", place), text_field(entry, field, place))
