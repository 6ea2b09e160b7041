"""How lengths are spread, in bins for a picture."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

Lengths: TypeAlias = dict[str, dict[str, Counter[int]]]
"""By unit (characters, tokens) and part (prompt, output, total) how many records have each length."""

_BINS: Final = 32
_SHOWN: Final = 0.995
_STEPS: Final = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000)


def length_histograms(lengths: Iterable[Mapping[str, Mapping[str, Counter[int]]]]) -> dict[str, Any]:
    """Count lengths in bins of equal width; the last one also holds the longest of all, one in 200.

    Args:
        lengths: `Lengths` of each split.

    Returns:
        By unit and part the bins' `edges` and their `counts`, all splits together.
    """
    joined: dict[str, dict[str, Counter[int]]] = {}
    for split in lengths:
        for unit, parts in split.items():
            for part, values in parts.items():
                joined.setdefault(unit, {}).setdefault(part, Counter()).update(values)
    return {unit: {part: _histogram(values) for part, values in parts.items()} for unit, parts in joined.items()}


def mean(numbers: Counter[int]) -> float:
    """Give the mean of counted numbers, of which there is at least one."""
    return sum(number * count for number, count in numbers.items()) / numbers.total()


def quantile(numbers: Counter[int], share: float) -> int:
    """Give the number that stands behind this share of all, were they sorted; there is at least one."""
    ahead = min(int(numbers.total() * share), numbers.total() - 1)
    for number in sorted(numbers):
        ahead -= numbers[number]
        if ahead < 0:
            return number
    raise AssertionError("no numbers")


def _histogram(values: Counter[int]) -> dict[str, list[int]]:
    if not values:
        return {"edges": [0, 1], "counts": [0]}
    most = quantile(values, _SHOWN)
    width = next((step for step in _STEPS if step * _BINS > most), most // _BINS + 1)
    counts = [0] * (most // width + 1)
    for value, count in values.items():
        counts[min(value // width, len(counts) - 1)] += count
    first = min(values) // width
    return {"edges": [width * at for at in range(first, len(counts) + 1)], "counts": counts[first:]}
