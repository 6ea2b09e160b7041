"""What the report of a build counts one by one: dropped rows; constructs, repairs, distractors, lengths of records."""

from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any, Final, TypeAlias

from text2sql_lightning.data.records import Record
from text2sql_lightning.prepare.clean import CleanRow, DroppedRow
from text2sql_lightning.prepare.distractors.distract import Distracted
from text2sql_lightning.prepare.distractors.draft import SOURCES
from text2sql_lightning.prepare.split import SPLITS
from text2sql_lightning.text.prompts import build_prompt

TokenCounter: TypeAlias = Callable[[Sequence[str]], list[int]]
Lengths: TypeAlias = dict[str, dict[str, Counter[int]]]
"""By unit (characters, tokens) and part (prompt, output, total) how many records have each length."""

_EXAMPLES: Final = 5
_EXCERPT: Final = 200
_SHORT: Final = 120
_BATCH: Final = 1000
_PERCENTILES: Final = {"median": 0.5, "p95": 0.95, "p99": 0.99}
_LAST_BAR: Final = 10
_BINS: Final = 32
_SHOWN: Final = 0.995
_WIDTHS: Final = (1, 2, 5, 10, 20, 25, 50, 100, 200, 250, 500, 1000)


class Drops:
    """Dropped rows, with a few examples.

    Attributes:
        by_source: Number of rows for each source.
        kinds: Number of rows for each kind of `Match`.
    """

    def __init__(self) -> None:
        """Start without rows."""
        self.by_source, self.kinds, self._reasons = Counter[str](), Counter[str](), Counter[str]()
        self._first: dict[str, tuple[int, str]] = {}
        self._examples: dict[str, list[tuple[int, int, str, str]]] = {}
        self._found: list[dict[str, Any]] = []

    def __len__(self) -> int:
        """Return the number of rows."""
        return self._reasons.total()

    def add(self, dropped: DroppedRow) -> None:
        """Count a row."""
        row, reason, detail = dropped.row, dropped.reason, dropped.detail
        self.by_source[row.source] += 1
        self._reasons[reason] += 1
        self._first.setdefault(reason, (row.index, _shortened(detail, _SHORT)))
        examples = self._examples.setdefault(reason, [])
        insort(examples, (row.index, len(self), _shortened(row.question, _EXCERPT), _shortened(detail, _EXCERPT)))
        del examples[_EXAMPLES:]
        if match := dropped.match:
            self.kinds[match.kind] += 1
            place = {"source": row.source, "row": row.index}
            self._found.append(place | {"kind": match.kind, "example": match.example, "similarity": match.similarity})

    def figures(self) -> dict[str, Any]:
        """Return count and first examples by reason, the most frequent first."""
        return {
            reason: {
                "count": count,
                "examples": [
                    {"row": index, "question": question, "detail": detail}
                    for index, _, question, detail in self._examples[reason]
                ],
            }
            for reason, count in sorted(self._reasons.items(), key=lambda item: (-item[1], item[0]))
        }

    def contaminated(self) -> list[dict[str, Any]]:
        """Return every row that a benchmark has, with what it has in common."""
        return sorted(self._found, key=lambda entry: (entry["source"], entry["row"]))

    def most_frequent(self) -> str:
        """Return why most rows were dropped, with an example; there is at least one."""
        reason = min(self._reasons, key=lambda reason: (-self._reasons[reason], reason))
        index, detail = self._first[reason]
        return f"most were dropped as {reason}, row {index} for one: {detail}"


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


class RecordCounts:
    """What the report says about records, counted one by one as they are made."""

    def __init__(self, count_tokens: TokenCounter | None = None) -> None:
        """Start with nothing.

        Args:
            count_tokens: Returns the lengths of texts in tokens; None leaves these figures out.
        """
        units = {"characters": ("prompt", "output")} | (
            {"tokens": ("prompt", "output", "total")} if count_tokens else {}
        )
        self._count_tokens = count_tokens
        self.distractors = DistractorCounts(SPLITS)
        self.hardness = {split: Counter[str]() for split in SPLITS}
        self.constructs = {split: Counter[str]() for split in SPLITS}
        self.literal_case_repaired = Counter[str]()
        self.repairs = Counter[str]()
        self.lengths: dict[str, Lengths] = {
            split: {unit: {part: Counter() for part in parts} for unit, parts in units.items()} for split in SPLITS
        }
        self._texts: dict[str, list[tuple[str, str]]] = {split: [] for split in SPLITS}

    def add(self, split: str, row: CleanRow, distracted: Distracted, record: Record) -> None:
        """Count a record."""
        self.distractors.add(split, distracted)
        self.hardness[split][row.hardness] += 1
        self.constructs[split].update(row.constructs)
        self.literal_case_repaired[split] += row.literal_case_repaired
        # The first two words name the kind: `merged table`, `joined number`.
        self.repairs.update({" ".join(repair.split()[:2]) for repair in row.repairs})
        prompt, output = build_prompt(record.instruction, record.input), record.output or ""
        characters = self.lengths[split]["characters"]
        characters["prompt"][len(prompt)] += 1
        characters["output"][len(output)] += 1
        if self._count_tokens:
            self._texts[split].append((prompt, output))
            if len(self._texts[split]) == _BATCH:
                self._add_tokens(split)

    def finish(self) -> None:
        """Count the tokens of the last records."""
        for split in SPLITS:
            self._add_tokens(split)

    def _add_tokens(self, split: str) -> None:
        texts, self._texts[split] = self._texts[split], []
        if self._count_tokens and texts:
            totals = self._count_tokens([prompt + output for prompt, output in texts])
            prompts = self._count_tokens([prompt for prompt, _ in texts])
            tokens = self.lengths[split]["tokens"]
            tokens["prompt"].update(prompts)
            tokens["output"].update(total - prompt for total, prompt in zip(totals, prompts, strict=True))
            tokens["total"].update(totals)


class DistractorCounts:
    """What became of the rows' distractors, counted one by one."""

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
        """Return the number of records of a split by added columns."""
        return {str(number): count for number, count in sorted(self._added[split].items())}

    def figures(self, asked: float) -> dict[str, Any]:
        """Return the figures on distractors.

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


def length_summary(values: Counter[int]) -> dict[str, float]:
    """Return mean, percentiles and maximum of counted lengths; nothing where there are none."""
    if not values:
        return {}
    at = {name: _quantile(values, share) for name, share in _PERCENTILES.items()}
    return {"mean": round(_mean(values), 1), **at, "max": max(values)}


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


def _histogram(values: Counter[int]) -> dict[str, list[int]]:
    if not values:
        return {"edges": [0, 1], "counts": [0]}
    most = _quantile(values, _SHOWN)
    width = next((width for width in _WIDTHS if width * _BINS > most), most // _BINS + 1)
    counts = [0] * (most // width + 1)
    for value, count in values.items():
        counts[min(value // width, len(counts) - 1)] += count
    first = min(values) // width
    return {"edges": [width * at for at in range(first, len(counts) + 1)], "counts": counts[first:]}


def _share_and_mean(numbers: Counter[int]) -> dict[str, float]:
    if not numbers:
        return {"share_with_one": 0.0, "mean": 0.0}
    share = (numbers.total() - numbers[0]) / numbers.total()
    return {"share_with_one": round(share, 4), "mean": round(_mean(numbers), 3)}


def _mean(numbers: Counter[int]) -> float:
    return sum(number * count for number, count in numbers.items()) / numbers.total()


def _quantile(numbers: Counter[int], share: float) -> int:
    ordered = sorted(numbers)
    ends = list(accumulate(numbers[number] for number in ordered))
    return ordered[bisect_right(ends, min(int(ends[-1] * share), ends[-1] - 1))]
