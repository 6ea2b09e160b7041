"""Verdicts -> the figures that are reported, and the rules behind them."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.execution_accuracy import Verdict
from text2sql_lightning.evaluation.statistics import cluster_bootstrap

RULES: Final[dict[str, str]] = {
    "databases": "4 databases a record, made from its CREATE TABLE text and filled around the gold query; a prediction "
    "must agree with gold on every one; columns may hold NULL, so COUNT(column) is not COUNT(*)",
    "rows": "compared as a bag; in order only where gold has an ORDER BY outside every bracket",
    "columns": "may stand in any order; their names do not count",
    "values": "text exactly, letter case included; numbers by value",
    "distinct": "kept: a missing or added DISTINCT counts where it changes the result",
    "literals": "as predicted; none of gold's are inserted",
    "case_blind": "columns declared COLLATE NOCASE, text in results compared ignoring letter case",
    "exact_match": "equal text but for spaces, comments, case of keywords and names, kind of quotes, final semicolon",
    "gold_invalid": "records whose gold query does not run on their own tables are left out",
    "interval_95": "percentile bootstrap of execution accuracy, schemas resampled",
}
"""What the figures of `summarize` mean; printed with them, for figures of different rules do not compare."""

_LABELS: Final = ("easy", "medium", "hard", "extra", "unknown")


def summarize(
    verdicts: Sequence[Verdict],
    hardness: Sequence[str],
    clusters: Sequence[str],
    exact: Sequence[bool],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the figures of an evaluation.

    Args:
        verdicts: One for each record.
        hardness: The rating of each record's gold query.
        clusters: Each record's schema.
        exact: Whether each prediction matches gold's text.
        seed: Seed of the interval's resampling.

    Returns:
        `n`, `schemas`, `gold_invalid`, `execution_accuracy`, `execution_accuracy_case_blind`, `exact_match`,
        `interval_95` ([low, high] of execution accuracy), `by_hardness` ({label: {"n", "execution_accuracy"}}) and
        `errors` ({class: count}). All but `gold_invalid` are about the records whose gold query runs.

    Raises:
        DataError: When there is no such record, or the sequences differ in length.
    """
    if not len(verdicts) == len(hardness) == len(clusters) == len(exact):
        raise DataError("verdicts, hardness, clusters and exact must have one entry for each record")
    valid = [i for i, verdict in enumerate(verdicts) if verdict.gold_runs]
    if not valid:
        raise DataError(f"none of the {len(verdicts)} records has a gold query that runs on its own tables")
    right = {i: float(verdicts[i].exec) for i in valid}
    interval = cluster_bootstrap([right[i] for i in valid], [clusters[i] for i in valid], seed=seed)
    return {
        "n": len(valid),
        "schemas": len({clusters[i] for i in valid}),
        "gold_invalid": len(verdicts) - len(valid),
        "execution_accuracy": _mean([right[i] for i in valid]),
        "execution_accuracy_case_blind": _mean([float(verdicts[i].exec_case_blind) for i in valid]),
        "exact_match": _mean([float(exact[i]) for i in valid]),
        "interval_95": list(interval),
        "by_hardness": {
            label: {"n": len(members), "execution_accuracy": _mean([right[i] for i in members])}
            for label in _LABELS
            if (members := [i for i in valid if hardness[i] == label])
        },
        "errors": dict(sorted(Counter(error for i in valid if (error := verdicts[i].error)).items())),
    }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
