"""The report of a build: what was read, kept and dropped, and what the splits hold. No times and no paths in it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from text2sql_lightning.data.records import Record
from text2sql_lightning.prepare.clean import CleanRow
from text2sql_lightning.prepare.decontaminate import SIMILARITY_OF_SAME_SKELETON, SIMILARITY_ON_SAME_TABLES
from text2sql_lightning.prepare.distract_report import DistractorCounts
from text2sql_lightning.prepare.distractors.distract import Distracted
from text2sql_lightning.prepare.drops import Drops
from text2sql_lightning.prepare.fingerprints import NORMAL_FORM_VERSION
from text2sql_lightning.prepare.histograms import Lengths, length_histograms, mean, quantile
from text2sql_lightning.prepare.repairs import CONSTRUCTS
from text2sql_lightning.prepare.settings import BuildSettings
from text2sql_lightning.prepare.split import SPLITS
from text2sql_lightning.prepare.store import LEVELS, KeptRows
from text2sql_lightning.text.prompts import build_prompt, prompt_sha256

FORMAT_VERSION: Final = 1
_BATCH: Final = 1000
_PERCENTILES: Final = {"median": 0.5, "p95": 0.95, "p99": 0.99}

TokenCounter = Callable[[Sequence[str]], list[int]]


class RecordCounts:
    """What the report says about records, counted one by one as they are made."""

    def __init__(self, count_tokens: TokenCounter | None = None) -> None:
        """Start with nothing.

        Args:
            count_tokens: Gives the lengths of texts in tokens; None leaves these figures out.
        """
        self._count_tokens = count_tokens
        self.distractors = DistractorCounts(SPLITS)
        self.hardness = {split: Counter[str]() for split in SPLITS}
        self.constructs = {split: Counter[str]() for split in SPLITS}
        self.literal_case_repaired = Counter[str]()
        self.repairs = Counter[str]()
        self.lengths: dict[str, Lengths] = {split: _no_lengths(count_tokens is not None) for split in SPLITS}
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
            whole = self._count_tokens([prompt + output for prompt, output in texts])
            prompt = self._count_tokens([prompt for prompt, _ in texts])
            tokens = self.lengths[split]["tokens"]
            tokens["prompt"].update(prompt)
            tokens["output"].update(total - part for total, part in zip(whole, prompt, strict=True))
            tokens["total"].update(whole)


@dataclass(frozen=True)
class Members:
    """Which rows became records.

    Attributes:
        rows: All kept rows.
        splits: The places of each split's rows.
        groups: The group of each row.
    """

    rows: KeptRows
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
    benchmarks: Sequence[str] = (),
    same_tables: Mapping[tuple[str, ...], int] | None = None,
) -> dict[str, Any]:
    """Collect the figures of a build.

    Args:
        settings: What the build was told.
        rows_in_source: Rows that the source has.
        rows_read: Rows that were looked at: fewer with `max_rows`.
        drops: What is known of dropped rows.
        members: The rows of each split.
        counts: What was counted of their records.
        benchmarks: Names of the test sets that were searched.
        same_tables: How many kept rows stand on each set of tables that a benchmark's query stands on.

    Returns:
        The report, ready for JSON.
    """
    rows, splits = members.rows, members.splits
    kinds = _kinds(members)
    return {
        "format_version": FORMAT_VERSION,
        "settings": _settings(settings),
        "prompt_sha256": prompt_sha256(),
        "sources": sorted({rows.sources[rows.source[place]] for places in splits.values() for place in places}),
        "rows_in_source": rows_in_source,
        "rows_read": rows_read,
        "rows_kept": sum(map(len, splits.values())),
        "rows_dropped": len(drops),
        "dropped": drops.figures(),
        "repairs": dict(sorted(counts.repairs.items())),
        "literal_case_repaired": counts.literal_case_repaired.total(),
        "distractors": counts.distractors.figures(settings.distractors),
        "contamination": _contamination(settings, drops, benchmarks, same_tables or {}),
        "splits": {split: _split(split, len(splits[split]), counts, kinds) for split in splits},
        "schema_overlap": {kind: _overlap(of_split) for kind, of_split in kinds.items()},
        "lengths": {split: _summaries(counts.lengths[split]) for split in splits},
        "length_histograms": length_histograms(counts.lengths.values()),
    }


def _no_lengths(tokens: bool) -> Lengths:
    units = {"characters": ("prompt", "output")} | ({"tokens": ("prompt", "output", "total")} if tokens else {})
    return {unit: {part: Counter() for part in parts} for unit, parts in units.items()}


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


Kinds = Mapping[str, Mapping[str, Any]]


def _kinds(members: Members) -> dict[str, dict[str, Any]]:
    """Give the different groups, schemas, ... that each split has, as sorted arrays of numbers."""
    import numpy as np

    rows = members.rows
    of_row = {"schema_groups": members.groups, "schemas": rows.schema_id, "questions": rows.question,
              "sql_templates": rows.template}  # fmt: skip
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
        "hardness": {level: counts.hardness[split][level] for level in LEVELS},
        "literal_case_repaired": counts.literal_case_repaired[split],
        "constructs": {name: counts.constructs[split][name] for name in CONSTRUCTS},
        "distractors": counts.distractors.of_split(split),
        "near_repeats": {
            "same_query_but_literals": records - len(kinds["sql_templates"][split]),
            "same_question": records - len(kinds["questions"][split]),
        },
    }


def _overlap(of_split: Mapping[str, Any]) -> dict[str, int]:
    """Count what stands in two splits. A table may: the same name does not make the same database."""
    import numpy as np

    pairs = combinations(of_split, 2)
    return {f"{a}-{b}": len(np.intersect1d(of_split[a], of_split[b], assume_unique=True)) for a, b in pairs}


def _summaries(lengths: Lengths) -> dict[str, dict[str, dict[str, float]]]:
    return {unit: {part: _summary(values) for part, values in parts.items()} for unit, parts in lengths.items()}


def _summary(values: Counter[int]) -> dict[str, float]:
    if not values:
        return {}
    at = {name: quantile(values, share) for name, share in _PERCENTILES.items()}
    return {"mean": round(mean(values), 1), **at, "max": max(values)}
