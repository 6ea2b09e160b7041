"""The report of a build as pages to read, and the card of its dataset."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.data.sources import EMBEDDED_SOURCE, HUB_NAME
from text2sql_lightning.files.charts import Bar, draw_bars, draw_histograms, share_bars
from text2sql_lightning.files.pages import render, write_pages

_MOST_ROWS: Final = 200
_LICENCES: Final = {HUB_NAME: "cc-by-4.0", EMBEDDED_SOURCE: "apache-2.0"}
_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def write_report_pages(path: Path, report: Mapping[str, Any]) -> None:
    """Write a report as HTML and as Markdown.

    Args:
        path: The files' path without suffix.
        report: What `make_report` collected, with `inputs` and `outputs`.
    """
    found, splits = report["contamination"], report["splits"].values()
    removed = len(found["rows"]) if found["searched"] else "not searched"
    tiles = [
        ("records kept", report["rows_kept"], f"of {report['rows_read']:,} rows read"),
        ("rows dropped", report["rows_dropped"], f"{sum(report['repairs'].values()):,} repairs in others"),
        ("benchmark rows removed", removed, ", ".join(found["against"])),
        ("schemas", sum(entry["schemas"] for entry in splits), f"in {len(report['splits'])} splits"),
    ]
    lead = f"Made from {', '.join(report['sources'])}: {report['rows_in_source']:,} rows."
    write_pages(path, "prepare", "dataset_report.j2", report=report, lead=lead, tiles=tiles, most=_MOST_ROWS,
                charts=_charts(report))  # fmt: skip


def dataset_card(report: Mapping[str, Any]) -> str:
    """Return the card of a dataset in Markdown, with the front matter that the Hugging Face hub reads.

    Args:
        report: What `make_report` collected.
    """
    licences = {_LICENCES.get(source, "unknown") for source in report["sources"]}
    return render(
        "markdown", "prepare", "dataset_card.j2",
        report=report, hub_name=HUB_NAME, embedded_source=EMBEDDED_SOURCE,
        licence=licences.pop() if len(licences) == 1 else "other",
        size=next((name for bound, name in _SIZES if report["rows_kept"] < bound), "1M<n<10M"),
    )  # fmt: skip


def _charts(report: Mapping[str, Any]) -> dict[str, str]:
    splits = report["splits"]
    rows = {split: entry["records"] for split, entry in splits.items()} | {"dropped": report["rows_dropped"]}
    dropped = {reason.replace("_", " "): entry["count"] for reason, entry in report["dropped"].items()}
    lengths = {
        f"{part}, {unit}": bins for unit, parts in report["length_histograms"].items() for part, bins in parts.items()
    }
    return {
        "rows": draw_bars({"": share_bars(rows)}, axis="rows"),
        "dropped": draw_bars({"": share_bars(dropped)}, axis="rows") if dropped else "",
        "hardness": draw_bars(_by_split(splits, "hardness"), axis="share of the records"),
        "constructs": draw_bars(_by_split(splits, "constructs"), axis="share of the records"),
        "lengths": draw_histograms(lengths, axis="records"),
        "distractors": draw_bars({"": share_bars(report["distractors"]["histogram"])}, axis="records"),
    }


def _by_split(splits: Mapping[str, Any], key: str) -> dict[str, list[Bar]]:
    """Return the share of each split's records with each value, but for values that no record has."""
    labels = [name for name in next(iter(splits.values()))[key] if any(entry[key][name] for entry in splits.values())]
    shares = {
        split: {name: entry[key][name] / (entry["records"] or 1) for name in labels} for split, entry in splits.items()
    }
    return {
        split: [Bar(name, share, text=f"{share:.1%}") for name, share in of_split.items()]
        for split, of_split in shares.items()
    }
