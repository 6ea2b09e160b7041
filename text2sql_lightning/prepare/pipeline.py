"""Raw rows to the records of train, val and test, with few rows in memory at a time."""

import pickle
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from tqdm import tqdm

from text2sql_lightning.data.records import Record
from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.errors import DataError
from text2sql_lightning.prepare.clean import CleanRow, DroppedRow
from text2sql_lightning.prepare.counts import Drops, RecordCounts, TokenCounter
from text2sql_lightning.prepare.decontaminate import Detector
from text2sql_lightning.prepare.distractors.distract import Distracted, distract_splits
from text2sql_lightning.prepare.report import Members, make_report
from text2sql_lightning.prepare.settings import BuildSettings
from text2sql_lightning.prepare.split import SPLITS, group_name, mix_rows, row_groups, split_rows
from text2sql_lightning.prepare.store import KeptRows, RowStore
from text2sql_lightning.prepare.workers import PreparedRow, RowMap, prepare_row, row_map
from text2sql_lightning.text.prompts import INSTRUCTION, format_input

RecordSink: TypeAlias = Callable[[str, Record], None]
"""Takes the split and the record; all of train come first, then those of val, then those of test."""


@dataclass(frozen=True)
class BuiltDataset:
    """Records of the three splits, and the report.

    Attributes:
        train: Records to train on.
        val: Records that choose the checkpoint.
        test: Records for the figures that are published.
        report: What was read, kept, dropped and found, ready for JSON.
    """

    train: list[Record]
    val: list[Record]
    test: list[Record]
    report: dict[str, Any]


def build_dataset(
    rows: Iterable[RawRow], settings: BuildSettings, *, count_tokens: TokenCounter | None = None, progress: bool = False
) -> BuiltDataset:
    """Clean, decontaminate and split rows, and make records of them; `stream_dataset` with the records in lists."""
    records: dict[str, list[Record]] = {split: [] for split in SPLITS}
    with TemporaryDirectory() as folder:
        report = stream_dataset(
            rows,
            settings,
            Path(folder),
            lambda split, record: records[split].append(record),
            count_tokens=count_tokens,
            progress=progress,
        )
    return BuiltDataset(records["train"], records["val"], records["test"], report)


def stream_dataset(
    rows: Iterable[RawRow],
    settings: BuildSettings,
    folder: Path,
    add_record: RecordSink,
    *,
    count_tokens: TokenCounter | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Clean, decontaminate and split rows, and hand on one record after the other.

    Rows wait on disk between the steps; in memory is what `KeptRows` holds of each.

    Args:
        rows: The rows of the source, in its order; read once, and to their end before the first one is cleaned.
        settings: What to do. The same rows and settings give the same result.
        folder: An empty folder on a disk with space for the rows twice. Nothing in it is needed afterwards.
        add_record: Takes the records.
        count_tokens: Returns the lengths of texts in tokens, for the report.
        progress: Whether to show progress bars on stderr.

    Returns:
        The report.

    Raises:
        DataError: No row is left, or too few for the splits; or a Spider folder cannot be read.
    """
    detector = Detector.for_spider(settings.decontaminate_against) if settings.decontaminate else None
    with closing(RowStore(folder)) as store:
        in_source = store.add_raw(rows)
        sample = sample_places(in_source, settings)
        with row_map(settings.workers, len(sample)) as map_rows:
            build = _Build(settings, store, map_rows, progress)
            build.clean(sample, detector)
            members = build.split()
            counts = build.make_records(members, folder / "columns.sqlite", count_tokens, add_record)
    return make_report(
        settings=settings,
        rows_in_source=in_source,
        rows_read=len(sample),
        drops=build.drops,
        members=members,
        counts=counts,
        benchmarks=detector.benchmarks if detector else (),
        same_tables=build.same_tables,
    )


def sample_places(rows: int, settings: BuildSettings) -> Sequence[int]:
    """Return the places of `max_rows` of the rows, at random, in their order; of all rows where there are no more.

    The first rows of a file are often of one kind.
    """
    if settings.max_rows is None or settings.max_rows >= rows:
        return range(rows)
    return sorted(Random(f"{settings.seed} sample").sample(range(rows), settings.max_rows))


class _Build:
    """The steps of a build, and what they know of the rows.

    Attributes:
        kept: Facts about the rows that are kept.
        drops: What is known of the others.
        same_tables: How many kept rows are on each set of tables that a benchmark's query is on.
    """

    def __init__(self, settings: BuildSettings, store: RowStore, map_rows: RowMap, progress: bool) -> None:
        self.kept = KeptRows(store.connection)
        self.drops = Drops()
        self.same_tables = Counter[tuple[str, ...]]()
        self._settings, self._store, self._map_rows = settings, store, map_rows
        self._bar = partial(tqdm, unit="row", disable=None if progress else True)  # None: none where stderr is a file

    def clean(self, sample: Sequence[int], detector: Detector | None) -> None:
        """Clean the rows and put those that are kept into the store."""
        prepare = partial(prepare_row, literal_case=self._settings.literal_case, detector=detector)
        prepared = self._map_rows(prepare, self._store.raw(sample))
        for row in self._bar(prepared, desc="clean", total=len(sample)):
            if isinstance(row, DroppedRow):
                self.drops.add(row)
            else:
                self._keep(row)
        if not len(self.kept):
            raise DataError(f"none of {len(sample)} rows can be used; {self.drops.most_frequent()}")
        self.kept.number_keys()

    def _keep(self, row: PreparedRow) -> None:
        """Keep a row unless the same one came before."""
        place = len(self.kept)
        first = self._store.first_place(row.digest, place)
        if first != place:
            source, index = self.kept.sources[self.kept.source[first]], self.kept.index[first]
            of_source = "" if source == row.facts.source else f" of {source}"
            raw = pickle.loads(row.row).row
            self.drops.add(DroppedRow(raw, "duplicate", f"same as row {index}{of_source}"))
            return
        self._store.keep(place, row.row)
        self.kept.add(row.facts)
        if row.benchmark_tables is not None:
            self.same_tables[row.benchmark_tables] += 1

    def split(self) -> Members:
        """Divide the rows, and mix those of train."""
        settings = self._settings
        groups = row_groups(self.kept, settings.split_by)
        unmixed = split_rows(self.kept, groups, settings)
        splits = unmixed | {"train": mix_rows(unmixed["train"], self.kept, settings.mix, settings.seed)}
        if settings.split_by == "row" or settings.mix:
            # Records name the groups of their schemas, made of the rows that became records alone.
            counts = Counter(place for places in splits.values() for place in places)
            groups = row_groups(self.kept, "schema", array("I", (counts[at] for at in range(len(self.kept)))))
        return Members(self.kept, unmixed, splits, groups)

    def make_records(
        self, members: Members, index_file: Path, count_tokens: TokenCounter | None, add_record: RecordSink
    ) -> RecordCounts:
        """Add distractors to the rows and make records of them."""
        counts = RecordCounts(count_tokens)
        stored = {split: self._store.rows(places) for split, places in members.splits.items()}
        places = (place for split in stored for place in members.splits[split])
        distracted = distract_splits(
            stored, self._settings.distractors, self._settings.seed, self._map_rows, index_file
        )
        numbers = Counter[str]()
        with closing(distracted):
            rows = self._bar(distracted, desc="distractors", total=sum(map(len, members.splits.values())))
            for (split, row, result), place in zip(rows, places, strict=True):
                numbers[split] += 1
                group = group_name(self.kept, members.groups[place])
                record = _make_record(row, result, split, numbers[split], group, self._settings)
                counts.add(split, row, result, record)
                add_record(split, record)
        counts.finish()
        return counts


def _make_record(
    row: CleanRow, distracted: Distracted, split: str, number: int, group: str, settings: BuildSettings
) -> Record:
    return Record(
        id=f"sqlcc-{split}-{number:06d}",
        instruction=INSTRUCTION,
        input=format_input(distracted.context, row.question),
        output=row.sql,
        source=row.row.source,
        meta={
            "original_split": row.row.original_split,
            "row": row.row.index,
            "split": split,
            "val_ratio": settings.val_ratio,
            "test_ratio": settings.test_ratio,
            "seed": settings.seed,
            "schema_id": row.schema_id,
            "schema_group": group,
            "distractors": len(distracted.sources),
            "distractor_tables": distracted.tables,
            "literal_case_repaired": row.literal_case_repaired,
            "dialect": row.row.dialect,
            "decontaminated": settings.decontaminate,
            "hardness": row.hardness,
            "repairs": list(row.repairs),
        },
    )
