"""The failures worth looking at."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from text2sql_lightning.evaluation.scored import HARDNESS, ScoredExample

_ORDER: Final = {name: position for position, name in enumerate(HARDNESS)}


def pick_worst(examples: Sequence[ScoredExample], limit: int = 20) -> list[ScoredExample]:
    """Choose wrong answers: of every error class some, the most frequent class first, the easiest question first.

    Args:
        examples: All that was scored, in order.
        limit: How many to choose.
    """
    failures = [example for example in examples if example.error]
    counts = Counter(str(example.error) for example in failures)
    classes = sorted(counts, key=lambda name: (-counts[name], name))
    queues = {name: sorted((e for e in failures if e.error == name), key=_hardness) for name in classes}
    chosen: dict[str, list[ScoredExample]] = {name: [] for name in classes}
    while sum(map(len, chosen.values())) < min(limit, len(failures)):
        for name in classes:
            if queues[name] and sum(map(len, chosen.values())) < limit:
                chosen[name].append(queues[name].pop(0))
    return [example for name in classes for example in chosen[name]]


def _hardness(example: ScoredExample) -> int:
    return _ORDER.get(example.hardness, len(HARDNESS))
