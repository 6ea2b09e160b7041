"""Flags of `build_dataset` that say where rows come from."""

from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.data.build.mix_weights import MixWeight
from text2sql_lightning.data.sources import HUB_NAME
from text2sql_lightning.errors import ConfigError
from text2sql_lightning.sql.sample_values import SampleSettings

FILE_FLAGS: Final = ("input_jsonl", "input_csv", "input_parquet")
FOLDER_FLAGS: Final = ("spider_dir", "bird_dir")
DATABASE_FLAGS: Final = ("sqlite", "database_url")
HUB_FLAG: Final = "hub"


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
    source("database_url", "URL|env:NAME", "a database of your own by its SQLAlchemy URL, or by the environment "
           "variable that holds it; only its schema is read; needs --pairs and the extra [databases]")  # fmt: skip
    add = group.add_argument
    add("--pairs", type=Path, action="append", default=SUPPRESS, metavar="FILE",
        help="questions and SQL about your own database (question, sql), a file for each, in order")  # fmt: skip
    add("--hub", action="store_true", help=f"read {HUB_NAME} from the hub beside the other sources")
    add("--allow_dev", action="store_true", help="read dev.json of --spider_dir and --bird_dir too, which is the test")
    add("--mix", action="append", default=SUPPRESS, metavar="NAME=WEIGHT[xREPEAT]",
        help="share of a source among the training records, as weight over the sum of weights: the others are sampled "
        "down to the scarcest; xREPEAT lets rows of the source stand up to so many times; val and test keep "
        "everything")  # fmt: skip
    add("--sample_values", type=int, default=0, metavar="N",
        help="show N values of each column of real databases in the prompt; these are people's data")  # fmt: skip
    add("--exclude_columns", default=SUPPRESS, metavar="T.C,...", help="columns whose values are never shown")


def given_sources(args: Namespace) -> GivenSources:
    """Read what `add_source_flags` added.

    Raises:
        ConfigError: A value that cannot be, or flags that do not go together.
    """
    hub = [(HUB_FLAG, HUB_NAME)] if args.hub or not args.sources else []
    given = GivenSources(
        sources=(*args.sources, *hub),
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
