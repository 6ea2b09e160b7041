"""Score SQL on records (val.jsonl, test.jsonl), on databases made for each record; a report to read."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from text2sql_lightning.commands.console import Command
from text2sql_lightning.commands.generating import add_model_flags, answer, check_source, source_name
from text2sql_lightning.commands.scoring import add_scoring_flags, check_scoring, read_by_id, write_report
from text2sql_lightning.errors import DataError
from text2sql_lightning.files.atomic import write_json_lines

if TYPE_CHECKING:
    from text2sql_lightning.data.records import Record
    from text2sql_lightning.evaluation.internal_report import Case
    from text2sql_lightning.evaluation.pages import Evaluation

STEM: Final = "eval_internal"
PREDICTIONS: Final = "predictions_internal.jsonl"


def _add_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--records", type=Path, required=True, metavar="FILE", help="val.jsonl or test.jsonl of text2sql build")
    text = 'predictions.jsonl of text2sql predict or test, or JSON lines {"id": "...", "sql": "..."}'
    add("--predictions", type=Path, metavar="FILE", help=text)
    add_scoring_flags(parser, STEM)
    add_model_flags(parser)


def _run(args: Namespace) -> None:
    check_source(args)
    check_scoring(args)
    from text2sql_lightning.data.records import read_records
    from text2sql_lightning.evaluation.internal_report import internal_row

    records = read_records(args.records)
    cases, facts = _answered(args, records)
    evaluation = _evaluate(args, cases, {"records": f"{args.records} ({len(records)})", **facts})
    write_report(args, STEM, evaluation, map(internal_row, evaluation.examples))


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
        {
            "id": record.id,
            "question": record.question,
            "gold": record.output,
            "predicted": each.sql,
            "raw": each.raw,
            "num_tokens": each.num_tokens,
        }
        for record, each in zip(chosen, answers, strict=True)
    ]
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
        f"{args.records.stem}: {source_name(args)}",
        lead,
        scored,
        figures,
        INTERNAL_MEASURES,
        facts,
        INTERNAL_RULES,
        differences,
    )


main = Command("text2sql evaluate", __doc__, _add_flags, _run)

if __name__ == "__main__":
    raise SystemExit(main())
