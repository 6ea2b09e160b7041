"""The sources that the flags of `text2sql build` name: opened, then read row by row."""

from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.benchmarks.spider import (
    BIRD,
    SPIDER,
    FolderFormat,
    folder_rows,
    folder_schemas,
    question_files,
)
from text2sql_lightning.data.own_database import sqlite_rows, url_rows
from text2sql_lightning.data.sources import (
    EMBEDDED_SOURCE,
    HUB_NAME,
    RawRow,
    csv_rows,
    embedded_rows,
    hub_rows,
    iter_rows,
    parquet_rows,
)
from text2sql_lightning.errors import ConfigError, DataError
from text2sql_lightning.prepare.settings import MixWeight, match_weights
from text2sql_lightning.sql.databases.sqlalchemy import DatabaseUrl
from text2sql_lightning.sql.sample_values import SampleSettings
from text2sql_lightning.sql.schema import Schema

FILE_FLAGS: Final = ("input_jsonl", "input_csv", "input_parquet")
FOLDER_FLAGS: Final = ("spider_dir", "bird_dir")
DATABASE_FLAGS: Final = ("sqlite", "database_url")
HUB_FLAG: Final = "hub"
SAMPLE_FLAG: Final = "sample"


@dataclass(frozen=True)
class GivenSources:
    """What the flags say.

    Attributes:
        sources: Flag and value of each source, in the order in which they were given.
        pairs: The files of pairs, one for each database, in their order.
        samples: Which values stand in the schemas.
        allow_dev: Whether the test questions of folders are read.
        mix: The weight of each source; empty for none.
    """

    sources: tuple[tuple[str, str], ...]
    pairs: tuple[Path, ...]
    samples: SampleSettings
    allow_dev: bool
    mix: tuple[MixWeight, ...]


class _AddSource(Action):
    """Keeps sources in the order in which they are given, whatever their flags."""

    def __call__(self, parser: ArgumentParser, namespace: Namespace, values: Any, option: str | None = None) -> None:
        namespace.sources = [*namespace.sources, ((option or "").lstrip("-"), values)]


def add_source_flags(parser: ArgumentParser) -> None:
    """Add the flags of sources, which may be repeated and combined, and those of mixing and sample values."""
    parser.set_defaults(sources=[], pairs=[], mix=[], exclude_columns="")
    group = parser.add_argument_group(
        "sources", f"Each may be repeated, and all may stand together; without one of them {HUB_NAME} from the hub."
    )

    def source(flag: str, metavar: str, text: str) -> None:
        group.add_argument(f"--{flag}", action=_AddSource, default=SUPPRESS, metavar=metavar, help=text, dest="sources")

    source("input_jsonl", "FILE[.gz]", "rows of question, context, answer as JSON lines")
    source("input_csv", "FILE[.gz]", "the same as CSV (or .tsv) with a header")
    source("input_parquet", "FILE", "the same as Parquet")
    source("spider_dir", "DIR", "a folder in Spider's format: its training questions and databases")
    source("bird_dir", "DIR", "a folder in BIRD's format: its training questions, evidence and databases")
    source("sqlite", "DB", "a SQLite file of your own; needs --pairs")
    text = "your own database by its SQLAlchemy URL or the variable that holds it; needs --pairs and [databases]"
    source("database_url", "URL|env:NAME", f"{text}; only its schema is read")
    add = group.add_argument
    add("--sample", action="store_true", help="read the 4,500 sample rows that the package brings; needs no network")
    text = "questions and SQL about your own database (question, sql), a file for each, in order"
    add("--pairs", type=Path, action="append", default=SUPPRESS, metavar="FILE", help=text)
    add("--hub", action="store_true", help=f"read {HUB_NAME} from the hub beside the other sources")
    add("--allow_dev", action="store_true", help="read dev.json of --spider_dir and --bird_dir too, which is the test")
    text = "share of a source among the training records, over the sum of weights: others are sampled down to the"
    text += " scarcest; xREPEAT repeats its rows up to so many times; val and test keep everything"
    add("--mix", action="append", default=SUPPRESS, metavar="NAME=WEIGHT[xREPEAT]", help=text)
    text = "show N values of each column of real databases in the prompt; these are people's data"
    add("--sample_values", type=int, default=0, metavar="N", help=text)
    add("--exclude_columns", default=SUPPRESS, metavar="T.C,...", help="columns whose values are never shown")


def given_sources(args: Namespace) -> GivenSources:
    """Read what `add_source_flags` added.

    Raises:
        ConfigError: A value that cannot be, or flags that do not go together.
    """
    sample = [(SAMPLE_FLAG, EMBEDDED_SOURCE)] if args.sample else []
    hub = [(HUB_FLAG, HUB_NAME)] if args.hub or not (args.sources or sample) else []
    given = GivenSources(
        sources=(*args.sources, *sample, *hub),
        pairs=tuple(args.pairs),
        samples=SampleSettings(args.sample_values, _names(args.exclude_columns)),
        allow_dev=args.allow_dev,
        mix=tuple(MixWeight.parse(text) for text in args.mix),
    )
    _check(given)
    return given


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _check(given: GivenSources) -> None:
    flags = [flag for flag, _ in given.sources]
    databases = [flag for flag in flags if flag in DATABASE_FLAGS]
    folders = [flag for flag in flags if flag in FOLDER_FLAGS]
    if len(databases) != len(given.pairs):
        raise ConfigError(
            f"{len(given.pairs)} --pairs for {len(databases)} databases: give one --pairs FILE for each --sqlite and "
            "--database_url, in the same order"
        )
    if given.allow_dev and not folders:
        raise ConfigError("--allow_dev is about dev.json of --spider_dir and --bird_dir: give one of them, or leave it")
    if given.samples.count and not databases and not folders:
        raise ConfigError(
            "--sample_values needs a source with databases: --sqlite, --database_url, --spider_dir or --bird_dir"
        )


_READERS: Final = {"input_jsonl": iter_rows, "input_csv": csv_rows, "input_parquet": parquet_rows}
_LAYOUTS: Final[dict[str, FolderFormat]] = {"spider_dir": SPIDER, "bird_dir": BIRD}


@dataclass(frozen=True)
class SourceReader:
    """A source of rows, opened so far that its mistakes are known, not yet read.

    Attributes:
        name: What its records and the report call it.
        rows: Gives its rows.
        inputs: What the rows come from: files to be hashed, by their names in the report.
    """

    name: str
    rows: Callable[[], Iterator[RawRow]]
    inputs: dict[str, Path]


def open_sources(given: GivenSources) -> list[SourceReader]:
    """Make the sources that the flags name; databases and folders are looked at, rows are not read.

    Args:
        given: What the flags say.

    Returns:
        The sources, each with a name of its own.

    Raises:
        ConfigError: An excluded column or the name of a weight that is nowhere, or SQLAlchemy is missing.
        DataError: A file, folder or database that is not there or cannot be used.
    """
    _check_excluded(given)
    pairs = iter(given.pairs)
    names: set[str] = set()
    readers = []
    for flag, value in given.sources:
        if flag in DATABASE_FLAGS:
            readers.append(_open_database(flag, value, next(pairs), given.samples, names))
        elif flag in FOLDER_FLAGS:
            readers.append(_open_folder(flag, Path(value), given, names))
        else:
            readers.append(_open_rows(flag, value, names))
    if given.mix:
        match_weights(given.mix, names)
    return readers


def read_sources(readers: Iterable[SourceReader], inputs: dict[str, str]) -> Iterator[RawRow]:
    """Read all rows, source by source.

    Args:
        readers: The sources.
        inputs: Gets the SHA-256 of what the rows of each source came from, by name, when they are read.

    Yields:
        The rows.
    """
    for reader in readers:
        digest = sha256()
        for row in reader.rows():
            if not reader.inputs:
                digest.update(repr((row.question, row.context, row.answer)).encode())
            yield row
        inputs |= {name: hash_file(path) for name, path in reader.inputs.items()}
        if not reader.inputs:
            inputs[reader.name] = digest.hexdigest()


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _check_excluded(given: GivenSources) -> None:
    """Refuse columns that no database has. A URL's are checked where its schema is read, before any value is."""
    if given.samples.exclude and all(flag != "database_url" for flag, _ in given.sources):
        given.samples.check_names(schema for flag, value in given.sources for schema in _schemas(flag, Path(value)))


def _schemas(flag: str, path: Path) -> Iterable[Schema]:
    if flag in FOLDER_FLAGS:
        return folder_schemas(path, _LAYOUTS[flag]).values()
    return [Schema.from_sqlite(path)] if flag in DATABASE_FLAGS else []


def _open_rows(flag: str, value: str, names: set[str]) -> SourceReader:
    if flag == HUB_FLAG:
        return SourceReader(_own_name(value, names), lambda: hub_rows(), {})
    if flag == SAMPLE_FLAG:
        return SourceReader(_own_name(value, names), lambda: iter(embedded_rows()), {})
    path, read_file = Path(value), _READERS[flag]
    name = _own_name(path.name, names)
    return SourceReader(name, lambda: _renamed(read_file(path), name), {name: path})


def _open_folder(flag: str, path: Path, given: GivenSources, names: set[str]) -> SourceReader:
    layout, name = _LAYOUTS[flag], _own_name(path.resolve().name, names)
    files = question_files(path, layout, allow_dev=given.allow_dev)
    return SourceReader(
        name,
        lambda: folder_rows(path, layout, allow_dev=given.allow_dev, samples=given.samples, source=name),
        {f"{name}/{file.name}": file for file in files},
    )


def _open_database(flag: str, value: str, pairs: Path, samples: SampleSettings, names: set[str]) -> SourceReader:
    if not pairs.is_file():
        raise DataError(f"--pairs {pairs}: no such file")
    url = DatabaseUrl(value) if flag == "database_url" else None
    path = url.sqlite_path if url else Path(value)
    if path is not None:
        name = _own_name(path.name, names)
        rows = sqlite_rows(path, pairs, samples=samples, source=name)
        return SourceReader(name, lambda: rows, {name: path, f"{name} pairs": pairs})
    assert url is not None
    name = _own_name(url.name, names)
    rows = url_rows(url, pairs, samples=samples, source=name)
    return SourceReader(name, lambda: rows, {f"{name} pairs": pairs})


def _own_name(name: str, taken: set[str]) -> str:
    """Return a name that no other source has: of two files of one name the second is `rows.jsonl-2`."""
    number, own = 1, name
    while own in taken:
        number += 1
        own = f"{name}-{number}"
    taken.add(own)
    return own


def _renamed(rows: Iterator[RawRow], name: str) -> Iterator[RawRow]:
    for row in rows:
        yield row if row.source == name else replace(row, source=name)
