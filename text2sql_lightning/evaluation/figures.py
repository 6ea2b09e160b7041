"""Scored examples -> the figures of a report: shares with intervals, by hardness, database and source; errors."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from text2sql_lightning.evaluation.intervals import cluster_bootstrap, wilson_interval
from text2sql_lightning.evaluation.scored import HARDNESS, Measure, ScoredExample, share

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
