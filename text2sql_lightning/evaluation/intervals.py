"""Confidence intervals that respect that questions about one schema are alike."""

from collections.abc import Sequence
from random import Random
from typing import Final

from text2sql_lightning.errors import DataError

_TAIL: Final = 0.025


def cluster_bootstrap(
    values: Sequence[float], clusters: Sequence[str], *, seed: int = 0, resamples: int = 2000
) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean, from resampling whole clusters with replacement.

    Questions about one schema stand or fall together; an interval from resampled questions would be too narrow. With
    a single cluster nothing can be said: the interval then spans the values.

    Args:
        values: One figure per example, e.g. 1.0 for right and 0.0 for wrong.
        clusters: The cluster of each, e.g. its schema.
        seed: Same seed, same interval.
        resamples: How many means are taken.

    Raises:
        DataError: When there are no values, or not one cluster for each.
    """
    if not values or len(values) != len(clusters):
        raise DataError(f"{len(values)} values for {len(clusters)} clusters; give at least one value, each its cluster")
    sums: dict[str, tuple[float, int]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        total, count = sums.get(cluster, (0.0, 0))
        sums[cluster] = (total + value, count + 1)
    if len(sums) == 1:
        return float(min(values)), float(max(values))
    totals = list(sums.values())
    rng = Random(f"cluster_bootstrap/{seed}")
    means = sorted(_mean(rng.choices(totals, k=len(totals))) for _ in range(resamples))
    return _quantile(means, _TAIL), _quantile(means, 1 - _TAIL)


def _mean(clusters: Sequence[tuple[float, int]]) -> float:
    return sum(total for total, _ in clusters) / sum(count for _, count in clusters)


def _quantile(ascending: Sequence[float], share: float) -> float:
    """Return the value below which this share lies, between two neighbours in proportion."""
    position = share * (len(ascending) - 1)
    low = int(position)
    high = min(low + 1, len(ascending) - 1)
    return ascending[low] + (ascending[high] - ascending[low]) * (position - low)
