"""The report of a build: what was read, kept and dropped, and what the splits hold. No times and no paths in it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import Any, Final

from text2sql_lightning.data.build.clean import CleanRow, DroppedRow
from text2sql_lightning.data.build.constructs import CONSTRUCTS
from text2sql_lightning.data.build.decontaminate import SIMILARITY_OF_SAME_SKELETON, SIMILARITY_ON_SAME_TABLES
from text2sql_lightning.data.build.distract import Distracted
from text2sql_lightning.data.build.distract_report import distractor_figures
from text2sql_lightning.data.build.fingerprints import NORMAL_FORM_VERSION
from text2sql_lightning.data.build.groups import template_key
from text2sql_lightning.data.build.histograms import Lengths, length_histograms
from text2sql_lightning.data.build.settings import BuildSettings
from text2sql_lightning.data.records import Record
from text2sql_lightning.text.prompts import build_prompt, prompt_sha256

FORMAT_VERSION: Final = 1
LEVELS: Final = ("easy", "medium", "hard", "extra", "unknown")
_EXAMPLES: Final = 5
_EXCERPT: Final = 200


def make_report(
    *,
    settings: BuildSettings,
    rows_in_source: int,
    rows_read: int,
    dropped: Sequence[DroppedRow],
    splits: Mapping[str, Sequence[CleanRow]],
    records: Mapping[str, Sequence[Record]],
    distracted: Mapping[str, Sequence[Distracted]],
    count_tokens: Callable[[Sequence[str]], list[int]] | None,
    benchmarks: Sequence[str] = (),
    same_tables: Mapping[tuple[str, ...], int] | None = None,
) -> dict[str, Any]:
    """Collect the figures of a build.

    Args:
        settings: What the build was told.
        rows_in_source: Rows that the source has.
        rows_read: Rows that were looked at: fewer with `max_rows`.
        dropped: The rows that were dropped.
        splits: The kept rows of each split.
        records: The records of each split, in the same order.
        distracted: What distractors each row got, in the same order.
        count_tokens: Gives the lengths of texts in tokens; None leaves these figures out.
        benchmarks: Names of the test sets that were searched.
        same_tables: How many kept rows stand on each set of tables that a benchmark's query stands on.

    Returns:
        The report, ready for JSON.
    """
    kept = [row for members in splits.values() for row in members]
    lengths = {split: _lengths(records[split], count_tokens) for split in splits}
    return {
        "format_version": FORMAT_VERSION,
        "settings": _settings(settings),
        "prompt_sha256": prompt_sha256(),
        "sources": sorted({row.row.source for row in kept}),
        "rows_in_source": rows_in_source,
        "rows_read": rows_read,
        "rows_kept": len(kept),
        "rows_dropped": len(dropped),
        "dropped": _dropped(dropped),
        "repairs": _repairs(kept),
        "literal_case_repaired": sum(row.literal_case_repaired for row in kept),
        "distractors": distractor_figures(distracted, settings.distractors),
        "contamination": _contamination(settings, dropped, benchmarks, same_tables or {}),
        "splits": {split: _split(splits[split], records[split]) for split in splits},
        "schema_overlap": _overlap(splits, records),
        "lengths": {split: _summaries(lengths[split]) for split in splits},
        "length_histograms": length_histograms(lengths.values()),
    }


def _settings(settings: BuildSettings) -> dict[str, Any]:
    names = ("val_ratio", "test_ratio", "seed", "max_rows", "literal_case", "split_by", "distractors", "decontaminate")
    return {name: getattr(settings, name) for name in names} | {
        "decontaminate_against": len(settings.decontaminate_against),
        "mix": {weight.source: [weight.weight, weight.repeat] for weight in settings.mix},
    }


def _dropped(dropped: Iterable[DroppedRow]) -> dict[str, Any]:
    by_reason: dict[str, list[DroppedRow]] = defaultdict(list)
    for row in dropped:
        by_reason[row.reason].append(row)
    return {
        reason: {
            "count": len(rows),
            "examples": [
                {"row": row.row.index, "question": _excerpt(row.row.question), "detail": _excerpt(row.detail)}
                for row in sorted(rows, key=lambda row: row.row.index)[:_EXAMPLES]
            ],
        }
        for reason, rows in sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    }


def _excerpt(text: str) -> str:
    return text if len(text) <= _EXCERPT else f"{text[: _EXCERPT - 3]}..."


def _repairs(rows: Iterable[CleanRow]) -> dict[str, int]:
    """Count rows per kind of repair; the first two words name the kind: `merged table`, `joined number`."""
    kinds = Counter(kind for row in rows for kind in {" ".join(repair.split()[:2]) for repair in row.repairs})
    return dict(sorted(kinds.items()))


def _contamination(
    settings: BuildSettings,
    dropped: Iterable[DroppedRow],
    benchmarks: Sequence[str],
    same_tables: Mapping[tuple[str, ...], int],
) -> dict[str, Any]:
    found = sorted((row for row in dropped if row.match), key=lambda row: (row.row.source, row.row.index))
    kinds = Counter(row.match.kind for row in found if row.match)
    return {
        "searched": settings.decontaminate,
        "against": list(benchmarks),
        "normal_form_version": NORMAL_FORM_VERSION,
        "same_question": kinds["question"],
        "same_query": kinds["query"],
        "near_duplicates": kinds["near_duplicate"],
        "near_duplicate_similarity": SIMILARITY_ON_SAME_TABLES,
        "near_duplicate_similarity_on_other_tables": SIMILARITY_OF_SAME_SKELETON,
        "rows": [
            {
                "source": row.row.source,
                "row": row.row.index,
                "kind": row.match.kind,
                "example": row.match.example,
                "similarity": row.match.similarity,
            }
            for row in found
            if row.match
        ],
        "kept_on_same_tables": sum(same_tables.values()),
        "same_table_sets": {
            ", ".join(tables): count
            for tables, count in sorted(same_tables.items(), key=lambda item: (-item[1], item[0]))
        },
    }


def _split(rows: Sequence[CleanRow], records: Sequence[Record]) -> dict[str, Any]:
    return {
        "records": len(rows),
        "schemas": len({row.schema_id for row in rows}),
        "groups": len({record.meta["schema_group"] for record in records}),
        "hardness": {level: sum(row.hardness == level for row in rows) for level in LEVELS},
        "literal_case_repaired": sum(row.literal_case_repaired for row in rows),
        "constructs": {name: sum(name in row.constructs for row in rows) for name in CONSTRUCTS},
        "distractors": {str(n): count for n, count in sorted(Counter(r.meta["distractors"] for r in records).items())},
        "near_repeats": {
            "same_query_but_literals": len(rows) - len({template_key(row) for row in rows}),
            "same_question": len(rows) - len({row.question_key for row in rows}),
        },
    }


def _overlap(splits: Mapping[str, Sequence[CleanRow]], records: Mapping[str, Sequence[Record]]) -> dict[str, Any]:
    """Count what stands in two splits. A table may: the same name does not make the same database."""
    kinds: dict[str, dict[str, set[str]]] = {
        "schema_groups": {split: {record.meta["schema_group"] for record in records[split]} for split in splits},
        "schemas": {split: {row.schema_id for row in splits[split]} for split in splits},
        "questions": {split: {row.question_key for row in splits[split]} for split in splits},
        "sql_templates": {split: {template_key(row) for row in splits[split]} for split in splits},
        "table_names": {split: {name for row in splits[split] for name in row.tables} for split in splits},
    }
    pairs = list(combinations(splits, 2))
    return {kind: {f"{a}-{b}": len(sets[a] & sets[b]) for a, b in pairs} for kind, sets in kinds.items()}


def _lengths(records: Sequence[Record], count_tokens: Callable[[Sequence[str]], list[int]] | None) -> Lengths:
    prompts = [build_prompt(record.instruction, record.input) for record in records]
    outputs = [record.output or "" for record in records]
    lengths: Lengths = {"characters": {"prompt": list(map(len, prompts)), "output": list(map(len, outputs))}}
    if count_tokens:
        whole = count_tokens([prompt + output for prompt, output in zip(prompts, outputs, strict=True)])
        prompt = count_tokens(prompts)
        output = [total - part for total, part in zip(whole, prompt, strict=True)]
        lengths["tokens"] = {"prompt": prompt, "output": output, "total": whole}
    return lengths


def _summaries(lengths: Lengths) -> dict[str, dict[str, dict[str, float]]]:
    return {unit: {part: _summary(values) for part, values in parts.items()} for unit, parts in lengths.items()}


def _summary(values: Sequence[int]) -> dict[str, float]:
    if not values:
        return {}
    ordered = sorted(values)
    at = {name: ordered[min(int(len(ordered) * share), len(ordered) - 1)] for name, share in _PERCENTILES.items()}
    return {"mean": round(fmean(values), 1), **at, "max": ordered[-1]}


_PERCENTILES: Final = {"median": 0.5, "p95": 0.95, "p99": 0.99}
