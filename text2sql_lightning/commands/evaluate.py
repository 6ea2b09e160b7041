"""Score SQL on records (val.jsonl, test.jsonl), on databases made for each record; a report to read."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from text2sql_lightning.commands.console import Command
from text2sql_lightning.commands.scoring import (
    add_flags,
    answer,
    check_flags,
    read_predictions,
    source_name,
    write_report,
)
from text2sql_lightning.data.records import Record, read_records
from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.pages import Evaluation
from text2sql_lightning.evaluation.results import INTERNAL_MEASURES, make_figures
from text2sql_lightning.evaluation.statistics import stratified_sample
from text2sql_lightning.files.atomic import write_json_lines
from text2sql_lightning.files.jsonl import JsonObject, text_field
from text2sql_lightning.inference.baselines import Question

if TYPE_CHECKING:
    from text2sql_lightning.evaluation.internal_report import Case

STEM: Final = "eval_internal"
PREDICTIONS: Final = "predictions_internal.jsonl"


def _add_flags(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--records", type=Path, required=True, metavar="FILE", help="val.jsonl or test.jsonl of text2sql build")
    text = 'predictions.jsonl of text2sql predict or test, or JSON lines {"id": "...", "sql": "..."}'
    add("--predictions", type=Path, metavar="FILE", help=text)
    add_flags(parser, STEM)


def _run(args: Namespace) -> None:
    check_flags(args)
    from text2sql_lightning.evaluation.internal_report import internal_row, make_case

    records = read_records(args.records)
    answered, facts = _answered(args, records)
    cases = [
        make_case(one.id, one.question, one.context, one.output or "", sql, one.source, one.meta)
        for one, sql in answered
    ]
    evaluation = _evaluate(args, cases, {"records": f"{args.records} ({len(records)})", **facts})
    write_report(args, STEM, evaluation, map(internal_row, evaluation.examples))


def _answered(args: Namespace, records: Sequence[Record]) -> tuple[list[tuple[Record, str]], Mapping[str, str]]:
    if args.predictions is not None:
        found = _read_by_id(args.predictions, {record.id for record in records})
        chosen = _choose([record for record in records if record.id in found], args)
        facts = {"predictions": f"{args.predictions} ({len(found)} records)"}
        return [(record, found[record.id]) for record in chosen], facts
    chosen = _choose(records, args)
    answers, facts = answer(args, [Question(one.context, one.question, one.instruction) for one in chosen])
    rows = [
        {"id": record.id, "question": record.question, "gold": record.output}
        | {"predicted": each.sql, "raw": each.raw, "num_tokens": each.num_tokens}
        for record, each in zip(chosen, answers, strict=True)
    ]
    write_json_lines(args.out_dir / PREDICTIONS, rows)  # before scoring: they took much longer than that will
    return [(record, each.sql) for record, each in zip(chosen, answers, strict=True)], facts


def _read_by_id(path: Path, known: set[str]) -> dict[str, str]:
    """Return id -> predicted SQL for every record that a file answers."""

    def id_of(entry: JsonObject, place: str) -> str:
        name = text_field(entry, "id", place)
        if name not in known:
            raise DataError(f"{place}: id {name!r} is in none of the records; give the records that were predicted")
        return name

    found = read_predictions(path, "id", id_of)
    if not found:
        raise DataError(f"{path} holds no predictions; run text2sql predict")
    return found


def _choose(records: Sequence[Record], args: Namespace) -> list[Record]:
    from text2sql_lightning.sql.hardness import hardness

    ratings = [str(record.meta.get("hardness") or hardness(record.output or "")) for record in records]
    return [records[at] for at in stratified_sample(ratings, args.max_examples, seed=args.seed)]


def _evaluate(args: Namespace, cases: "Sequence[Case]", facts: Mapping[str, str]) -> Evaluation:
    from text2sql_lightning.evaluation.execution_accuracy import score_many
    from text2sql_lightning.evaluation.internal_report import INTERNAL_RULES, explain_wrong, scored_cases

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
    title = f"{args.records.stem}: {source_name(args)}"
    lead = f"{len(valid):,} records of {figures['databases']:,} schemas, from {args.records.name}."
    return Evaluation(title, lead, scored, figures, INTERNAL_MEASURES, facts, INTERNAL_RULES, differences)


main = Command("text2sql evaluate", __doc__, _add_flags, _run)

if __name__ == "__main__":
    raise SystemExit(main())
