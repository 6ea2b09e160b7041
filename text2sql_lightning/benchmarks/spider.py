"""Rows of a folder in Spider's or BIRD's format: questions, whole schemas, and databases to run the answers on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.errors import DataError
from text2sql_lightning.files.jsonl import read_json_list, text_field
from text2sql_lightning.sql.sample_values import SampleSettings, schema_text, sqlite_schema
from text2sql_lightning.sql.schema import Schema

_NO_SAMPLES: Final = SampleSettings()


@dataclass(frozen=True)
class FolderFormat:
    """How a benchmark lays out its folder.

    Attributes:
        name: The benchmark.
        train_files: Files of training questions; those that are not there are passed over.
        dev_file: The file of test questions.
        tables_files: The file of schemas; the first that is there counts.
        database_dirs: The folder of `<db_id>/<db_id>.sqlite`; the first that is there counts.
        query_field: The key of the gold query.
        evidence_field: The key of what the asker knows; nothing where the format has none.
    """

    name: str
    train_files: tuple[str, ...]
    dev_file: str
    tables_files: tuple[str, ...]
    database_dirs: tuple[str, ...]
    query_field: str
    evidence_field: str = ""


SPIDER: Final = FolderFormat(
    "Spider", ("train_spider.json", "train_others.json"), "dev.json", ("tables.json",), ("database",), "query"
)
BIRD: Final = FolderFormat(
    "BIRD", ("train.json",), "dev.json", ("train_tables.json", "dev_tables.json", "tables.json"),
    ("train_databases", "dev_databases", "database"), "SQL", "evidence",
)  # fmt: skip


def folder_rows(
    folder: str | Path,
    layout: FolderFormat,
    *,
    allow_dev: bool = False,
    samples: SampleSettings = _NO_SAMPLES,
    source: str | None = None,
) -> Iterator[RawRow]:
    """Read the training questions of a benchmark's folder.

    The context of a row is the whole schema by the folder's file of tables, as the evaluation of that benchmark shows
    it. Where the database is there, the row names it, and the build executes the answer on it.

    Args:
        folder: The folder.
        layout: `SPIDER` or `BIRD`.
        allow_dev: Whether the test questions are read as well. They are the test: never train on them and report
            figures on them.
        samples: How many values of which columns stand in the schemas; needs the databases.
        source: The rows' source; the folder's name where not given.

    Yields:
        The rows, file by file.

    Raises:
        DataError: A file is missing or malformed, or the folder has only test questions; names file and entry.
    """
    folder = Path(folder)
    files = question_files(folder, layout, allow_dev=allow_dev)
    schemas = _Schemas(folder, layout, samples)
    index = 0
    for path in files:
        for number, entry in enumerate(read_json_list(path)):
            place = f"{path}, entry {number}"
            db_id = text_field(entry, "db_id", place)
            evidence = entry.get(layout.evidence_field) if layout.evidence_field else None
            yield RawRow(
                question=text_field(entry, "question", place),
                context=schemas.context(db_id, place),
                answer=text_field(entry, layout.query_field, place),
                index=index,
                source=source or folder.resolve().name,
                evidence=evidence if isinstance(evidence, str) else "",
                original_split=path.stem,
                database=schemas.database(db_id),
                full_schema=True,
            )
            index += 1
    if not index:
        raise DataError(f"{folder} holds no questions in {', '.join(path.name for path in files)}")


def question_files(folder: Path, layout: FolderFormat, *, allow_dev: bool) -> list[Path]:
    """Return the files of questions that may be read.

    Raises:
        DataError: The folder is missing, has no such file, or only the test's.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: {'a file' if folder.exists() else 'no such folder'}; give a {layout.name} folder")
    files = [folder / name for name in layout.train_files if (folder / name).is_file()]
    dev = folder / layout.dev_file
    if allow_dev and dev.is_file():
        files.append(dev)
    if files:
        return files
    wanted = " or ".join(layout.train_files)
    if dev.is_file():
        raise DataError(
            f"{folder} has {layout.dev_file}, which is the test, and no {wanted}: give a folder of training data, or "
            "--allow_dev (with --no_decontaminate) if no figure on that test will ever be reported"
        )
    raise DataError(f"{folder} has no {wanted}: give the folder of a {layout.name} download")


def folder_schemas(folder: Path, layout: FolderFormat) -> dict[str, Schema]:
    """Read the schemas of a folder.

    Returns:
        The schema of each database id.

    Raises:
        DataError: The file of tables is missing or malformed.
    """
    path = next((folder / name for name in layout.tables_files if (folder / name).is_file()), None)
    if path is None:
        raise DataError(f"{folder} has no {' or '.join(layout.tables_files)}: give a whole {layout.name} folder")
    schemas = {}
    for number, entry in enumerate(read_json_list(path)):
        schemas[text_field(entry, "db_id", f"{path}, entry {number}")] = _schema(entry, path)
    return schemas


def _schema(entry: Mapping[str, Any], path: Path) -> Schema:
    try:
        return Schema.from_spider(entry)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


class _Schemas:
    """Schemas and databases of a folder; each text is made once, and rows on one database share it."""

    def __init__(self, folder: Path, layout: FolderFormat, samples: SampleSettings) -> None:
        self._schemas = folder_schemas(folder, layout)
        self._databases = next((folder / name for name in layout.database_dirs if (folder / name).is_dir()), None)
        self._samples = samples
        self._contexts: dict[str, str] = {}

    def database(self, db_id: str) -> Path | None:
        if self._databases is None or Path(db_id).name != db_id:  # never a file outside the folder
            return None
        path = self._databases / db_id / f"{db_id}.sqlite"
        return path if path.is_file() else None

    def context(self, db_id: str, place: str) -> str:
        if db_id not in self._contexts:
            self._contexts[db_id] = self._make_context(db_id, place)
        return self._contexts[db_id]

    def _make_context(self, db_id: str, place: str) -> str:
        if db_id not in self._schemas:
            raise DataError(f"{place}: database {db_id!r} has no entry in the file of tables")
        schema, database = self._schemas[db_id], self.database(db_id)
        if self._samples.count:
            if database is None:
                raise DataError(f"--sample_values: {place} asks database {db_id!r}, whose .sqlite file is not there")
            schema = sqlite_schema(database, self._samples, schema)
        return schema_text(schema, self._samples)
