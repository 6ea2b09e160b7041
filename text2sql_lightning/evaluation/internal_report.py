"""Verdicts on records -> the lines, classes of errors and rules of a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from text2sql_lightning.evaluation.execution_accuracy import RULES, Verdict
from text2sql_lightning.evaluation.result_match import Difference, WrongAnswer, find_differences, normalized_exact_match
from text2sql_lightning.evaluation.results import ScoredExample
from text2sql_lightning.evaluation.spider.exact_set_match import exact_set_match
from text2sql_lightning.sql.execution import adheres_to_schema
from text2sql_lightning.sql.hardness import hardness
from text2sql_lightning.sql.schema import Schema, schema_id
from text2sql_lightning.sql.workers import Lost, map_chunks
from text2sql_lightning.text.sql_tokens import is_top_level_ordered

_CHUNK: Final = 64
_RUNS: Final = (None, "timeout", "too_large")
"""Errors of queries that SQLite accepts; any other one says that the query is no valid SQL for its tables."""

INTERNAL_RULES: Final[dict[str, str]] = {
    **RULES,
    "exact_set_match": "the parts of both queries are equal as sets; literals do not count (Spider's rules)",
    "valid_sql_rate": "SQLite accepts the prediction on the record's own tables",
    "schema_adherence": "every table and column that the prediction names is in the record's schema",
    "interval_95": "percentile bootstrap, schemas resampled as a whole; Wilson's interval over the questions for a "
    "single schema, and where all or none are right",
    "hardness": "of the gold query, by the rules of Spider's evaluator",
}


@dataclass(frozen=True)
class Case:
    """A record's part in an evaluation.

    Attributes:
        id: The record's.
        question: The question in words.
        context: CREATE TABLE text.
        gold: The query that is right.
        predicted: The answer.
        source: Where the record comes from.
        group: Its schema: what intervals resample as a whole.
        hardness: Rating of the gold query.
    """

    id: str
    question: str
    context: str
    gold: str
    predicted: str
    source: str
    group: str
    hardness: str


def make_case(
    name: str, question: str, context: str, gold: str, predicted: str, source: str, meta: Mapping[str, Any]
) -> Case:
    """Put a record and its answer together; what `meta` does not say about schema and hardness is found out.

    Raises:
        DataError: The context holds no CREATE TABLE statement.
    """
    group = meta.get("schema_group") or meta.get("schema_id") or schema_id(Schema.from_ddl(context))
    rating = meta.get("hardness") or hardness(gold)
    return Case(name, question, context, gold, predicted, source, str(group), str(rating))


def explain_wrong(
    cases: Sequence[Case],
    verdicts: Sequence[Verdict],
    *,
    timeout_s: float,
    workers: int = 1,
    seed: int = 0,
    progress: bool = False,
) -> dict[str, Difference]:
    """Find out in what wrong answers differ from gold, on the databases that they were judged on.

    Returns:
        Id -> both results, for each wrong answer.
    """
    wrong = [case for case, verdict in zip(cases, verdicts, strict=True) if verdict.gold_runs and not verdict.exec]
    errors = {case.id: verdict.error for case, verdict in zip(cases, verdicts, strict=True)}
    answers = [
        WrongAnswer(case.context, case.gold, case.predicted, is_top_level_ordered(case.gold), errors[case.id])
        for case in wrong
    ]
    found = find_differences(answers, timeout_s=timeout_s, workers=workers, seed=seed, progress=progress)
    return {case.id: each for case, each in zip(wrong, found, strict=True) if each is not None}


def scored_cases(
    cases: Sequence[Case], verdicts: Sequence[Verdict], differences: Mapping[str, Difference], *, workers: int = 1
) -> list[ScoredExample]:
    """Put cases and verdicts together; where gold does not run there is no verdict, and the error is `gold_failed`."""
    matches = _match(cases, workers)
    scored = []
    for case, verdict, match in zip(cases, verdicts, matches, strict=True):
        verdicts_of = _verdicts(case, verdict, match) if verdict.gold_runs else {}
        error = _error(verdict, differences.get(case.id))
        scored.append(
            ScoredExample(
                case.id,
                case.group,
                case.question,
                case.gold,
                case.predicted,
                verdicts_of,
                case.hardness,
                error,
                source=case.source,
            )
        )
    return scored


def internal_row(example: ScoredExample) -> dict[str, Any]:
    """Write an example as a line of `eval_internal.jsonl`."""
    return {
        "id": example.key,
        "schema": example.group,
        "source": example.source,
        "question": example.question,
        "gold": example.gold,
        "predicted": example.predicted,
        **{name: example.holds(name) for name in ("exec", "exec_case_blind", "exact", "exact_set", "valid", "adheres")},
        "gold_runs": example.holds("exec") is not None,
        "hardness": example.hardness,
        "error": example.error,
    }


def _verdicts(case: Case, verdict: Verdict, match: tuple[bool, bool | None]) -> dict[str, bool | None]:
    return {
        "exec": verdict.exec,
        "exec_case_blind": verdict.exec_case_blind,
        "exact": normalized_exact_match(case.gold, case.predicted),
        "exact_set": match[0],
        "valid": verdict.error in _RUNS,
        "adheres": match[1],
    }


def _error(verdict: Verdict, difference: Difference | None) -> str | None:
    if not verdict.gold_runs:
        return "gold_failed"
    if verdict.exec:
        return None
    return verdict.error or (difference.kind if difference else "wrong_rows")


def _match(cases: Sequence[Case], workers: int) -> list[tuple[bool, bool | None]]:
    """Compare the parts of queries, in processes of their own: a prediction may be built to break a parser."""
    chunks = [cases[at : at + _CHUNK] for at in range(0, len(cases), _CHUNK)]
    found = (result for part in map_chunks(_match_chunk, chunks, workers=workers) for result in part)
    return [(False, False) if isinstance(result, Lost) else result for result in found]


def _match_chunk(cases: Sequence[Case]) -> list[tuple[bool, bool | None]]:
    return [_match_one(case) for case in cases]


def _match_one(case: Case) -> tuple[bool, bool]:
    schema = Schema.from_ddl(case.context)
    return exact_set_match(case.gold, case.predicted, schema), adheres_to_schema(case.predicted, schema)
