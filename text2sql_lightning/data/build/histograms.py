"""How lengths are spread, in bins for a picture."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

Lengths: TypeAlias = dict[str, dict[str, list[int]]]
"""By unit (characters, tokens) and part (prompt, output, total) the length of each record."""

_BINS: Final = 32
_SHOWN: Final = 0.995
_STEPS: Final = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000)


def length_histograms(lengths: Iterable[Mapping[str, Mapping[str, Sequence[int]]]]) -> dict[str, Any]:
    """Count lengths in bins of equal width; the last one also holds the longest of all, one in 200.

    Args:
        lengths: `Lengths` of each split.

    Returns:
        By unit and part the bins' `edges` and their `counts`, all splits together.
    """
    joined: dict[str, dict[str, list[int]]] = {}
    for split in lengths:
        for unit, parts in split.items():
            for part, values in parts.items():
                joined.setdefault(unit, {}).setdefault(part, []).extend(values)
    return {unit: {part: _histogram(values) for part, values in parts.items()} for unit, parts in joined.items()}


def _histogram(values: Sequence[int]) -> dict[str, list[int]]:
    if not values:
        return {"edges": [0, 1], "counts": [0]}
    ordered = sorted(values)
    most = ordered[min(int(len(ordered) * _SHOWN), len(ordered) - 1)]
    width = next((step for step in _STEPS if step * _BINS > most), most // _BINS + 1)
    counts = [0] * (most // width + 1)
    for value in ordered:
        counts[min(value // width, len(counts) - 1)] += 1
    first = ordered[0] // width
    return {"edges": [width * at for at in range(first, len(counts) + 1)], "counts": counts[first:]}
