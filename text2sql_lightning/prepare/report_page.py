"""The report of a build as a page to read."""

from collections.abc import Mapping
from typing import Any, Final

from text2sql_lightning.prepare.distract_report import distractor_lines
from text2sql_lightning.prepare.store import LEVELS

_MOST_ROWS: Final = 200


def report_page(report: Mapping[str, Any]) -> str:
    """Write a report as Markdown.

    Args:
        report: What `make_report` collected, with `inputs` and `outputs`.

    Returns:
        The page.
    """
    parts = [
        _head(report),
        _sources(report),
        _dropped(report),
        _found(report),
        _repairs(report),
        _distractors(report),
        _splits(report),
        _lengths(report),
        _files(report),
    ]
    return "\n\n".join(parts) + "\n"


def _head(report: Mapping[str, Any]) -> str:
    settings, found = report["settings"], report["contamination"]
    searched = (
        f"{found['same_question']} rows with the same question, {found['same_query']} with the same query on the same "
        f"tables, {found['near_duplicates']} near-duplicates; all removed (searched: {', '.join(found['against'])}); "
        f"{found['kept_on_same_tables']} rows on the same tables are kept"
        if found["searched"]
        else "**not searched** (`--no_decontaminate`)"
    )
    return "\n".join(
        [
            "# Data set report",
            "",
            f"* Source: {', '.join(report['sources'])}, {report['rows_in_source']} rows, {report['rows_read']} read",
            f"* Kept: {report['rows_kept']}, dropped: {report['rows_dropped']}",
            f"* Settings: {', '.join(f'{name} {value}' for name, value in settings.items())}",
            f"* Benchmark contamination: {searched}",
            f"* Literals that took the question's letter case: in {report['literal_case_repaired']} rows",
            f"* Prompt: `{report['prompt_sha256'][:16]}`",
        ]
    )


def _sources(report: Mapping[str, Any]) -> str:
    figures = report["by_source"]
    names = list(next(iter(figures.values())))
    rows = [[_code(source), *(counts[name] for name in names)] for source, counts in figures.items()]
    return "\n".join(["## Sources", "", *_table(["source", *(name.replace("_", " ") for name in names)], rows)])


def _dropped(report: Mapping[str, Any]) -> str:
    lines = ["## Dropped rows", ""]
    if not report["dropped"]:
        return "\n".join([*lines, "None."])
    lines += _table(["reason", "rows"], [[reason, entry["count"]] for reason, entry in report["dropped"].items()])
    for reason, entry in report["dropped"].items():
        lines += ["", f"### {reason}", ""]
        lines += [
            f"* row {example['row']}: {_code(example['question'])} {_code(example['detail'])}"
            for example in entry["examples"]
        ]
    return "\n".join(lines)


def _found(report: Mapping[str, Any]) -> str:
    lines = ["## Rows that a benchmark has", ""]
    found = report["contamination"]["rows"]
    if not found:
        return "\n".join([*lines, "None."])
    rows = [[entry["source"], entry["row"], entry["kind"], entry["example"], entry["similarity"] or ""]
            for entry in found[:_MOST_ROWS]]  # fmt: skip
    more = [f"| ... | {len(found) - _MOST_ROWS} more in dataset_report.json | | | |"] if len(found) > _MOST_ROWS else []
    return "\n".join([*lines, *_table(["source", "row", "kind", "example", "similarity"], rows), *more])


def _repairs(report: Mapping[str, Any]) -> str:
    rows = [[kind, count] for kind, count in report["repairs"].items()]
    return "\n".join(["## Repaired rows", "", *(_table(["repair", "rows"], rows) if rows else ["None."])])


def _distractors(report: Mapping[str, Any]) -> str:
    return "\n".join(["## Distractors", "", *distractor_lines(report["distractors"])])


def _splits(report: Mapping[str, Any]) -> str:
    splits = report["splits"]
    rows = [
        [split, entry["records"], entry["schemas"], entry["groups"], *(entry["hardness"][level] for level in LEVELS)]
        for split, entry in splits.items()
    ]
    overlap = report["schema_overlap"]
    pairs = list(next(iter(overlap.values())))
    return "\n".join(
        [
            "## Splits",
            "",
            *_table(["split", "records", "schemas", "groups", *LEVELS], rows),
            "",
            "Near-repeats, which are kept (records beyond the first of their kind):",
            "",
            *_table(
                ["split", *(name.replace("_", " ") for name in next(iter(splits.values()))["near_repeats"])],
                [[split, *entry["near_repeats"].values()] for split, entry in splits.items()],
            ),
            "",
            "What stands in two splits:",
            "",
            *_table(["", *pairs], [[kind, *(counts[pair] for pair in pairs)] for kind, counts in overlap.items()]),
        ]
    )


def _lengths(report: Mapping[str, Any]) -> str:
    names = ("mean", "median", "p95", "p99", "max")
    rows = [
        [split, f"{part}, {unit}", *(summary.get(name, "") for name in names)]
        for split, units in report["lengths"].items()
        for unit, parts in units.items()
        for part, summary in parts.items()
    ]
    return "\n".join(["## Lengths", "", *_table(["split", "of", *names], rows)])


def _files(report: Mapping[str, Any]) -> str:
    rows = [[kind, name, f"`{digest}`"] for kind in ("inputs", "outputs") for name, digest in report[kind].items()]
    return "\n".join(["## Files", "", *_table(["", "file", "SHA-256"], rows)])


def _table(head: list[str], rows: list[list[Any]]) -> list[str]:
    return [_line(head), _line(["---"] * len(head)), *map(_line, rows)]


def _line(cells: list[Any]) -> str:
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def _code(text: str) -> str:
    return f"`{text.replace('`', ' ').replace(chr(10), ' ')}`"
