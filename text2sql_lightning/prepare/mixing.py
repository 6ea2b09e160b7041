"""The weights of `--mix`: how much of the training rows each source gives."""

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from text2sql_lightning.prepare.settings import MixWeight, match_weights
from text2sql_lightning.prepare.store import KeptRows


def mix_rows(places: "array[int]", rows: KeptRows, weights: Sequence[MixWeight], seed: int) -> "array[int]":
    """Sample training rows so that each source has its share.

    As many rows are kept as the shares allow: the source that has the fewest for its share gives all it has, times
    its `repeat`, and the others are sampled down to it.

    Args:
        places: The places of the training rows of all sources, in a seeded order.
        rows: All rows.
        weights: One for each source; nothing leaves the rows as they are.
        seed: Decides what is sampled and where repeated rows stand.

    Returns:
        The places of the rows to train on. Without repeats their order is kept.

    Raises:
        ConfigError: A weight names no source, or a source has no weight.
    """
    if not weights:
        return places
    of_source: dict[str, array[int]] = {}
    for at, place in enumerate(places):
        of_source.setdefault(rows.sources[rows.source[place]], array("I")).append(at)
    chosen = match_weights(weights, of_source)
    scale = min(len(of_source[source]) * weight.repeat / weight.weight for source, weight in chosen.items())
    kept: list[int] = []
    for source, weight in sorted(chosen.items()):
        count = max(1, int(scale * weight.weight + 1e-9))
        kept += _take(of_source[source], count, Random(f"{seed} mix {source}"))
    if any(count > 1 for count in Counter(kept).values()):
        Random(f"{seed} mix order").shuffle(kept)
    else:
        kept.sort()
    return array("I", (places[at] for at in kept))


def _take(places: Sequence[int], count: int, rng: Random) -> list[int]:
    """Take that many places at random: each as often as any other, or once more."""
    whole, rest = divmod(count, len(places))
    return list(places) * whole + rng.sample(places, rest)


def source_figures(
    dropped: Mapping[str, int], rows: KeptRows, kept: Mapping[str, Sequence[int]], mixed: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    """Count what became of each source, for the report.

    Args:
        dropped: Dropped rows of each source.
        rows: The kept rows.
        kept: Their places in each split before mixing.
        mixed: The same after it.

    Returns:
        For each source `read`, `dropped`, `train_before_mixing`, and the records of each split.
    """
    found = {split: _count_sources(rows, places) for split, places in kept.items()}
    final = {split: _count_sources(rows, places) for split, places in mixed.items()}
    names = sorted({*dropped, *(name for counts in found.values() for name in counts)})
    return {
        name: {
            "read": dropped.get(name, 0) + sum(counts[name] for counts in found.values()),
            "dropped": dropped.get(name, 0),
            "train_before_mixing": found["train"][name],
            **{split: counts[name] for split, counts in final.items()},
        }
        for name in names
    }


def _count_sources(rows: KeptRows, places: Sequence[int]) -> Counter[str]:
    numbers = Counter(rows.source[place] for place in places)
    return Counter({rows.sources[number]: count for number, count in numbers.items()})
