"""Score SQL on Spider dev: execution accuracy, test suites, exact set match; a report to read.

Spider (CC BY-SA 4.0) is used for evaluation only.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from text2sql_lightning.benchmarks.spider import Spider, SpiderExample, load_spider
from text2sql_lightning.commands.console import Command
from text2sql_lightning.commands.scoring import (
    add_flags,
    answer,
    check_flags,
    read_predictions,
    source_name,
    write_report,
)
from text2sql_lightning.errors import ConfigError, DataError
from text2sql_lightning.evaluation.pages import Evaluation
from text2sql_lightning.evaluation.results import SPIDER_MEASURES, make_figures
from text2sql_lightning.evaluation.statistics import stratified_sample
from text2sql_lightning.files.atomic import write_json_lines
from text2sql_lightning.files.jsonl import JsonObject, decode_line, json_type, read_lines
from text2sql_lightning.inference.baselines import Question
from text2sql_lightning.sql.sample_values import SampleSettings

if TYPE_CHECKING:
    from text2sql_lightning.evaluation.spider.score import SpiderVerdict

STEM: Final = "eval_spider"
PREDICTIONS: Final = "predictions_spider.jsonl"


def _add_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    text = "folder with dev.json, tables.json and database/; without it from the hub"
    add("--spider_dir", type=Path, metavar="DIR", help=text)
    text = 'one SQL a line for all of dev, or JSON lines {"index": 0, "sql": "..."}'
    add("--predictions", type=Path, metavar="FILE", help=text)
    text = "folder of <db>/*.sqlite: a prediction must agree with gold on every file"
    add("--test_suite_dir", type=Path, metavar="DIR", help=text)
    add("--sample_values", type=int, default=0, metavar="N", help="show N values of each column in the prompt")
    add_flags(parser, STEM)


def _run(args: Namespace) -> None:
    _check(args)
    from text2sql_lightning.evaluation.spider.score import score_spider
    from text2sql_lightning.evaluation.spider_report import spider_row

    spider = load_spider(args.spider_dir)
    chosen = choose_examples(spider, args.max_examples, seed=args.seed)
    predictions, facts = _predictions(args, spider, chosen)
    verdicts = score_spider(
        chosen,
        predictions,
        spider.schemas,
        database_dir=spider.database_dir,
        test_suite_dir=args.test_suite_dir,
        timeout_s=args.timeout_s,
        workers=args.workers,
        progress=True,
    )
    evaluation = _evaluation(args, spider, chosen, predictions, verdicts, facts)
    write_report(args, STEM, evaluation, map(spider_row, evaluation.examples))
    if spider.database_dir is None:
        print("There are no databases, so only exact set match is measured; give --spider_dir with database/")


def _check(args: Namespace) -> None:
    check_flags(args)
    if args.sample_values < 0:
        raise ConfigError(f"--sample_values is {args.sample_values}; it must be at least 0")
    if args.test_suite_dir is not None and not args.test_suite_dir.is_dir():
        raise DataError(f"--test_suite_dir {args.test_suite_dir}: no such folder; give one of <db>/*.sqlite")


def _predictions(args: Namespace, spider: Spider, chosen: Sequence[SpiderExample]) -> tuple[list[str], dict[str, str]]:
    if args.predictions is not None:
        found = _read_by_index(args.predictions, len(spider.examples), [example.index for example in chosen])
        return found, {"predictions": str(args.predictions)}

    answers, facts = answer(args, spider_questions(spider, chosen, sample_values=args.sample_values))
    rows = [
        {"index": example.index, "sql": each.sql, "raw": each.raw, "num_tokens": each.num_tokens}
        for example, each in zip(chosen, answers, strict=True)
    ]
    write_json_lines(args.out_dir / PREDICTIONS, rows)  # before scoring: they took much longer than that will
    facts["schema"] = "whole: tables, columns, types, primary and foreign keys"
    facts["sample_values"] = f"{args.sample_values} of each column"
    return [each.sql for each in answers], facts


def _read_by_index(path: Path, total: int, wanted: Sequence[int]) -> list[str]:
    """Read the predictions for examples that are known by their number.

    Args:
        path: One query a line (what follows a tab is ignored, an empty line is an empty answer), or JSON lines with
            `index` and the query.
        total: Examples in the whole set: a plain file has as many lines.
        wanted: The examples to give.
    """
    if not _is_json_lines(path):
        lines = [decode_line(line, path, number).split("\t")[0].strip() for number, line in read_lines(path)]
        if len(lines) != total:
            raise DataError(
                f"{path}, line {len(lines)}: the file ends, with {len(lines)} queries for {total} examples; one query "
                'a line, in the order of the examples, or JSON lines {"index": 0, "sql": "..."}'
            )
        return [lines[index] for index in wanted]
    found = read_predictions(path, "index", lambda entry, place: _index_of(entry, total, place))
    for index in wanted:
        if index not in found:
            raise DataError(
                f"{path}: index {index} is missing; it has {len(found)} predictions, and every example needs one"
            )
    return [found[index] for index in wanted]


def _index_of(entry: JsonObject, total: int, place: str) -> int:
    index = entry.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        given = json_type(index) if "index" in entry else "no such field"
        raise DataError(f"{place}, field index: expected a number from 0 to {total - 1}, got {given}")
    if not 0 <= index < total:
        raise DataError(f"{place}: index {index} is unknown; there are examples 0 to {total - 1}")
    return index


def _is_json_lines(path: Path) -> bool:
    first = next((line.strip() for _, line in read_lines(path) if line.strip()), b"")
    return path.suffix in (".jsonl", ".gz") or first.startswith(b"{")


def _evaluation(
    args: Namespace,
    spider: Spider,
    chosen: Sequence[SpiderExample],
    predictions: Sequence[str],
    verdicts: "Sequence[SpiderVerdict]",
    facts: Mapping[str, str],
) -> Evaluation:
    from text2sql_lightning.evaluation.spider_report import explain_wrong, scored_examples, spider_rules

    databases, limits = spider.database_dir, {"timeout_s": args.timeout_s, "workers": args.workers}
    differences = explain_wrong(chosen, predictions, verdicts, database_dir=databases, progress=True, **limits)
    scored = scored_examples(chosen, predictions, verdicts, differences)
    figures = make_figures(scored, SPIDER_MEASURES, seed=args.seed)
    suites = args.test_suite_dir is not None
    rules = spider_rules(databases=databases is not None, suites=suites, timeout_s=args.timeout_s)
    whole = len(spider.examples)
    sample = f"{len(scored)} of {whole}, stratified by hardness" if len(scored) < whole else "all"
    facts = {"questions": spider.name, "examples": f"{sample}, seed {args.seed}", **facts}
    which = "All" if len(scored) == whole else f"{len(scored):,} of the"
    title = f"Spider dev: {source_name(args)}"
    lead = f"{which} {whole:,} questions of Spider dev, about {figures['databases']} databases."
    note = "DISTINCT is taken out of both before, see the rules." if databases else ""
    return Evaluation(title, lead, scored, figures, SPIDER_MEASURES, facts, rules, differences, note)


def choose_examples(spider: Spider, count: int | None, *, seed: int) -> list[SpiderExample]:
    """Take a seeded sample with dev's shares of hardness; all where the count is None."""
    from text2sql_lightning.sql.hardness import hardness  # imports sqlglot, which --help need not wait for

    ratings = [str(hardness(example.gold)) for example in spider.examples]
    return [spider.examples[at] for at in stratified_sample(ratings, count, seed=seed)]


def spider_questions(spider: Spider, examples: Sequence[SpiderExample], *, sample_values: int = 0) -> list[Question]:
    """Return each question with the whole schema of its database.

    Args:
        spider: The benchmark.
        examples: The questions.
        sample_values: How many values of each column stand in the prompt.

    Raises:
        ConfigError: Sample values are wanted and there are no databases, or too many of them are.
        DataError: Sample values are wanted and a database cannot be read.
    """
    samples = SampleSettings(sample_values)
    if samples.count and spider.database_dir is None:
        raise ConfigError(f"--sample_values {sample_values} needs databases, and there are none: leave it out")
    return [Question(spider.context(example.db_id, samples), example.question) for example in examples]


main = Command("text2sql spider", __doc__, _add_flags, _run)

if __name__ == "__main__":
    raise SystemExit(main())
