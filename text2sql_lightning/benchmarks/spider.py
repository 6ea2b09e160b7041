"""Spider and BIRD, from a folder or from the hub: questions, whole schemas, and databases to run the answers on."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.benchmarks.spider_hub import DATABASES, QUESTIONS, SCHEMAS, hub_databases, hub_spider
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
        tables_files: The file of schemas; the first that is there counts.
        database_dirs: The folder of `<db_id>/<db_id>.sqlite`; the first that is there counts.
        query_field: The key of the gold query.
        dev_file: The file of test questions.
    """

    name: str
    train_files: tuple[str, ...]
    tables_files: tuple[str, ...]
    database_dirs: tuple[str, ...]
    query_field: str
    dev_file: str = "dev.json"


SPIDER: Final = FolderFormat(
    "Spider", ("train_spider.json", "train_others.json"), ("tables.json",), ("database",), "query"
)
BIRD: Final = FolderFormat(
    "BIRD",
    ("train.json",),
    ("train_tables.json", "dev_tables.json", "tables.json"),
    ("train_databases", "dev_databases", "database"),
    "SQL",
)


@dataclass(frozen=True)
class SpiderExample:
    """A question about a database, and the query that answers it.

    Attributes:
        index: Its position among the examples that were read.
        db_id: The database.
        question: The question.
        gold: The query.
        split: The file that it is from, without `.json`.
        evidence: What the asker knows; empty where the benchmark has none.
    """

    index: int
    db_id: str
    question: str
    gold: str
    split: str = "dev"
    evidence: str = ""


@dataclass
class Spider:
    """Questions of a benchmark, and the databases that they are about.

    Attributes:
        examples: The questions.
        schemas: The schema of each database.
        database_dir: Folder of `<db_id>/<db_id>.sqlite`, where there is one.
        name: Where it is from.
    """

    examples: list[SpiderExample]
    schemas: dict[str, Schema]
    database_dir: Path | None
    name: str
    _contexts: dict[tuple[str, SampleSettings], str] = field(default_factory=dict, repr=False)

    def database(self, db_id: str) -> Path | None:
        """Return a database's file, where it is there."""
        if self.database_dir is None or Path(db_id).name != db_id:  # never a file outside the folder
            return None
        path = self.database_dir / db_id / f"{db_id}.sqlite"
        return path if path.is_file() else None

    def context(self, db_id: str, samples: SampleSettings = _NO_SAMPLES) -> str:
        """Return the whole schema of a database as a prompt shows it; questions on one database share the text.

        Args:
            db_id: The database.
            samples: How many values of which columns it shows; needs the databases.

        Raises:
            DataError: Sample values are wanted and the database is missing or cannot be read.
        """
        if (db_id, samples) not in self._contexts:
            schema = self.schemas[db_id]
            if samples.count:
                path = self.database(db_id)
                if path is None:
                    raise DataError(f"--sample_values: {self.name} asks {db_id!r}, whose .sqlite file is not there")
                schema = sqlite_schema(path, samples, schema)
            self._contexts[db_id, samples] = schema_text(schema, samples)
        return self._contexts[db_id, samples]


def load_spider(folder: Path | None) -> Spider:
    """Read the questions of Spider dev from a folder, or load them from the hub.

    Raises:
        DataError: A file is missing or malformed, or the hub cannot be reached.
    """
    if folder is not None:
        return _read_folder(Path(folder), SPIDER, [Path(folder) / SPIDER.dev_file])
    rows, schemas = hub_spider()
    examples = list(_examples(enumerate(rows), f"{QUESTIONS}, row", SPIDER.query_field))
    databases = hub_databases(sorted(schemas))
    return Spider(examples, schemas, databases, ", ".join([QUESTIONS, SCHEMAS, *([DATABASES] if databases else [])]))


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
        samples: How many values of which columns the schemas show; needs the databases.
        source: The rows' source; the folder's name where not given.

    Yields:
        The rows, file by file.

    Raises:
        DataError: A file is missing or malformed, or the folder has only test questions; names file and entry.
    """
    folder = Path(folder)
    files = question_files(folder, layout, allow_dev=allow_dev)
    benchmark = _read_folder(folder, layout, files)
    if not benchmark.examples:
        raise DataError(f"{folder} holds no questions in {', '.join(path.name for path in files)}")
    for example in benchmark.examples:
        yield RawRow(
            question=example.question,
            context=benchmark.context(example.db_id, samples),
            answer=example.gold,
            index=example.index,
            source=source or folder.resolve().name,
            evidence=example.evidence,
            original_split=example.split,
            database=benchmark.database(example.db_id),
            full_schema=True,
        )


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
    """Read the schema of each database of a folder.

    Raises:
        DataError: The file of tables is missing or malformed.
    """
    path = next((folder / name for name in layout.tables_files if (folder / name).is_file()), None)
    if path is None:
        raise DataError(f"{folder} has no {' or '.join(layout.tables_files)}: give a whole {layout.name} folder")
    schemas = {}
    for number, entry in enumerate(read_json_list(path)):
        db_id = text_field(entry, "db_id", f"{path}, entry {number}")
        try:
            schemas[db_id] = Schema.from_spider(entry)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
    return schemas


def _read_folder(folder: Path, layout: FolderFormat, files: Iterable[Path]) -> Spider:
    schemas = folder_schemas(folder, layout)
    examples: list[SpiderExample] = []
    for path in files:
        entries = enumerate(read_json_list(path))
        for example in _examples(entries, f"{path}, entry", layout.query_field, path.stem, len(examples)):
            if example.db_id not in schemas:
                raise DataError(f"{path} asks database {example.db_id!r}, which {folder} has no tables of")
            examples.append(example)
    databases = next((folder / name for name in layout.database_dirs if (folder / name).is_dir()), None)
    return Spider(examples, schemas, databases, str(folder))


def _examples(
    entries: Iterable[tuple[int, Mapping[str, Any]]], place: str, query_field: str, split: str = "dev", first: int = 0
) -> Iterator[SpiderExample]:
    for number, entry in entries:
        db_id, question, gold = (
            text_field(entry, name, f"{place} {number}") for name in ("db_id", "question", query_field)
        )
        evidence = entry.get("evidence")
        yield SpiderExample(first + number, db_id, question, gold, split, evidence if isinstance(evidence, str) else "")
