"""The report of a build: what was read, kept and dropped, what the splits hold. Without times and paths."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final, TypeAlias

from text2sql_lightning.constants import HARDNESS
from text2sql_lightning.data.sources import EMBEDDED_SOURCE, HUB_NAME
from text2sql_lightning.files.charts import Bar, draw_bars, draw_histograms, share_bars
from text2sql_lightning.files.pages import render, write_pages
from text2sql_lightning.prepare.counts import Drops, RecordCounts, length_histograms, length_summary
from text2sql_lightning.prepare.decontaminate import SIMILARITY_OF_SAME_SKELETON, SIMILARITY_ON_SAME_TABLES
from text2sql_lightning.prepare.fingerprints import NORMAL_FORM_VERSION
from text2sql_lightning.prepare.repairs import CONSTRUCTS
from text2sql_lightning.prepare.settings import BuildSettings
from text2sql_lightning.prepare.store import KeptRows
from text2sql_lightning.text.prompts import prompt_sha256

Kinds: TypeAlias = Mapping[str, Mapping[str, Any]]

FORMAT_VERSION: Final = 1
_MOST_ROWS: Final = 200
_LICENCES: Final = {HUB_NAME: "cc-by-4.0", EMBEDDED_SOURCE: "apache-2.0"}
_SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True)
class Members:
    """Which rows became records.

    Attributes:
        rows: All kept rows.
        unmixed: The places of each split's rows before mixing.
        splits: The same after it.
        groups: The group of each row.
    """

    rows: KeptRows
    unmixed: Mapping[str, Sequence[int]]
    splits: Mapping[str, Sequence[int]]
    groups: Sequence[int]


def make_report(
    *,
    settings: BuildSettings,
    rows_in_source: int,
    rows_read: int,
    drops: Drops,
    members: Members,
    counts: RecordCounts,
    benchmarks: Sequence[str],
    same_tables: Mapping[tuple[str, ...], int],
) -> dict[str, Any]:
    """Collect the figures of a build.

    Args:
        settings: The settings of the build.
        rows_in_source: Rows that the source has.
        rows_read: Rows that were looked at: fewer with `max_rows`.
        drops: What is known of dropped rows.
        members: The rows of each split.
        counts: What was counted of their records.
        benchmarks: Names of the test sets that were searched.
        same_tables: How many kept rows are on each set of tables that a benchmark's query is on.

    Returns:
        The report, ready for JSON.
    """
    splits = members.splits
    kinds = _kinds(members)
    return {
        "format_version": FORMAT_VERSION,
        "settings": _settings(settings),
        "prompt_sha256": prompt_sha256(),
        "sources": sorted(set().union(*(_by_source(members.rows, places) for places in splits.values()))),
        "rows_in_source": rows_in_source,
        "rows_read": rows_read,
        "rows_kept": sum(map(len, splits.values())),
        "rows_dropped": len(drops),
        "dropped": drops.figures(),
        "repairs": dict(sorted(counts.repairs.items())),
        "literal_case_repaired": counts.literal_case_repaired.total(),
        "distractors": counts.distractors.figures(settings.distractors),
        "contamination": _contamination(settings, drops, benchmarks, same_tables),
        "splits": {split: _split(split, len(splits[split]), counts, kinds) for split in splits},
        "schema_overlap": {kind: _overlap(of_split) for kind, of_split in kinds.items()},
        "lengths": {
            split: {
                unit: {part: length_summary(values) for part, values in parts.items()}
                for unit, parts in counts.lengths[split].items()
            }
            for split in splits
        },
        "length_histograms": length_histograms(counts.lengths.values()),
        "by_source": source_figures(drops.by_source, members),
    }


def _settings(settings: BuildSettings) -> dict[str, Any]:
    names = ("val_ratio", "test_ratio", "seed", "max_rows", "literal_case", "split_by", "distractors", "decontaminate")
    return {name: getattr(settings, name) for name in names} | {
        "decontaminate_against": len(settings.decontaminate_against),
        "mix": {weight.source: [weight.weight, weight.repeat] for weight in settings.mix},
    }


def _contamination(
    settings: BuildSettings, drops: Drops, benchmarks: Sequence[str], same_tables: Mapping[tuple[str, ...], int]
) -> dict[str, Any]:
    return {
        "searched": settings.decontaminate,
        "against": list(benchmarks),
        "normal_form_version": NORMAL_FORM_VERSION,
        "same_question": drops.kinds["question"],
        "same_query": drops.kinds["query"],
        "near_duplicates": drops.kinds["near_duplicate"],
        "near_duplicate_similarity": SIMILARITY_ON_SAME_TABLES,
        "near_duplicate_similarity_on_other_tables": SIMILARITY_OF_SAME_SKELETON,
        "rows": drops.contaminated(),
        "kept_on_same_tables": sum(same_tables.values()),
        "same_table_sets": {
            ", ".join(tables): count
            for tables, count in sorted(same_tables.items(), key=lambda item: (-item[1], item[0]))
        },
    }


def _kinds(members: Members) -> dict[str, dict[str, Any]]:
    """Return the distinct groups, schemas, ... of each split, as sorted arrays of numbers."""
    import numpy as np

    rows = members.rows
    of_row = {
        "schema_groups": members.groups,
        "schemas": rows.schema_id,
        "questions": rows.question,
        "sql_templates": rows.template,
    }
    places = {split: np.asarray(places) for split, places in members.splits.items()}
    kinds = {
        kind: {split: np.unique(np.asarray(numbers)[at]) for split, at in places.items()}
        for kind, numbers in of_row.items()
    }
    names = np.repeat(np.arange(len(rows.names)), np.diff(np.asarray(rows.names.ends), prepend=np.uint32(0)))
    named = np.asarray(rows.names.places)
    kinds["table_names"] = {split: np.unique(names[np.isin(named, at)]) for split, at in places.items()}
    return kinds


def _split(split: str, records: int, counts: RecordCounts, kinds: Kinds) -> dict[str, Any]:
    return {
        "records": records,
        "schemas": len(kinds["schemas"][split]),
        "groups": len(kinds["schema_groups"][split]),
        "hardness": {level: counts.hardness[split][level] for level in HARDNESS},
        "literal_case_repaired": counts.literal_case_repaired[split],
        "constructs": {name: counts.constructs[split][name] for name in CONSTRUCTS},
        "distractors": counts.distractors.of_split(split),
        "near_repeats": {
            "same_query_but_literals": records - len(kinds["sql_templates"][split]),
            "same_question": records - len(kinds["questions"][split]),
        },
    }


def _overlap(of_split: Mapping[str, Any]) -> dict[str, int]:
    """Count what is in two splits. A table may be: the same name does not make the same database."""
    import numpy as np

    pairs = combinations(of_split, 2)
    return {f"{a}-{b}": len(np.intersect1d(of_split[a], of_split[b], assume_unique=True)) for a, b in pairs}


def source_figures(dropped: Mapping[str, int], members: Members) -> dict[str, Any]:
    """Return for each source `read`, `dropped`, `train_before_mixing`, and the records of each split."""
    found = {split: _by_source(members.rows, places) for split, places in members.unmixed.items()}
    final = {split: _by_source(members.rows, places) for split, places in members.splits.items()}
    return {
        name: {
            "read": dropped.get(name, 0) + sum(counts[name] for counts in found.values()),
            "dropped": dropped.get(name, 0),
            "train_before_mixing": found["train"][name],
            **{split: counts[name] for split, counts in final.items()},
        }
        for name in sorted(set(dropped).union(*found.values()))
    }


def _by_source(rows: KeptRows, places: Sequence[int]) -> Counter[str]:
    numbers = Counter(rows.source[place] for place in places)
    return Counter({rows.sources[number]: count for number, count in numbers.items()})


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
    write_pages(
        path,
        "prepare/templates/dataset_report.j2",
        report=report,
        lead=lead,
        tiles=tiles,
        most=_MOST_ROWS,
        charts=_charts(report),
    )


def dataset_card(report: Mapping[str, Any]) -> str:
    """Return the card of a dataset in Markdown, with the front matter that the Hugging Face hub reads.

    Args:
        report: What `make_report` collected.
    """
    licences = {_LICENCES.get(source, "unknown") for source in report["sources"]}
    return render(
        "markdown",
        "prepare/templates/dataset_card.j2",
        report=report,
        hub_name=HUB_NAME,
        embedded_source=EMBEDDED_SOURCE,
        licence=licences.pop() if len(licences) == 1 else "other",
        size=next((name for bound, name in _SIZES if report["rows_kept"] < bound), "1M<n<10M"),
    )


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
    return {
        split: [Bar(name, share := entry[key][name] / (entry["records"] or 1), text=f"{share:.1%}") for name in labels]
        for split, entry in splits.items()
    }
