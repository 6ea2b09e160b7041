"""Score SQL on records (val.jsonl, test.jsonl), on databases made for each record; a report to read."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from text2sql_lightning.commands.console import Command, print_figures
from text2sql_lightning.commands.generating import add_model_flags, answer, check_source, source_name
from text2sql_lightning.commands.prediction_files import read_by_id
from text2sql_lightning.errors import ConfigError, DataError
from text2sql_lightning.files.atomic import write_json_lines
from text2sql_lightning.runs.run_meta import package_versions

if TYPE_CHECKING:
    from text2sql_lightning.data.records import Record
    from text2sql_lightning.evaluation.internal_report import Case
    from text2sql_lightning.evaluation.pages import Evaluation

STEM: Final = "eval_internal"
PREDICTIONS: Final = "predictions_internal.jsonl"


def _add_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--records", type=Path, required=True, metavar="FILE", help="val.jsonl or test.jsonl of text2sql build")
    add("--predictions", type=Path, metavar="FILE",
        help='predictions.jsonl of text2sql predict or test, or JSON lines {"id": "...", "sql": "..."}')  # fmt: skip
    add("--max_examples", type=int, metavar="N", help="score a seeded sample with the file's shares of hardness")
    add("--timeout_s", type=float, default=5.0, help="seconds that a query may take on one database")
    add("--workers", type=int, default=1, help="processes that execute; the verdicts do not depend on it")
    add("--out_dir", type=Path, default=Path("reports"), help=f"folder for {STEM}.json, .jsonl, .md, .html, pictures")
    add("--seed", type=int, default=0, help="decides the databases, the sample and the intervals")
    add_model_flags(parser)


def _run(args: Namespace) -> None:
    check_source(args)
    if args.workers < 1 or not args.timeout_s > 0:
        raise ConfigError("--workers must be at least 1 and --timeout_s above 0")
    from text2sql_lightning.data.records import read_records

    records = read_records(args.records)
    cases, facts = _answered(args, records)
    _write(args, _evaluate(args, cases, {"records": f"{args.records} ({len(records)})", **facts}))


def _answered(args: Namespace, records: "Sequence[Record]") -> "tuple[list[Case], Mapping[str, str]]":
    if args.predictions is None:
        chosen = _choose(records, args)
        return _answered_by_model(args, chosen)
    found = read_by_id(args.predictions, [record.id for record in records])
    chosen = _choose([record for record in records if record.id in found], args)
    facts = {"predictions": f"{args.predictions} ({len(found)} records)"}
    return [_case(record, found[record.id]) for record in chosen], facts


def _answered_by_model(args: Namespace, chosen: "Sequence[Record]") -> "tuple[list[Case], Mapping[str, str]]":
    from text2sql_lightning.inference.baselines import Question

    questions = [Question(record.context, record.question, record.instruction) for record in chosen]
    answers, facts = answer(args, questions)
    rows = [
        {"id": record.id, "question": record.question, "gold": record.output, "predicted": each.sql, "raw": each.raw,
         "num_tokens": each.num_tokens}
        for record, each in zip(chosen, answers, strict=True)
    ]  # fmt: skip
    write_json_lines(args.out_dir / PREDICTIONS, rows)  # before scoring: they took much longer than that will
    return [_case(record, each.sql) for record, each in zip(chosen, answers, strict=True)], facts


def _case(record: "Record", predicted: str) -> "Case":
    from text2sql_lightning.evaluation.internal_report import make_case

    gold, meta = record.output or "", record.meta
    return make_case(record.id, record.question, record.context, gold, predicted, record.source, meta)


def _choose(records: "Sequence[Record]", args: Namespace) -> "list[Record]":
    from text2sql_lightning.evaluation.statistics import stratified_sample
    from text2sql_lightning.sql.hardness import hardness

    ratings = [str(record.meta.get("hardness") or hardness(record.output or "")) for record in records]
    return [records[at] for at in stratified_sample(ratings, args.max_examples, seed=args.seed)]


def _evaluate(args: Namespace, cases: "Sequence[Case]", facts: Mapping[str, str]) -> "Evaluation":
    from text2sql_lightning.evaluation.execution_accuracy import score_many
    from text2sql_lightning.evaluation.internal_report import INTERNAL_RULES, explain_wrong, scored_cases
    from text2sql_lightning.evaluation.pages import Evaluation
    from text2sql_lightning.evaluation.results import INTERNAL_MEASURES, make_figures

    items = [(case.context, case.gold, case.predicted) for case in cases]
    verdicts = score_many(items, seed=args.seed, timeout_s=args.timeout_s, workers=args.workers, progress=True)
    differences = explain_wrong(
        cases, verdicts, timeout_s=args.timeout_s, workers=args.workers, seed=args.seed, progress=True
    )
    scored = scored_cases(cases, verdicts, differences, workers=args.workers)
    valid = [example for example in scored if example.holds("exec") is not None]
    if not valid:
        raise DataError(f"none of the {len(scored)} records has a gold query that runs on its own tables")
    invalid = len(scored) - len(valid)
    figures = {**make_figures(valid, INTERNAL_MEASURES, seed=args.seed), "gold_invalid": invalid}
    facts = {**facts, "left out": f"{invalid} records whose gold query does not run", "seed": str(args.seed)}
    lead = f"{len(valid):,} records of {figures['databases']:,} schemas, from {args.records.name}."
    return Evaluation(
        f"{args.records.stem}: {source_name(args)}", lead, scored, figures, INTERNAL_MEASURES, facts, INTERNAL_RULES,
        differences,
    )  # fmt: skip


def _write(args: Namespace, evaluation: "Evaluation") -> None:
    from text2sql_lightning.evaluation.internal_report import internal_row
    from text2sql_lightning.evaluation.pages import write_evaluation

    summary = {
        **evaluation.figures, "rules": evaluation.rules, "run": evaluation.facts, "versions": package_versions(),
    }  # fmt: skip
    rows = [internal_row(example) for example in evaluation.examples]
    write_evaluation(args.out_dir, STEM, evaluation, summary, rows)
    print_figures(evaluation, args.out_dir / f"{STEM}.html")


main = Command("text2sql evaluate", __doc__, _add_flags, _run)

if __name__ == "__main__":
    raise SystemExit(main())
