"""Intervals, paired tests and stratified samples."""

from collections import Counter
from collections.abc import Sequence
from math import comb, sqrt
from random import Random
from typing import Final

from text2sql_lightning.errors import DataError

_TAIL: Final = 0.025
_Z: Final = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""


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


def wilson_interval(right: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share from independent examples (Wilson, JASA 22, 1927).

    For the questions of one database, where there are no clusters to resample. It does not shrink to a point when all
    or none are right.

    Args:
        right: How many are right.
        n: Of how many, at least 1.
    """
    share, z2 = right / n, _Z * _Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def _mean(clusters: Sequence[tuple[float, int]]) -> float:
    return sum(total for total, _ in clusters) / sum(count for _, count in clusters)


def _quantile(ascending: Sequence[float], share: float) -> float:
    """Return the value below which this share lies, between two neighbours in proportion."""
    position = share * (len(ascending) - 1)
    low = int(position)
    high = min(low + 1, len(ascending) - 1)
    return ascending[low] + (ascending[high] - ascending[low]) * (position - low)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's test in its exact, binomial form.

    Only examples on which exactly one of two systems is right say anything about which is better; if neither is, each
    such example is a fair coin (McNemar, Psychometrika 12, 1947).

    Args:
        only_first: Examples that only the first system has right.
        only_second: Examples that only the second system has right.
    """
    tosses = only_first + only_second
    tail: int = sum(comb(tosses, heads) for heads in range(min(only_first, only_second) + 1))
    return min(1.0, float(2 * tail / 2**tosses))


def stratified_sample(labels: Sequence[str], size: int | None, *, seed: int = 0) -> list[int]:
    """Choose examples so that each label has the share that it has among all, and at least one where there is room.

    Args:
        labels: The label of each example.
        size: How many to choose; None for all.
        seed: Decides which ones.

    Returns:
        Their indices, in order. The same labels, size and seed give the same ones.
    """
    if size is None or size >= len(labels):
        return list(range(len(labels)))
    rng = Random(seed)
    chosen: list[int] = []
    for label, count in _shares(Counter(labels), size).items():
        chosen += rng.sample([i for i, other in enumerate(labels) if other == label], count)
    return sorted(chosen)


def _shares(counts: Counter[str], size: int) -> dict[str, int]:
    """Divide `size` among the labels: by largest remainders, then one for each label that got none."""
    total = counts.total()
    exact = {label: size * counts[label] / total for label in sorted(counts)}
    shares = {label: int(share) for label, share in exact.items()}
    by_remainder = sorted(exact, key=lambda label: shares[label] - exact[label])
    for label in by_remainder[: size - sum(shares.values())]:
        shares[label] += 1
    for label in [label for label in shares if not shares[label]]:
        largest = max(shares, key=lambda other: shares[other])
        if shares[largest] > 1:
            shares[largest], shares[label] = shares[largest] - 1, 1
    return shares
