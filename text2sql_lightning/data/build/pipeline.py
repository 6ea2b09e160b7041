"""Raw rows to the records of train, val and test."""

import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from random import Random
from typing import Any, Final

from tqdm import tqdm

from text2sql_lightning.data.build.clean import TOO_LONG, CleanRow, DroppedRow, clean_row
from text2sql_lightning.data.build.decontaminate import Detector, Match
from text2sql_lightning.data.build.distract import Distracted, distract_splits
from text2sql_lightning.data.build.groups import row_groups
from text2sql_lightning.data.build.mixing import mix_rows, source_figures
from text2sql_lightning.data.build.normal_form import normal_query
from text2sql_lightning.data.build.report import make_report
from text2sql_lightning.data.build.settings import BuildSettings, LiteralCase
from text2sql_lightning.data.build.split import SPLITS, split_rows
from text2sql_lightning.data.records import Record
from text2sql_lightning.data.sources import RawRow
from text2sql_lightning.errors import DataError
from text2sql_lightning.text.prompts import INSTRUCTION, format_input

ROWS_FOR_POOL: Final = 2000
"""From more rows than this on, several processes are worth their start."""

_CHUNK: Final = 100
_CHUNKS_A_WORKER: Final = 2


@dataclass(frozen=True)
class BuiltDataset:
    """What a build gives.

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
    rows: Sequence[RawRow],
    settings: BuildSettings,
    *,
    count_tokens: Callable[[Sequence[str]], list[int]] | None = None,
    progress: bool = False,
) -> BuiltDataset:
    """Clean, decontaminate and split rows, and make records of them.

    Args:
        rows: The rows of the source, in its order.
        settings: What to do. The same rows and settings give the same result.
        count_tokens: Gives the lengths of texts in tokens, for the report.
        progress: Whether to show a progress bar on stderr.

    Returns:
        The records of the three splits and the report.

    Raises:
        DataError: No row is left, or too few for the splits; or a Spider folder cannot be read.
    """
    detector = Detector.for_spider(settings.decontaminate_against) if settings.decontaminate else None
    sample = sample_rows(rows, settings)
    with _row_map(settings, len(sample)) as map_rows:
        kept, dropped = _select(_clean_all(sample, settings, detector, map_rows, progress))
        if not kept:
            raise DataError(f"none of {len(sample)} rows can be used; {_most_frequent(dropped)}")
        unmixed = split_rows(kept, settings)
        splits = unmixed | {"train": mix_rows(unmixed["train"], settings.mix, settings.seed)}
        # Few chunks: each carries the index of columns along.
        map_far = partial(map_rows, chunksize=max(_CHUNK, len(kept) // (_CHUNKS_A_WORKER * settings.workers)))
        distracted = distract_splits(splits, settings.distractors, settings.seed, map_far)
    records = _make_records(splits, distracted, settings)
    report = make_report(
        settings=settings,
        rows_in_source=len(rows),
        rows_read=len(sample),
        dropped=dropped,
        splits=splits,
        records=records,
        distracted=distracted,
        count_tokens=count_tokens,
        benchmarks=detector.benchmarks if detector else (),
        same_tables=Counter(row.query.tables for row in kept if detector and detector.has_tables(row.query)),
    )
    report["by_source"] = source_figures(dropped, unmixed, splits)
    return BuiltDataset(records["train"], records["val"], records["test"], report)


def sample_rows(rows: Sequence[RawRow], settings: BuildSettings) -> list[RawRow]:
    """Take `max_rows` rows at random, in their order: the first ones of a file are often of one kind.

    Args:
        rows: All rows.
        settings: Number of rows and seed.

    Returns:
        The sample; all rows when there are no more.
    """
    if settings.max_rows is None or settings.max_rows >= len(rows):
        return list(rows)
    chosen = Random(f"{settings.seed} sample").sample(range(len(rows)), settings.max_rows)
    return [rows[at] for at in sorted(chosen)]


@contextmanager
def _row_map(settings: BuildSettings, rows: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Give a `map` that calls a function for each row in the settings' number of processes, or in this one."""
    if settings.workers == 1 or rows <= ROWS_FOR_POOL:
        yield _map_here
        return
    pool = ProcessPoolExecutor(settings.workers, mp_context=get_context("spawn"), initializer=_ignore_interrupt)

    def map_in_pool(function: Callable[[Any], Any], items: Iterable[Any], *, chunksize: int) -> Iterator[Any]:
        with _interrupts_held():
            return pool.map(function, items, chunksize=chunksize)  # starts the workers, which inherit what is held

    try:
        yield map_in_pool
    finally:
        pool.shutdown(cancel_futures=True)


def _map_here(function: Callable[[Any], Any], rows: Iterable[Any], *, chunksize: int) -> Iterator[Any]:
    del chunksize
    return map(function, rows)


def _clean_all(
    rows: Sequence[RawRow],
    settings: BuildSettings,
    detector: Detector | None,
    map_rows: Callable[..., Iterator[Any]],
    progress: bool,
) -> Iterator[CleanRow | DroppedRow]:
    clean = partial(_prepare, literal_case=settings.literal_case, detector=detector)
    # disable=None: no bar where stderr is a file.
    with tqdm(total=len(rows), desc="rows", unit="row", disable=None if progress else True) as bar:
        for result in map_rows(clean, rows, chunksize=_CHUNK):
            yield result
            bar.update()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while workers start: they inherit this, so that none is interrupted before it can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ignore_interrupt() -> None:
    """Leave Ctrl-C to the main process, which then stops the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _prepare(row: RawRow, literal_case: LiteralCase, detector: Detector | None) -> CleanRow | DroppedRow:
    """Clean one row and search the benchmarks for it."""
    cleaned = clean_row(row, literal_case)
    if isinstance(cleaned, DroppedRow) and cleaned.reason == TOO_LONG:
        return cleaned  # nobody's benchmark; and features of megabytes take minutes
    # Whatever else is wrong with the row, so that the number of rows found says something about the source.
    match = _contamination(cleaned, detector) if detector else None
    return DroppedRow(row, f"contaminated_{match.kind}", row.answer, match) if match else cleaned


def _contamination(row: CleanRow | DroppedRow, detector: Detector) -> Match | None:
    if isinstance(row, CleanRow):
        return detector.find(row.row.question, row.query)
    return detector.find(row.row.question, normal_query(row.row.answer))


def _select(cleaned: Iterable[CleanRow | DroppedRow]) -> tuple[list[CleanRow], list[DroppedRow]]:
    """Drop rows that stand there twice."""
    kept: list[CleanRow] = []
    dropped: list[DroppedRow] = []
    seen: dict[tuple[str, str, str], RawRow] = {}
    for row in cleaned:
        if isinstance(row, DroppedRow):
            dropped.append(row)
            continue
        first = seen.setdefault((row.question, row.schema_id, row.sql), row.row)
        if first is not row.row:
            of_source = "" if first.source == row.row.source else f" of {first.source}"
            dropped.append(DroppedRow(row.row, "duplicate", f"same as row {first.index}{of_source}"))
            continue
        kept.append(row)
    return kept, dropped


def _most_frequent(dropped: Sequence[DroppedRow]) -> str:
    reasons = [row.reason for row in dropped]
    reason = max(sorted(set(reasons)), key=reasons.count)
    example = next(row for row in dropped if row.reason == reason)
    detail = example.detail if len(example.detail) <= 120 else f"{example.detail[:117]}..."
    return f"most were dropped as {reason}, row {example.row.index} for one: {detail}"


def _make_records(
    splits: Mapping[str, Sequence[CleanRow]], distracted: Mapping[str, Sequence[Distracted]], settings: BuildSettings
) -> dict[str, list[Record]]:
    members = [row for split in SPLITS for row in splits[split]]
    groups = dict(zip(map(_place, members), row_groups(members, "schema"), strict=True))
    return {
        split: [
            _make_record(row, distractors, f"sqlcc-{split}-{number:06d}", split, groups[_place(row)], settings)
            for number, (row, distractors) in enumerate(zip(splits[split], distracted[split], strict=True), start=1)
        ]
        for split in splits
    }


def _place(row: CleanRow) -> tuple[str, int]:
    return row.row.source, row.row.index


def _make_record(
    row: CleanRow, distracted: Distracted, name: str, split: str, group: str, settings: BuildSettings
) -> Record:
    return Record(
        id=name,
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
