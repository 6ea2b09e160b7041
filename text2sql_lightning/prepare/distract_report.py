"""What the report says about distractors."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from text2sql_lightning.prepare.distractors.distract import Distracted
from text2sql_lightning.prepare.distractors.draft import SOURCES
from text2sql_lightning.prepare.histograms import mean

_LAST_BAR: Final = 10


class DistractorCounts:
    """What became of the rows, counted one by one."""

    def __init__(self, splits: Iterable[str]) -> None:
        """Start with nothing for these splits."""
        self._added = {split: Counter[int]() for split in splits}
        self._before, self._after, self._sources = Counter[int](), Counter[int](), Counter[str]()
        self._tables = self._refused = 0

    def add(self, split: str, result: Distracted) -> None:
        """Count a row."""
        self._added[split][len(result.sources)] += 1
        self._before[result.unneeded_before] += 1
        self._after[result.unneeded_after] += 1
        self._sources.update(result.sources)
        self._tables += result.tables
        self._refused += result.refused

    def of_split(self, split: str) -> dict[str, int]:
        """Give the number of records of a split by added columns."""
        return {str(number): count for number, count in sorted(self._added[split].items())}

    def figures(self, asked: float) -> dict[str, Any]:
        """Collect the figures on distractors.

        Args:
            asked: The mean that was asked for.

        Returns:
            `asked_mean`, `mean` (added columns a record), `share_with_one` (of the records), `histogram` (records by
            added columns, 0 to 10+), `sources` (columns), `tables` (added), `refused` (records whose additions were
            taken back), `by_split`, and `unneeded_columns`: share of records with one and mean, before and after.
        """
        added = sum(self._added.values(), Counter[int]())
        bars = Counter[int]()
        for number, count in added.items():
            bars[min(number, _LAST_BAR)] += count
        return {
            "asked_mean": asked,
            **_share_and_mean(added),
            "histogram": {f"{n}{'+' * (n == _LAST_BAR)}": bars[n] for n in range(_LAST_BAR + 1)},
            "sources": {source: self._sources[source] for source in SOURCES},
            "tables": self._tables,
            "refused": self._refused,
            "by_split": {split: _share_and_mean(counts) for split, counts in self._added.items()},
            "unneeded_columns": {"before": _share_and_mean(self._before), "after": _share_and_mean(self._after)},
        }


def _share_and_mean(numbers: Counter[int]) -> dict[str, float]:
    if not numbers:
        return {"share_with_one": 0.0, "mean": 0.0}
    return {
        "share_with_one": round((numbers.total() - numbers[0]) / numbers.total(), 4),
        "mean": round(mean(numbers), 3),
    }
