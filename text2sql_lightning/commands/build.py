"""Build training data: rows of questions and SQL become records, split into train, val and test, with a report."""

import os
from argparse import SUPPRESS, Action, ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.commands.console import Command
from text2sql_lightning.data.sources import HUB_NAME
from text2sql_lightning.files.atomic import errors_naming
from text2sql_lightning.prepare.decontaminate import benchmark_files
from text2sql_lightning.prepare.output import REPORT_PAGE, check_out_dir, open_dataset
from text2sql_lightning.prepare.pipeline import stream_dataset
from text2sql_lightning.prepare.settings import LITERAL_CASES, SPLIT_KINDS, BuildSettings, MixWeight
from text2sql_lightning.prepare.sources import SOURCES, GivenSources, hash_file, open_sources, read_sources
from text2sql_lightning.prepare.split import SPLITS
from text2sql_lightning.sql.sample_values import SampleSettings

_MOST_WORKERS: Final = 8


def _add_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--out_dir", type=Path, default=Path("data/processed"), help="folder for the records and the report")
    add("--val_ratio", type=float, default=0.08, help="share of the kept rows for val")
    add("--test_ratio", type=float, default=0.05, help="share of the kept rows for test")
    add("--seed", type=int, default=42, help="decides sample, split and order")
    add("--max_rows", type=int, metavar="N", help="read a seeded sample of N rows, never the first N")
    add("--split_by", choices=SPLIT_KINDS, default="schema", help="keep rows of a schema in one split, or not")
    add("--literal_case", choices=LITERAL_CASES, default="question", help="case of text literals in the SQL")
    text = "mean number of columns that the answer does not need; 0 leaves schemas as they are"
    add("--distractors", type=float, default=3.0, metavar="MEAN", help=text)
    text = "also drop rows of this test set: a folder in Spider's format, or JSON lines (question, query); repeatable"
    add("--decontaminate_against", type=Path, action="append", default=[], metavar="DIR|FILE", help=text)
    add("--no_decontaminate", action="store_true", help="keep rows that are in Spider dev; report and runs say so")
    add("--tokenizer", metavar="DIR|NAME", help="also report lengths in tokens of this tokenizer")
    add("--overwrite", action="store_true", help="replace the dataset in --out_dir")
    workers = min(os.cpu_count() or 1, _MOST_WORKERS)
    add("--workers", type=int, default=workers, help="processes; the result does not depend on it")
    _add_source_flags(parser)


class _AddSource(Action):
    """Keeps sources in the order in which they are given, whatever their flags."""

    def __call__(self, parser: ArgumentParser, namespace: Namespace, values: object, option: str | None = None) -> None:
        namespace.sources = [*namespace.sources, ((option or "").lstrip("-"), values)]


def _add_source_flags(parser: ArgumentParser) -> None:
    parser.set_defaults(sources=[], pairs=[], mix=[], exclude_columns="")
    group = parser.add_argument_group(
        "sources", f"Each may be repeated, and all may be combined; without one of them {HUB_NAME} from the hub."
    )
    add = group.add_argument
    for flag, kind in SOURCES.items():
        if kind.takes:
            add(f"--{flag}", action=_AddSource, default=SUPPRESS, metavar=kind.takes, help=kind.help, dest="sources")
        else:
            add(f"--{flag}", action="store_true", help=kind.help)
    text = "questions and SQL about your own database (question, sql), a file for each, in order"
    add("--pairs", type=Path, action="append", default=SUPPRESS, metavar="FILE", help=text)
    add("--allow_dev", action="store_true", help="read dev.json of --spider_dir and --bird_dir too, which is the test")
    text = (
        "share of a source among the training records, as weight over the sum of weights: the others are sampled down "
        "to the scarcest; xREPEAT lets rows of the source occur up to so many times; val and test keep everything"
    )
    add("--mix", action="append", default=SUPPRESS, metavar="NAME=WEIGHT[xREPEAT]", help=text)
    text = "show N values of each column of real databases in the prompt; these are people's data"
    add("--sample_values", type=int, default=0, metavar="N", help=text)
    add("--exclude_columns", default=SUPPRESS, metavar="T.C,...", help="columns whose values are never shown")


def _given_sources(args: Namespace) -> GivenSources:
    switched = [(flag, "") for flag, kind in SOURCES.items() if not kind.takes and getattr(args, flag)]
    excluded = tuple(name.strip() for name in args.exclude_columns.split(",") if name.strip())
    return GivenSources(
        sources=(*args.sources, *switched) or (("hub", ""),),
        pairs=tuple(args.pairs),
        samples=SampleSettings(args.sample_values, excluded),
        allow_dev=args.allow_dev,
        mix=tuple(MixWeight.parse(text) for text in args.mix),
    )


def _build(args: Namespace) -> None:
    sources = _given_sources(args)
    settings = BuildSettings(
        val_ratio=args.val_ratio,
        test_ratio=args.test_ratio,
        seed=args.seed,
        max_rows=args.max_rows,
        literal_case=args.literal_case,
        split_by=args.split_by,
        distractors=args.distractors,
        decontaminate=not args.no_decontaminate,
        decontaminate_against=tuple(args.decontaminate_against),
        mix=sources.mix,
        workers=args.workers,
    )
    check_out_dir(args.out_dir, overwrite=args.overwrite)
    count_tokens = _token_counter(args.tokenizer) if args.tokenizer else None
    readers, inputs = open_sources(sources), dict[str, str]()
    with errors_naming(args.out_dir), open_dataset(args.out_dir, overwrite=args.overwrite) as writer:
        rows = read_sources(readers, inputs)
        report = stream_dataset(rows, settings, writer.scratch, writer.add, count_tokens=count_tokens, progress=True)
        for name, path in benchmark_files(settings.decontaminate_against):
            inputs[name] = hash_file(path)
        report = writer.finish(report, inputs)
    _print_summary(args.out_dir, report)


def _token_counter(name: str) -> Callable[[Sequence[str]], list[int]]:
    from text2sql_lightning.text.tokenizer import encode_texts, load_tokenizer

    tokenizer = load_tokenizer(name, setting="--tokenizer")
    return lambda texts: [len(ids) for ids in encode_texts(tokenizer, texts)]


def _print_summary(out_dir: Path, report: dict[str, Any]) -> None:
    counts = ", ".join(f"{split} {report['splits'][split]['records']}" for split in SPLITS)
    dropped = ", ".join(f"{reason} {entry['count']}" for reason, entry in report["dropped"].items())
    print(f"Wrote {counts} records to {out_dir}; report: {out_dir / REPORT_PAGE}")
    print(f"Dropped {report['rows_dropped']} of {report['rows_read']} rows{f': {dropped}' if dropped else ''}")


main = Command("text2sql build", __doc__, _add_flags, _build)

if __name__ == "__main__":
    raise SystemExit(main())
