"""Spider's verdicts -> the lines, classes of errors and rules of a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.benchmarks.spider import SpiderExample
from text2sql_lightning.evaluation.result_match import Difference, WrongAnswer, find_differences
from text2sql_lightning.evaluation.results import ScoredExample
from text2sql_lightning.evaluation.spider.rules import counts_order, official_gold, official_prediction
from text2sql_lightning.evaluation.spider.score import SpiderVerdict

_EXECUTION: Final[dict[str, str]] = {
    "execution_accuracy": "the prediction returns on the database of Spider what gold returns, by the rules of the "
    "official evaluator (taoyds/test-suite-sql-eval, commit e97acc5)",
    "rows": "compared as a bag; in order where gold's text has ORDER BY anywhere",
    "columns": "may stand in any order; their names do not count",
    "distinct": "taken out of both queries before they run, as the official evaluator does by default",
    "values": "text exactly, numbers by value; none of gold's literals are inserted (no --plug_value)",
    "safety": "read-only, in processes of their own; what is too slow, too large or refused is wrong",
}
_MATCH: Final[dict[str, str]] = {
    "exact_set_match": "the parts of both queries are equal as sets; literals do not count (official evaluator)",
    "hardness": "of the gold query, by the official evaluator's rules",
    "interval_95": "percentile bootstrap, databases resampled as a whole; Wilson's interval over the questions for a "
    "single database, and where all or none are right",
}
_NO_EXECUTION: Final = "not measured: there are no databases. Only exact set match is"


def spider_rules(*, databases: bool, suites: bool, timeout_s: float) -> dict[str, str]:
    """Return what the figures mean."""
    rules = {**_EXECUTION, "timeout": f"{timeout_s:g} s a query and database"} if databases or suites else {}
    if not databases:
        rules["execution_accuracy"] = _NO_EXECUTION
    suite = "the same on every file of the distilled test suite" if suites else "not measured: no --test_suite_dir"
    return {**rules, "test_suite_accuracy": suite, **_MATCH}


def explain_wrong(
    examples: Sequence[SpiderExample],
    predictions: Sequence[str],
    verdicts: Sequence[SpiderVerdict],
    *,
    database_dir: Path | None,
    timeout_s: float,
    workers: int = 1,
    progress: bool = False,
) -> dict[str, Difference]:
    """Find out in what wrong answers differ from gold.

    Args:
        examples: What was asked.
        predictions: The answers.
        verdicts: The judgements on them.
        database_dir: Folder of `<db_id>/<db_id>.sqlite`; None explains nothing.
        timeout_s: Seconds that a query may take.
        workers: Processes.
        progress: Show a progress bar.

    Returns:
        Number of an example, as text -> both results, for each wrong answer.
    """
    if database_dir is None:
        return {}
    wrong = [at for at, verdict in enumerate(verdicts) if verdict.exec is False]
    answers = [
        WrongAnswer(
            tuple(sorted((database_dir / examples[at].db_id).glob("*.sqlite"))),
            official_gold(examples[at].gold),
            official_prediction(predictions[at]),
            counts_order(examples[at].gold),
            verdicts[at].error,
        )
        for at in wrong
    ]
    found = find_differences(answers, timeout_s=timeout_s, workers=workers, progress=progress)
    return {str(examples[at].index): each for at, each in zip(wrong, found, strict=True) if each is not None}


def scored_examples(
    examples: Sequence[SpiderExample],
    predictions: Sequence[str],
    verdicts: Sequence[SpiderVerdict],
    differences: Mapping[str, Difference],
) -> list[ScoredExample]:
    """Put examples, answers and verdicts together."""
    return [
        ScoredExample(
            str(example.index),
            example.db_id,
            example.question,
            example.gold,
            predicted,
            {"exec": verdict.exec, "exec_suite": verdict.exec_suite, "exact": verdict.exact},
            verdict.hardness,
            _error(verdict, differences.get(str(example.index))),
            verdict.seconds,
        )
        for example, predicted, verdict in zip(examples, predictions, verdicts, strict=True)
    ]


def spider_row(example: ScoredExample) -> dict[str, Any]:
    """Write an example as a line of `eval_spider.jsonl`."""
    return {
        "index": int(example.key),
        "db_id": example.group,
        "question": example.question,
        "gold": example.gold,
        "predicted": example.predicted,
        "exec": example.holds("exec"),
        "exec_suite": example.holds("exec_suite"),
        "exact": example.holds("exact"),
        "hardness": example.hardness,
        "error": example.error,
        "seconds": round(example.seconds, 4),
    }


def _error(verdict: SpiderVerdict, difference: Difference | None) -> str | None:
    """Return the class of a wrong answer: by execution where there are databases, by exact set match where not."""
    if verdict.exec is None:
        return None if verdict.exact else verdict.error or "no_exact_match"
    if verdict.exec:
        return None
    return verdict.error or (difference.kind if difference else "wrong_rows")
