"""Score SQL on Spider dev: execution accuracy, test suites, exact set match; a report to read.

Spider (CC BY-SA 4.0) is used for evaluation only.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from text2sql_lightning.benchmarks.spider import Spider, SpiderExample, load_spider
from text2sql_lightning.commands.console import Command
from text2sql_lightning.commands.generating import add_model_flags, answer, check_source, source_name
from text2sql_lightning.commands.scoring import add_scoring_flags, check_scoring, read_by_index, write_report
from text2sql_lightning.errors import ConfigError, DataError
from text2sql_lightning.evaluation.statistics import stratified_sample
from text2sql_lightning.files.atomic import write_json_lines
from text2sql_lightning.inference.baselines import Question
from text2sql_lightning.sql.sample_values import SampleSettings

if TYPE_CHECKING:
    from text2sql_lightning.evaluation.pages import Evaluation


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
    add_scoring_flags(parser, STEM)
    add_model_flags(parser)


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
    check_source(args)
    check_scoring(args)
    if args.sample_values < 0:
        raise ConfigError(f"--sample_values is {args.sample_values}; it must be at least 0")
    if args.test_suite_dir is not None and not args.test_suite_dir.is_dir():
        raise DataError(f"--test_suite_dir {args.test_suite_dir}: no such folder; give one of <db>/*.sqlite")


def _predictions(
    args: Namespace, spider: "Spider", chosen: "Sequence[SpiderExample]"
) -> tuple[list[str], dict[str, str]]:
    if args.predictions is not None:
        found = read_by_index(args.predictions, len(spider.examples), [example.index for example in chosen])
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


def _evaluation(
    args: Namespace,
    spider: "Spider",
    chosen: "Sequence[SpiderExample]",
    predictions: Sequence[str],
    verdicts: Sequence[Any],
    facts: Mapping[str, str],
) -> "Evaluation":
    from text2sql_lightning.evaluation.pages import Evaluation
    from text2sql_lightning.evaluation.results import SPIDER_MEASURES, make_figures
    from text2sql_lightning.evaluation.spider_report import explain_wrong, scored_examples, spider_rules

    databases = spider.database_dir
    differences = explain_wrong(
        chosen,
        predictions,
        verdicts,
        database_dir=databases,
        timeout_s=args.timeout_s,
        workers=args.workers,
        progress=True,
    )
    scored = scored_examples(chosen, predictions, verdicts, differences)
    figures = make_figures(scored, SPIDER_MEASURES, seed=args.seed)
    rules = spider_rules(
        databases=databases is not None, suites=args.test_suite_dir is not None, timeout_s=args.timeout_s
    )
    whole = len(spider.examples)
    sample = f"{len(scored)} of {whole}, stratified by hardness" if len(scored) < whole else "all"
    facts = {"questions": spider.name, "examples": f"{sample}, seed {args.seed}", **facts}
    which = "All" if len(scored) == whole else f"{len(scored):,} of the"
    lead = f"{which} {whole:,} questions of Spider dev, about {figures['databases']} databases."
    return Evaluation(
        f"Spider dev: {source_name(args)}",
        lead,
        scored,
        figures,
        SPIDER_MEASURES,
        facts,
        rules,
        differences,
        "DISTINCT is taken out of both before, see the rules." if databases else "",
    )


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
