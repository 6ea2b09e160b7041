"""A prediction with its verdicts, as a line of `eval_*.jsonl` holds it, and the measures that are made of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.statistics import cluster_bootstrap, wilson_interval
from text2sql_lightning.text.prompts import source_slug

HARDNESS: Final = ("easy", "medium", "hard", "extra", "unknown")
"""Ratings in the order in which they are shown."""


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
        """Give a verdict; None where it was not asked for."""
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


def _verdict(value: Any, place: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise DataError(f"{place}: {value!r} is no verdict; true, false or null is expected")


def share(examples: Sequence[ScoredExample], verdict: str) -> float | None:
    """Give the share of examples for which a verdict holds; None where there is none to ask."""
    asked = [example.holds(verdict) for example in examples if example.holds(verdict) is not None]
    return sum(map(bool, asked)) / len(asked) if asked else None


_RANKS: Final = {name: position for position, name in enumerate(HARDNESS)}


def make_figures(examples: Sequence[ScoredExample], measures: Sequence[Measure], *, seed: int = 0) -> dict[str, Any]:
    """Give the figures of an evaluation.

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


def _split(
    examples: Sequence[ScoredExample],
    measures: Sequence[Measure],
    headline: Measure,
    name_of: Callable[[ScoredExample], str],
    seed: int,
    order: Callable[[str], Any],
) -> dict[str, dict[str, Any]]:
    parts: dict[str, list[ScoredExample]] = {}
    for example in examples:
        parts.setdefault(name_of(example), []).append(example)
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


T = TypeVar("T")

_EXECUTED_DIALECT: Final = "sqlite"


def is_executed(meta: Mapping[str, Any]) -> bool:
    """Tell whether a record's gold SQL can be executed here.

    Args:
        meta: The record's `meta`.

    Returns:
        False for a record of another dialect than SQLite's: execution accuracy is not available for it. It belongs
        in no denominator, and is counted.
    """
    return bool(meta.get("dialect", _EXECUTED_DIALECT) == _EXECUTED_DIALECT)


def group_by_source(items: Iterable[T], source: Callable[[T], str]) -> dict[str, list[T]]:
    """Group verdicts, predictions or records by source.

    Args:
        items: What to group.
        source: Gives the source of an item, as records carry it.

    Returns:
        The items of each source in their order, by the source's slug (`text.source_names`), slugs sorted; nothing where
        all items are of one source, whose figures are those of the whole.
    """
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(source_slug(source(item)), []).append(item)
    return dict(sorted(groups.items())) if len(groups) > 1 else {}


def figures_by_source(
    items: Iterable[T], source: Callable[[T], str], figures: Callable[[list[T]], Mapping[str, float]]
) -> dict[str, float]:
    """Give the figures of each source names of their own.

    Args:
        items: Verdicts or predictions.
        source: Gives the source of an item.
        figures: Gives the figures of some items, by name.

    Returns:
        `name/source-slug` -> figure, such as `execution_accuracy/shop.sqlite`; nothing where there is one source.
    """
    return {
        f"{name}/{slug}": value
        for slug, group in group_by_source(items, source).items()
        for name, value in figures(group).items()
    }
