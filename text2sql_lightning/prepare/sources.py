"""The registry of sources of rows: a new one is a function that reads it and an entry of `SOURCES`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import file_digest, sha256
from itertools import chain, count
from pathlib import Path
from typing import Final, Literal, NamedTuple

from text2sql_lightning.benchmarks.spider import BIRD, SPIDER, FolderFormat, folder_rows, folder_schemas, question_files
from text2sql_lightning.data.sources import (
    EMBEDDED_SOURCE,
    HUB_NAME,
    RawRow,
    csv_rows,
    embedded_rows,
    hub_rows,
    iter_rows,
    parquet_rows,
    sqlite_rows,
    url_rows,
)
from text2sql_lightning.errors import ConfigError, DataError
from text2sql_lightning.prepare.settings import MixWeight, match_weights
from text2sql_lightning.sql.databases.sqlalchemy import DatabaseUrl
from text2sql_lightning.sql.sample_values import SampleSettings
from text2sql_lightning.sql.schema import Schema

_NO_SAMPLES: Final = SampleSettings()


@dataclass(frozen=True)
class SourceReader:
    """A source of rows, opened so far that its mistakes are known, not yet read.

    Attributes:
        name: The name in its records and in the report.
        rows: Reads its rows.
        inputs: What the rows come from: files to be hashed, by their names in the report.
    """

    name: str
    rows: Callable[[], Iterator[RawRow]]
    inputs: dict[str, Path]


@dataclass(frozen=True)
class GivenSources:
    """The sources of a build.

    Attributes:
        sources: Kind and value of each source, in the order in which they were given.
        pairs: The files of pairs, one for each database, in their order.
        samples: Which values are shown in the schemas.
        allow_dev: Whether the test questions of folders are read.
        mix: The weight of each source; empty for none.
    """

    sources: tuple[tuple[str, str], ...]
    pairs: tuple[Path, ...] = ()
    samples: SampleSettings = _NO_SAMPLES
    allow_dev: bool = False
    mix: tuple[MixWeight, ...] = ()

    def __post_init__(self) -> None:
        """Refuse flags that do not go together.

        Raises:
            ConfigError: Names the flags and what to do.
        """
        holds = [SOURCES[kind].holds for kind, _ in self.sources]
        if holds.count("database") != len(self.pairs):
            raise ConfigError(
                f"{len(self.pairs)} --pairs for {holds.count('database')} databases: give one --pairs FILE for each "
                f"{_flags('database')}, in the same order"
            )
        if self.allow_dev and "folder" not in holds:
            raise ConfigError(f"--allow_dev is about dev.json of {_flags('folder')}: give one of them, or leave it")
        if self.samples.count and set(holds) <= {"rows"}:
            raise ConfigError(f"--sample_values needs a source with databases: {_flags('database', 'folder')}")


class _Opening(NamedTuple):
    """What a source is opened with: the build's sources, their pairs that are left, and the names that are taken."""

    given: GivenSources
    pairs: Iterator[Path]
    names: set[str]

    def own_name(self, name: str) -> str:
        """Return a name that no other source has: of two files of one name the second is `rows.jsonl-2`."""
        own = next(own for own in chain([name], (f"{name}-{n}" for n in count(2))) if own not in self.names)
        self.names.add(own)
        return own


class SourceKind(NamedTuple):
    """A kind of source.

    Attributes:
        takes: What the flag takes, for the help; empty where it takes nothing.
        help: What the flag is for.
        open: Opens the source with the flag's value.
        holds: Rows alone; or a folder with databases; or a database, to which a file of pairs belongs.
        schemas: Returns the schemas of the flag's value; None where these are known when it is opened.
    """

    takes: str
    help: str
    open: Callable[[str, _Opening], SourceReader]
    holds: Literal["rows", "folder", "database"] = "rows"
    schemas: Callable[[Path], Iterable[Schema]] | None = lambda path: ()


def open_sources(given: GivenSources) -> list[SourceReader]:
    """Open the sources, each with a name of its own; databases and folders are looked at, rows are not read.

    Raises:
        ConfigError: An excluded column or the name of a weight that is nowhere, or SQLAlchemy is missing.
        DataError: A file, folder or database that is not there or cannot be used.
    """
    looks = [(SOURCES[kind].schemas, Path(value)) for kind, value in given.sources]
    if given.samples.exclude and all(look for look, _ in looks):
        given.samples.check_names(schema for look, path in looks if look for schema in look(path))
    opening = _Opening(given, iter(given.pairs), set())
    readers = [SOURCES[kind].open(value, opening) for kind, value in given.sources]
    if given.mix:
        match_weights(given.mix, opening.names)
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
            yield row if row.source == reader.name else replace(row, source=reader.name)
        inputs |= {name: hash_file(path) for name, path in reader.inputs.items()} or {reader.name: digest.hexdigest()}


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _file(read: Callable[[Path], Iterator[RawRow]], value: str, opening: _Opening) -> SourceReader:
    path = Path(value)
    name = opening.own_name(path.name)
    return SourceReader(name, lambda: read(path), {name: path})


def _folder(layout: FolderFormat, value: str, opening: _Opening) -> SourceReader:
    path, given = Path(value), opening.given
    name = opening.own_name(path.resolve().name)
    files = question_files(path, layout, allow_dev=given.allow_dev)
    rows = partial(folder_rows, path, layout, allow_dev=given.allow_dev, samples=given.samples, source=name)
    return SourceReader(name, rows, {f"{name}/{file.name}": file for file in files})


def _database(url: DatabaseUrl | None, path: Path | None, opening: _Opening) -> SourceReader:
    pairs, samples = next(opening.pairs), opening.given.samples
    if not pairs.is_file():
        raise DataError(f"--pairs {pairs}: no such file")
    name = opening.own_name(path.name if path else url.name if url else "")
    if path:
        rows = sqlite_rows(path, pairs, samples=samples, source=name)
        return SourceReader(name, lambda: rows, {name: path, f"{name} pairs": pairs})
    assert url is not None
    rows = url_rows(url, pairs, samples=samples, source=name)
    return SourceReader(name, lambda: rows, {f"{name} pairs": pairs})


def _sqlite(value: str, opening: _Opening) -> SourceReader:
    return _database(None, Path(value), opening)


def _url(value: str, opening: _Opening) -> SourceReader:
    url = DatabaseUrl(value)
    return _database(url, url.sqlite_path, opening)


SOURCES: Final = {
    "input_jsonl": SourceKind("FILE[.gz]", "rows of question, context, answer: JSON lines", partial(_file, iter_rows)),
    "input_csv": SourceKind("FILE[.gz]", "the same as CSV (or .tsv) with a header", partial(_file, csv_rows)),
    "input_parquet": SourceKind("FILE", "the same as Parquet", partial(_file, parquet_rows)),
    "spider_dir": SourceKind(
        "DIR", "a folder in Spider's format: its training questions and databases", partial(_folder, SPIDER), "folder",
        lambda path: folder_schemas(path, SPIDER).values(),
    ),
    "bird_dir": SourceKind(
        "DIR", "a folder in BIRD's format: its training questions, evidence and databases", partial(_folder, BIRD),
        "folder", lambda path: folder_schemas(path, BIRD).values(),
    ),
    "sqlite": SourceKind(
        "DB", "a SQLite file of your own; needs --pairs", _sqlite, "database", lambda path: [Schema.from_sqlite(path)]
    ),
    "database_url": SourceKind(
        "URL|env:NAME", "a database of your own by its SQLAlchemy URL, or by the environment variable that holds it; "
        "only its schema is read; needs --pairs and the extra [databases]", _url, "database", None,
    ),
    "sample": SourceKind(
        "", "read the 4,500 sample rows that the package brings; needs no network",
        lambda _, opening: SourceReader(opening.own_name(EMBEDDED_SOURCE), lambda: iter(embedded_rows()), {}),
    ),
    "hub": SourceKind(
        "", f"read {HUB_NAME} from the hub, as without any source",
        lambda _, opening: SourceReader(opening.own_name(HUB_NAME), lambda: hub_rows(), {}),
    ),
}  # fmt: skip
"""By the name of their flags."""


def _flags(*holding: str) -> str:
    *others, last = [f"--{kind}" for holds in holding for kind, source in SOURCES.items() if source.holds == holds]
    return f"{', '.join(others)} and {last}"
