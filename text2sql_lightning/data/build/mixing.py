"""Training rows of several sources in given shares: sampled down, and repeated only where that was asked for."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

from text2sql_lightning.data.build.clean import CleanRow, DroppedRow
from text2sql_lightning.data.build.mix_weights import MixWeight, match_weights


def mix_rows(rows: Sequence[CleanRow], weights: Sequence[MixWeight], seed: int) -> list[CleanRow]:
    """Sample training rows so that each source has its share.

    As many rows are kept as the shares allow: the source that has the fewest for its share gives all it has, times
    its `repeat`, and the others are sampled down to it.

    Args:
        rows: The training rows of all sources, in a seeded order.
        weights: One for each source; nothing leaves the rows as they are.
        seed: Decides what is sampled and where repeated rows stand.

    Returns:
        The rows. Without repeats their order is kept.

    Raises:
        ConfigError: A weight names no source, or a source has no weight.
    """
    if not weights:
        return list(rows)
    places: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        places.setdefault(row.row.source, []).append(at)
    chosen = match_weights(weights, places)
    scale = min(len(places[source]) * weight.repeat / weight.weight for source, weight in chosen.items())
    kept: list[int] = []
    for source, weight in sorted(chosen.items()):
        count = max(1, int(scale * weight.weight + 1e-9))
        kept += _take(places[source], count, Random(f"{seed} mix {source}"))
    if any(count > 1 for count in Counter(kept).values()):
        Random(f"{seed} mix order").shuffle(kept)
    else:
        kept.sort()
    return [rows[at] for at in kept]


def _take(places: Sequence[int], count: int, rng: Random) -> list[int]:
    """Take that many places at random: each as often as any other, or once more."""
    whole, rest = divmod(count, len(places))
    return list(places) * whole + rng.sample(places, rest)


def source_figures(
    dropped: Iterable[DroppedRow], kept: Mapping[str, Sequence[CleanRow]], mixed: Mapping[str, Sequence[CleanRow]]
) -> dict[str, Any]:
    """Count what became of each source, for the report.

    Args:
        dropped: The rows that were dropped.
        kept: The rows of each split before mixing.
        mixed: The same after it.

    Returns:
        For each source `read`, `dropped`, `train_before_mixing`, and the records of each split.
    """
    lost = Counter(row.row.source for row in dropped)
    found = {split: Counter(row.row.source for row in rows) for split, rows in kept.items()}
    final = {split: Counter(row.row.source for row in rows) for split, rows in mixed.items()}
    names = sorted({*lost, *(name for counts in found.values() for name in counts)})
    return {
        name: {
            "read": lost[name] + sum(counts[name] for counts in found.values()),
            "dropped": lost[name],
            "train_before_mixing": found["train"][name],
            **{split: counts[name] for split, counts in final.items()},
        }
        for name in names
    }
