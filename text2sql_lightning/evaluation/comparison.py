"""Two evaluations of the same examples, side by side, with a paired test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from text2sql_lightning.constants import HARDNESS
from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.results import ScoredExample
from text2sql_lightning.evaluation.statistics import cluster_bootstrap, mcnemar_exact, wilson_interval

Pair = tuple[ScoredExample, ScoredExample]

COMPARISON_RULES: Final[dict[str, str]] = {
    "pairs": "both files answer the same examples with the same gold queries; each example is its own control",
    "p_value": "McNemar's exact test, two-sided, over the examples that exactly one of the two has right",
    "interval_95": "percentile bootstrap of B's share minus A's share, databases (schemas) resampled as a whole",
    "caution": "the test takes examples for independent; where databases are few, the interval is the safer guide",
}


@dataclass(frozen=True)
class Comparison:
    """What a comparison found.

    Attributes:
        names: What the two are called, A then B.
        verdict: What was compared.
        pairs: The answers of A and B to each example.
        figures: `n`, `a`, `b`, `difference`, `interval_95`, `p_value`, counts, `by_hardness`.
    """

    names: tuple[str, str]
    verdict: str
    pairs: Sequence[Pair]
    figures: Mapping[str, Any]

    def won_by(self, side: int) -> list[Pair]:
        """Return the examples that only A (0) or only B (1) has right."""
        return [p for p in self.pairs if p[side].holds(self.verdict) and not p[1 - side].holds(self.verdict)]


def compare(
    first: Sequence[ScoredExample],
    second: Sequence[ScoredExample],
    *,
    names: tuple[str, str],
    verdict: str = "exec",
    seed: int = 0,
) -> Comparison:
    """Compare two evaluations example by example; those that neither has a verdict on are left out.

    Args:
        first: One evaluation, "A".
        second: The other, "B".
        names: What they are called.
        verdict: Which verdict counts, as named in `eval_*.jsonl`.
        seed: Seed of the resampling.

    Raises:
        DataError: They are not about the same examples, or lack the verdict.
    """
    pairs = pair_up(first, second, names)
    pairs = [pair for pair in pairs if any(answer.holds(verdict) is not None for answer in pair)]
    for side, name in enumerate(names):
        if not pairs or any(pair[side].holds(verdict) is None for pair in pairs):
            raise DataError(f"{name} has no verdict {verdict!r} for some examples; compare another with --measure")
    figures = {"n": len(pairs), "databases": len({a.group for a, _ in pairs}), **_figures(pairs, verdict, seed)}
    figures["by_hardness"] = {
        name: _figures(part, verdict, seed)
        for name in HARDNESS
        if (part := [pair for pair in pairs if pair[0].hardness == name])
    }
    return Comparison(names, verdict, pairs, figures)


def pair_up(first: Sequence[ScoredExample], second: Sequence[ScoredExample], names: tuple[str, str]) -> list[Pair]:
    """Find each example's two answers.

    Raises:
        DataError: An example is in one of them only, has another gold query there, or there is none.
    """
    others = {example.key: example for example in second}
    known = {example.key for example in first}
    if not first or known != set(others):
        missing = sorted(known ^ set(others))
        where = names[1] if missing and missing[0] in known else names[0]
        raise DataError(
            f"{names[0]} has {len(known)} examples, {names[1]} has {len(others)}; "
            + (f"{len(missing)} are in one alone (example {missing[0]} is not in {where}); " if missing else "")
            + "score both on the same examples"
        )
    pairs = [(example, others[example.key]) for example in first]
    for a, b in pairs:
        if a.gold != b.gold:
            raise DataError(f"example {a.key} has another gold query in {names[1]}; score both on the same data")
    return pairs


def _figures(pairs: Sequence[Pair], verdict: str, seed: int) -> dict[str, Any]:
    a = [bool(pair[0].holds(verdict)) for pair in pairs]
    b = [bool(pair[1].holds(verdict)) for pair in pairs]
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    gains = [float(y) - float(x) for x, y in zip(a, b, strict=True)]
    groups = [pair[0].group for pair in pairs]
    return {
        "n": len(pairs),
        "a": sum(a) / len(pairs),
        "b": sum(b) / len(pairs),
        "a_interval_95": list(wilson_interval(sum(a), len(a))),
        "b_interval_95": list(wilson_interval(sum(b), len(b))),
        "difference": sum(gains) / len(pairs),
        "interval_95": list(cluster_bootstrap(gains, groups, seed=seed)),
        "both_right": sum(x and y for x, y in zip(a, b, strict=True)),
        "only_a_right": only_a,
        "only_b_right": only_b,
        "both_wrong": sum(not (x or y) for x, y in zip(a, b, strict=True)),
        "p_value": mcnemar_exact(only_a, only_b),
    }
