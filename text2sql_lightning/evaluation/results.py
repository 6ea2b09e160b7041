"""A prediction with its verdicts, as a line of `eval_*.jsonl` holds it, and the measures that are made of them."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from text2sql_lightning.constants import HARDNESS
from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.statistics import cluster_bootstrap, wilson_interval
from text2sql_lightning.text.prompts import source_slug


@dataclass(frozen=True)
class Measure:
    """A verdict, the figure that is the share of examples with it, and the name that people read.

    Attributes:
        verdict: Key of a line of `eval_*.jsonl`.
        figure: Key of `eval_*.json`.
        label: Its name in tables.
    """

    verdict: str
    figure: str
    label: str


SPIDER_MEASURES: Final = (
    Measure("exec", "execution_accuracy", "Execution accuracy"),
    Measure("exec_suite", "test_suite_accuracy", "Test-suite accuracy"),
    Measure("exact", "exact_set_match", "Exact set match"),
)
INTERNAL_MEASURES: Final = (
    Measure("exec", "execution_accuracy", "Execution accuracy"),
    Measure("exec_case_blind", "execution_accuracy_case_blind", "Ignoring letter case of text"),
    Measure("exact", "exact_match", "Exact match"),
    Measure("exact_set", "exact_set_match", "Exact set match"),
    Measure("valid", "valid_sql_rate", "Valid SQL"),
    Measure("adheres", "schema_adherence", "Schema adherence"),
)
RUN_MEASURES: Final = (
    Measure("exec", "execution_accuracy", "Execution accuracy"),
    Measure("exec_case_blind", "execution_accuracy_case_blind", "Ignoring case of text"),
    Measure("exact", "exact_match", "Exact match"),
    Measure("runs", "valid_sql", "Runs"),
    Measure("adheres", "schema_adherence", "Schema adherence"),
)
"""What a run logs of its validation and test; the first is split by hardness and by source."""
ALL_VERDICTS: Final = ("exec", "exec_suite", "exec_case_blind", "exact", "exact_set", "valid", "adheres")


@dataclass(frozen=True)
class ScoredExample:
    """One prediction and what was found.

    Attributes:
        key: The example's number or id, as text; no other example of the file has the same.
        group: Its database or schema: what intervals resample as a whole.
        question: The question in words.
        gold: The query that is right.
        predicted: The query that was judged.
        verdicts: Name of a verdict -> whether it holds; None where it was not asked for.
        hardness: Rating of the gold query.
        error: Class of the error (docs/evaluation.md), None for a right answer.
        seconds: Time that judging it took.
        source: Where the example comes from; empty where there is one source.
    """

    key: str
    group: str
    question: str
    gold: str
    predicted: str
    verdicts: Mapping[str, bool | None]
    hardness: str
    error: str | None
    seconds: float = 0.0
    source: str = ""

    def holds(self, verdict: str) -> bool | None:
        """Return a verdict; None where it was not asked for."""
        return self.verdicts.get(verdict)


def from_row(row: Mapping[str, Any], place: str) -> ScoredExample:
    """Read a line of `eval_spider.jsonl` or `eval_internal.jsonl`.

    Args:
        row: The JSON object.
        place: File and line, for messages.

    Raises:
        DataError: It is no such line; says what is missing.
    """
    key = row.get("id", row.get("index"))
    group = row.get("db_id", row.get("schema"))
    texts = [row.get(name) for name in ("question", "gold", "predicted", "hardness")]
    if key is None or group is None or not all(isinstance(text, str) for text in texts):
        raise DataError(
            f"{place}: no line of an evaluation (it needs index or id, db_id or schema, question, gold, predicted, "
            "hardness); give the eval_*.jsonl of an evaluation command"
        )
    question, gold, predicted, hardness = (str(text) for text in texts)
    verdicts = {name: _verdict(row[name], f"{place}, field {name}") for name in ALL_VERDICTS if name in row}
    error = row.get("error")
    return ScoredExample(
        str(key), str(group), question, gold, predicted, verdicts, hardness, None if error is None else str(error)
    )


def from_prediction(row: Mapping[str, Any], *, group: str, hardness: str, source: str = "") -> ScoredExample:
    """Read a line of the `predictions.jsonl` that a validation or a test has scored.

    Args:
        row: The JSON object.
        group: The record's schema.
        hardness: Rating of its gold query.
        source: Where the record comes from.

    Returns:
        The example, without verdicts where gold does not run.
    """
    judged = {**row, "runs": row["error"] is None}
    verdicts = {measure.verdict: judged[measure.verdict] for measure in RUN_MEASURES} if row["gold_runs"] else {}
    texts = (row["question"], row["gold"], row["predicted"])
    return ScoredExample(row["id"], group, *texts, verdicts, hardness, row["error"], source=source)


def _verdict(value: Any, place: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise DataError(f"{place}: {value!r} is no verdict; true, false or null is expected")


def share(examples: Sequence[ScoredExample], verdict: str) -> float | None:
    """Return the share of examples for which a verdict holds; None where there is none to ask."""
    asked = [example.holds(verdict) for example in examples if example.holds(verdict) is not None]
    return sum(map(bool, asked)) / len(asked) if asked else None


_RANKS: Final = {name: position for position, name in enumerate(HARDNESS)}


def make_figures(examples: Sequence[ScoredExample], measures: Sequence[Measure], *, seed: int = 0) -> dict[str, Any]:
    """Return the figures of an evaluation.

    Args:
        examples: What was scored, at least one.
        measures: What to count. The first one whose verdicts are there is the headline.
        seed: Seed of the resampling.

    Returns:
        `n`, `databases`, one share a measure (None where it was not asked for), `confidence_interval_95` of the
        headline, `headline`, `intervals_95` {figure: [low, high]}, `by_hardness`, `by_database` and `by_source`
        ({name: {"n", shares, "interval_95"}}), `errors` ({class: count}; their sum is the number of wrong answers).
    """
    shares = {measure.figure: share(examples, measure.verdict) for measure in measures}
    intervals = {m.figure: _interval(examples, m.verdict, seed) for m in measures if shares[m.figure] is not None}
    headline = next((m for m in measures if shares[m.figure] is not None), measures[0])

    def by(name_of: Callable[[ScoredExample], str], order: Callable[[str], Any] = str) -> dict[str, dict[str, Any]]:
        return _split(examples, measures, headline, name_of, seed, order)

    return {
        "n": len(examples),
        "databases": len({example.group for example in examples}),
        **shares,
        "headline": headline.figure,
        "confidence_interval_95": intervals.get(headline.figure),
        "intervals_95": intervals,
        "by_hardness": by(lambda example: example.hardness, lambda name: _RANKS.get(name, len(HARDNESS))),
        "by_database": by(lambda example: example.group),
        "by_source": by(lambda example: example.source),
        "errors": dict(Counter(example.error for example in examples if example.error).most_common()),
    }


def _interval(examples: Sequence[ScoredExample], verdict: str, seed: int) -> list[float]:
    asked = [example for example in examples if example.holds(verdict) is not None]
    values = [float(bool(example.holds(verdict))) for example in asked]
    groups = [example.group for example in asked]
    if len(set(groups)) == 1 or len(set(values)) == 1:  # nothing to resample: it would shrink to a point
        return list(wilson_interval(int(sum(values)), len(values)))
    return list(cluster_bootstrap(values, groups, seed=seed))


def _group(
    examples: Sequence[ScoredExample], name_of: Callable[[ScoredExample], str]
) -> dict[str, list[ScoredExample]]:
    parts: dict[str, list[ScoredExample]] = {}
    for example in examples:
        parts.setdefault(name_of(example), []).append(example)
    return parts


def _split(
    examples: Sequence[ScoredExample],
    measures: Sequence[Measure],
    headline: Measure,
    name_of: Callable[[ScoredExample], str],
    seed: int,
    order: Callable[[str], Any],
) -> dict[str, dict[str, Any]]:
    parts = _group(examples, name_of)
    return {
        name: {
            "n": len(parts[name]),
            **{measure.figure: share(parts[name], measure.verdict) for measure in measures},
            "interval_95": _interval(parts[name], headline.verdict, seed)
            if share(parts[name], headline.verdict) is not None
            else None,
        }
        for name in sorted(parts, key=order)
    }


def run_figures(examples: Sequence[ScoredExample]) -> dict[str, float]:
    """Return the figures that a run logs, over the examples whose gold query runs.

    Returns:
        The shares of `RUN_MEASURES`, execution accuracy as `execution_accuracy_<hardness>` and, where there are several
        sources, as `execution_accuracy/<source slug>`, and `num_scored`; that alone where it is 0.
    """
    valid = [example for example in examples if example.holds("exec") is not None]
    levels, sources = _group(valid, lambda each: each.hardness), _group(valid, lambda each: source_slug(each.source))
    figures = {measure.figure: share(valid, measure.verdict) for measure in RUN_MEASURES}
    figures |= {f"execution_accuracy_{name}": share(levels[name], "exec") for name in sorted(levels)}
    if len(sources) > 1:
        figures |= {f"execution_accuracy/{name}": share(sources[name], "exec") for name in sorted(sources)}
    return {name: value for name, value in figures.items() if value is not None} | {"num_scored": float(len(valid))}


def summarize(examples: Sequence[ScoredExample], *, seed: int = 0) -> dict[str, Any]:
    """Return the figures of `quickstart.json`.

    Returns:
        `n`, `schemas`, `gold_invalid`, `execution_accuracy`, `execution_accuracy_case_blind`, `exact_match`,
        `interval_95` ([low, high] of execution accuracy), `by_hardness` ({label: {"n", "execution_accuracy"}}) and
        `errors` ({class: count}). All but `gold_invalid` are about the records whose gold query runs.

    Raises:
        DataError: There is no such record.
    """
    valid = [example for example in examples if example.holds("exec") is not None]
    if not valid:
        raise DataError(f"none of the {len(examples)} records has a gold query that runs on its own tables")
    levels, groups = _group(valid, lambda each: each.hardness), [example.group for example in valid]
    right = [float(bool(example.holds("exec"))) for example in valid]
    return {
        "n": len(valid),
        "schemas": len(set(groups)),
        "gold_invalid": len(examples) - len(valid),
        **{measure.figure: share(valid, measure.verdict) for measure in RUN_MEASURES[:3]},
        "interval_95": list(cluster_bootstrap(right, groups, seed=seed)),
        "by_hardness": {
            name: {"n": len(levels[name]), "execution_accuracy": share(levels[name], "exec")}
            for name in HARDNESS
            if name in levels
        },
        "errors": dict(sorted(Counter(example.error for example in valid if example.error).items())),
    }


def is_executed(meta: Mapping[str, Any]) -> bool:
    """Return whether a record's gold SQL can be executed here.

    Args:
        meta: The record's `meta`.

    Returns:
        False for a record of another dialect than SQLite's: execution accuracy is not available for it. It belongs
        in no denominator, and is counted.
    """
    return bool(meta.get("dialect", "sqlite") == "sqlite")
