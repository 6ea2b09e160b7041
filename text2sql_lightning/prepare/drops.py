"""Dropped rows: counted, with a few examples; the rows themselves are not kept."""

from bisect import insort
from collections import Counter
from typing import Any, Final

from text2sql_lightning.prepare.clean import DroppedRow

_EXAMPLES: Final = 5
_EXCERPT: Final = 200
_SHORT: Final = 120


class Drops:
    """What the report says about dropped rows.

    Attributes:
        by_source: Number of rows for each source.
        kinds: Number of rows for each kind of `Match`.
    """

    def __init__(self) -> None:
        """Start without rows."""
        self.by_source = Counter[str]()
        self.kinds = Counter[str]()
        self._reasons = Counter[str]()
        self._first: dict[str, tuple[int, str]] = {}
        self._examples: dict[str, list[tuple[int, int, str, str]]] = {}
        self._found: list[dict[str, Any]] = []

    def __len__(self) -> int:
        """Give the number of rows."""
        return self._reasons.total()

    def add(self, dropped: DroppedRow) -> None:
        """Count a row."""
        row, reason = dropped.row, dropped.reason
        self.by_source[row.source] += 1
        self._reasons[reason] += 1
        self._first.setdefault(reason, (row.index, _shortened(dropped.detail, _SHORT)))
        examples = self._examples.setdefault(reason, [])
        insort(
            examples, (row.index, len(self), _shortened(row.question, _EXCERPT), _shortened(dropped.detail, _EXCERPT))
        )
        del examples[_EXAMPLES:]
        if match := dropped.match:
            self.kinds[match.kind] += 1
            self._found.append(
                {
                    "source": row.source,
                    "row": row.index,
                    "kind": match.kind,
                    "example": match.example,
                    "similarity": match.similarity,
                }
            )

    def figures(self) -> dict[str, Any]:
        """Give count and first examples by reason, the most frequent first."""
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
        """Name every row that a benchmark has, with what it has in common."""
        return sorted(self._found, key=lambda entry: (entry["source"], entry["row"]))

    def most_frequent(self) -> str:
        """Say why most rows were dropped, with an example; there is at least one."""
        reason = min(self._reasons, key=lambda reason: (-self._reasons[reason], reason))
        index, detail = self._first[reason]
        return f"most were dropped as {reason}, row {index} for one: {detail}"


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
