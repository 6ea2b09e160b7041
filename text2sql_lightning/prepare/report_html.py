"""The report of a build as one HTML page with pictures: no script, nothing loaded from elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, Final

from text2sql_lightning.prepare.pictures import bars, columns, grouped_bars, histogram, strip
from text2sql_lightning.prepare.repairs import CONSTRUCTS
from text2sql_lightning.prepare.store import LEVELS

_ROWS: Final = 12
_STYLE: Final = """
:root { --text: #1f2933; --soft: #616e7c; --line: #dfe3e8; --page: #f5f7fa; --card: #fff;
  --train: #3b6fd4; --val: #e8a317; --test: #1fa187; --dropped: #c3cad3; --found: #d64545; --plain: #5b7fb8; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e7eb; --soft: #9aa5b1; --line: #3e4c59; --page: #1a2129; --card: #232c36;
    --train: #6b96e8; --val: #f0b94a; --test: #46c2a8; --dropped: #52606d; --found: #ef6b6b; --plain: #7f9fd0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 840px; padding: 32px 20px 64px; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 0 0 12px; }
h3 { font-size: 14px; margin: 18px 0 6px; } p { margin: 8px 0; } .soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 20px 24px;
  margin-top: 20px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); gap: 12px; margin-top: 20px; }
.figure { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px; }
.figure b { display: block; font-size: 24px; font-weight: 600; } .warn { color: var(--found); }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; color: var(--soft); } td.number, th.number { text-align: right; white-space: nowrap; }
code { font: 12.5px/1.45 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; overflow-wrap: anywhere; }
svg { display: block; max-width: 100%; height: auto; } svg text { fill: var(--text); }
svg .small { font-size: 9.5px; fill: var(--soft); } svg .label { text-anchor: end; }
svg .middle { text-anchor: middle; } svg .axis { stroke: var(--line); }
.train { fill: var(--train); } .val { fill: var(--val); } .test { fill: var(--test); } .found { fill: var(--found); }
.dropped { fill: var(--dropped); } .plain { fill: var(--plain); }
.key::before { content: "\\25A0\\00A0"; } .key { margin-right: 14px; white-space: nowrap; }
.key.train { color: var(--train); } .key.val { color: var(--val); } .key.test { color: var(--test); }
.key span { color: var(--text); }
"""


def report_html(report: Mapping[str, Any]) -> str:
    """Write a report as HTML.

    Args:
        report: What `make_report` collected, with `inputs` and `outputs`.

    Returns:
        The page.
    """
    sections = [
        ("Where the rows went", _rows(report)),
        ("Benchmark contamination", _contamination(report["contamination"])),
        ("Dropped rows", _dropped(report["dropped"])),
        ("Hardness", _hardness(report["splits"])),
        ("Constructs", _constructs(report["splits"])),
        ("Lengths", _lengths(report)),
        ("Distractors", _distractors(report)),
        ("Splits", _splits(report)),
        ("Files", _files(report)),
    ]
    body = "".join(f"<section><h2>{title}</h2>{content}</section>" for title, content in sections if content)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Data set report</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>{_head(report)}{body}</body></html>\n"
    )


def _head(report: Mapping[str, Any]) -> str:
    sources = ", ".join(escape(source) for source in report["sources"])
    settings = ", ".join(f"{name} {value}" for name, value in report["settings"].items())
    found = report["contamination"]
    figures = {
        "rows read": f"{report['rows_read']:,}",
        "records kept": f"{report['rows_kept']:,}",
        "rows dropped": f"{report['rows_dropped']:,}",
        "benchmark rows removed": f"{len(found['rows']):,}" if found["searched"] else "not searched",
        "schemas": f"{sum(entry['schemas'] for entry in report['splits'].values()):,}",
    }
    cards = "".join(f'<div class="figure"><b>{value}</b>{name}</div>' for name, value in figures.items())
    return (
        f'<h1>Data set report</h1><p class="soft">Made from {sources}. Settings: {escape(settings)}. '
        f'Prompt <code>{report["prompt_sha256"][:16]}</code>.</p><div class="figures">{cards}</div>'
    )


def _rows(report: Mapping[str, Any]) -> str:
    parts = {split: entry["records"] for split, entry in report["splits"].items()}
    repaired = sum(report["repairs"].values())
    return (
        strip(parts | {"dropped": report["rows_dropped"]})
        + f"<p>{repaired:,} repairs of schemas and queries; in {report['literal_case_repaired']:,} records a "
        "literal took the question's letter case.</p>"
    )


def _contamination(found: Mapping[str, Any]) -> str:
    if not found["searched"]:
        return (
            '<p class="warn"><b>Not searched</b> (<code>--no_decontaminate</code>): figures on Spider are worth '
            "nothing for a model trained on this.</p>"
        )
    kinds = {
        "same question": found["same_question"],
        "same query, same tables": found["same_query"],
        "near-duplicate": found["near_duplicates"],
    }
    rows = [
        [
            str(entry["row"]),
            entry["source"],
            entry["kind"].replace("_", " "),
            entry["example"],
            "" if entry["similarity"] is None else f"{entry['similarity']:.2f}",
        ]
        for entry in sorted(found["rows"], key=lambda entry: (entry["kind"] == "question", entry["kind"] == "query"))
    ]
    return (
        f"<p>Searched: {escape(', '.join(found['against']))}. Every row that was found is removed.</p>"
        + bars(kinds, series="found")
        + _table(["row", "of", "kind", "example", "similarity"], rows, numbers=(0, 4))
        + f"<p>{found['kept_on_same_tables']:,} records that stand on the same tables as a benchmark's query are kept"
        + (": " + escape("; ".join(f"{names} ({n})" for names, n in _first(found["same_table_sets"]))) + ".</p>"
           if found["same_table_sets"] else ".</p>")
    )  # fmt: skip


def _first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return list(counts.items())[:_ROWS]


def _dropped(dropped: Mapping[str, Any]) -> str:
    if not dropped:
        return "<p>None.</p>"
    examples = [
        [reason.replace("_", " "), str(example["row"]), _Code(example["question"]), _Code(example["detail"])]
        for reason, entry in dropped.items()
        for example in entry["examples"][:1]
    ]
    counts = {reason.replace("_", " "): entry["count"] for reason, entry in dropped.items()}
    return (
        bars(counts, series="plain")
        + "<h3>Examples</h3>"
        + _table(["reason", "row", "question", "detail"], examples, numbers=(1,))
    )


def _hardness(splits: Mapping[str, Any]) -> str:
    levels = [level for level in LEVELS if any(entry["hardness"][level] for entry in splits.values())]
    shares = {
        level: {split: _share(entry, entry["hardness"][level]) for split, entry in splits.items()} for level in levels
    }
    return _legend(splits) + grouped_bars(shares) + '<p class="soft">By the rules of Spider\'s evaluation script.</p>'


def _constructs(splits: Mapping[str, Any]) -> str:
    shares = {
        name: {split: _share(entry, entry["constructs"][name]) for split, entry in splits.items()}
        for name in CONSTRUCTS
    }
    return _legend(splits) + grouped_bars(shares) + '<p class="soft">Share of the records whose query uses it.</p>'


def _share(entry: Mapping[str, Any], count: int) -> float:
    return count / entry["records"] if entry["records"] else 0.0


def _legend(splits: Iterable[str]) -> str:
    keys = "".join(f'<span class="key {split}"><span>{split}</span></span>' for split in splits)
    return f"<p>{keys}</p>"


def _lengths(report: Mapping[str, Any]) -> str:
    pictures = [
        f"<h3>{escape(part)}, {escape(unit)}</h3>" + histogram(entry["counts"], entry["edges"], series="plain")
        for unit, parts in report["length_histograms"].items()
        for part, entry in parts.items()
    ]
    names = ("mean", "median", "p95", "p99", "max")
    rows = [
        [split, f"{part}, {unit}", *(f"{summary[name]:,}" if name in summary else "" for name in names)]
        for split, units in report["lengths"].items()
        for unit, parts in units.items()
        for part, summary in parts.items()
    ]
    return "".join(pictures) + "<h3>By split</h3>" + _table(["split", "of", *names], rows, numbers=range(2, 7))


def _distractors(report: Mapping[str, Any]) -> str:
    counts: dict[str, int] = {}
    for entry in report["splits"].values():
        for number, count in entry["distractors"].items():
            counts[number] = counts.get(number, 0) + count
    if set(counts) <= {"0"}:
        return "<p>None were added: every column in a prompt is one that some answer on its tables needs.</p>"
    ordered = {number: counts[number] for number in sorted(counts, key=int)}
    carrying = 1 - counts.get("0", 0) / sum(counts.values())
    return (
        f"<p>Columns that the answer does not need, added to the schema: {carrying:.1%} of the records carry at least "
        "one.</p>" + columns(ordered, series="plain") + '<p class="soft">Added columns per record.</p>'
    )


def _splits(report: Mapping[str, Any]) -> str:
    rows = [
        [split, *(f"{entry[name]:,}" for name in ("records", "schemas", "groups")),
         *(f"{count:,}" for count in entry["near_repeats"].values())]
        for split, entry in report["splits"].items()
    ]  # fmt: skip
    overlap = report["schema_overlap"]
    pairs = list(next(iter(overlap.values())))
    kinds = [[kind.replace("_", " "), *(f"{counts[pair]:,}" for pair in pairs)] for kind, counts in overlap.items()]
    head = ["split", "records", "schemas", "groups", "same query but literals", "same question"]
    return (
        _table(head, rows, numbers=range(1, 6))
        + "<h3>What stands in two splits</h3>"
        + _table(["", *pairs], kinds, numbers=range(1, len(pairs) + 1))
    )


def _files(report: Mapping[str, Any]) -> str:
    rows = [[kind, name, _Code(digest)] for kind in ("inputs", "outputs") for name, digest in report[kind].items()]
    return _table(["", "file", "SHA-256"], rows)


class _Code(str):
    """Text that is set as code."""


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Iterable[int] = ()) -> str:
    right = set(numbers)
    lines = [_line("th", head, right), *(_line("td", row, right) for row in rows[:_ROWS])]
    more = f'<p class="soft">and {len(rows) - _ROWS:,} more in dataset_report.json</p>' if len(rows) > _ROWS else ""
    return f"<table>{''.join(lines)}</table>{more}"


def _line(tag: str, cells: Sequence[Any], right: set[int]) -> str:
    texts = (
        f"<code>{escape(cell)}</code>"
        if isinstance(cell, _Code)
        else escape(f"{cell:,}" if type(cell) is int else f"{cell}")
        for cell in cells
    )
    marked = (
        f'<{tag} class="number">{text}</{tag}>' if at in right else f"<{tag}>{text}</{tag}>"
        for at, text in enumerate(texts)
    )
    return f"<tr>{''.join(marked)}</tr>"
