"""What the report says about distractors."""

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Final

from text2sql_lightning.data.build.distract import Distracted
from text2sql_lightning.data.build.distract_draft import SOURCES

_LAST_BAR: Final = 10


def distractor_figures(results: Mapping[str, Sequence[Distracted]], asked: float) -> dict[str, Any]:
    """Collect the figures on distractors.

    Args:
        results: What became of each row, for each split.
        asked: The mean that was asked for.

    Returns:
        `asked_mean`, `mean` (added columns a record), `share_with_one` (of the records), `histogram` (records by added
        columns, 0 to 10+), `sources` (columns), `tables` (added), `refused` (records whose additions were taken back),
        `by_split`, and `unneeded_columns`: share of records with one and mean, before and after.
    """
    everything = [result for split in results.values() for result in split]
    added = [len(result.sources) for result in everything]
    counts = Counter(min(number, _LAST_BAR) for number in added)
    sources = Counter(source for result in everything for source in result.sources)
    return {
        "asked_mean": asked,
        **_share_and_mean(added),
        "histogram": {f"{n}{'+' * (n == _LAST_BAR)}": counts[n] for n in range(_LAST_BAR + 1)},
        "sources": {source: sources[source] for source in SOURCES},
        "tables": sum(result.tables for result in everything),
        "refused": sum(result.refused for result in everything),
        "by_split": {split: _share_and_mean([len(row.sources) for row in rows]) for split, rows in results.items()},
        "unneeded_columns": {
            "before": _share_and_mean([result.unneeded_before for result in everything]),
            "after": _share_and_mean([result.unneeded_after for result in everything]),
        },
    }


def distractor_lines(figures: Mapping[str, Any]) -> list[str]:
    """Write the figures as lines of Markdown, without a heading."""
    before, after = figures["unneeded_columns"]["before"], figures["unneeded_columns"]["after"]
    named = ", ".join(f"{source.replace('_', ' ')} {count}" for source, count in figures["sources"].items())
    bars = figures["histogram"]
    return [
        f"* Added: {figures['mean']} columns a record ({figures['asked_mean']:g} asked for, unneeded ones that were "
        f"there already included); {_percent(figures['share_with_one'])} of the records have at least one",
        f"* From: {named}; {figures['tables']} new tables",
        f"* Records with a column that the answer does not need: {_percent(before['share_with_one'])} before, "
        f"{_percent(after['share_with_one'])} after; {before['mean']} and {after['mean']} such columns a record",
        f"* Taken back, as they would have changed what the query means: in {figures['refused']} records",
        "",
        f"| added columns | {' | '.join(bars)} |",
        f"|{' --- |' * (len(bars) + 1)}",
        f"| records | {' | '.join(map(str, bars.values()))} |",
    ]


def _share_and_mean(numbers: Sequence[int]) -> dict[str, float]:
    if not numbers:
        return {"share_with_one": 0.0, "mean": 0.0}
    return {
        "share_with_one": round(sum(map(bool, numbers)) / len(numbers), 4),
        "mean": round(fmean(numbers), 3),
    }


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
