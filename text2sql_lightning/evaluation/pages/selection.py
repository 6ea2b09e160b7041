"""The failures worth looking at."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from text2sql_lightning.evaluation.results import HARDNESS, ScoredExample

_ORDER: Final = {name: position for position, name in enumerate(HARDNESS)}


def pick_worst(examples: Sequence[ScoredExample], limit: int = 20) -> list[ScoredExample]:
    """Choose wrong answers: of every error class some, the most frequent class first, the easiest question first.

    Questions with a gold query that is there already, and those about databases that have had their turn, come last.

    Args:
        examples: All that was scored, in order.
        limit: How many to choose.
    """
    failures = [example for example in examples if example.error and example.verdicts]
    counts = Counter(str(example.error) for example in failures)
    classes = sorted(counts, key=lambda name: (-counts[name], name))
    queues = {name: [example for example in failures if example.error == name] for name in classes}
    chosen: dict[str, list[ScoredExample]] = {name: [] for name in classes}
    seen: Counter[str] = Counter()
    for _ in range(min(limit, len(failures))):
        name = min((name for name in classes if queues[name]), key=lambda name: len(chosen[name]))
        best = min(queues[name], key=lambda e: (seen[e.gold] > 0, _rank(e), seen[e.group]))
        queues[name].remove(best)
        chosen[name].append(best)
        seen.update((best.gold, best.group))
    return [example for name in classes for example in chosen[name]]


def _rank(example: ScoredExample) -> int:
    return _ORDER.get(example.hardness, len(HARDNESS))
