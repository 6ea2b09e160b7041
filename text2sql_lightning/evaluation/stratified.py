"""A sample of examples in which every kind has its share."""

from collections import Counter
from collections.abc import Sequence
from random import Random


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
