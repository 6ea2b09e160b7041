"""The verdicts that Spider's official evaluator gives on predictions, safely."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final, NamedTuple

from tqdm import tqdm

from text2sql_lightning.benchmarks.spider import SpiderExample
from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.spider.exact_set_match import exact_set_match
from text2sql_lightning.evaluation.spider.rules import (
    Agreement,
    Pair,
    agreements,
    counts_order,
    official_gold,
    official_prediction,
)
from text2sql_lightning.sql.hardness import hardness
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.sql.workers import Lost, map_chunks

_CHUNK: Final = 24


@dataclass(frozen=True)
class SpiderVerdict:
    """The judgement on one prediction.

    Attributes:
        index: The example's.
        exec: Whether the results agree on the database; None when no databases were given.
        exec_suite: Whether they agree on every file of the test suite; None when none was given.
        exact: Whether the queries are an exact set match.
        hardness: easy, medium, hard or extra.
        error: Class of the prediction's error (`sql.execution`); `crashed` when it took a process down;
            `gold_failed` or `no_database` when it could not be judged and counts as wrong; None when it ran, whatever
            it returned.
        seconds: Wall time of the prediction's executions.
    """

    index: int
    exec: bool | None
    exec_suite: bool | None
    exact: bool
    hardness: str
    error: str | None
    seconds: float


class _Item(NamedTuple):
    example: SpiderExample
    predicted: str
    schema: Schema


def score_spider(
    examples: Sequence[SpiderExample],
    predictions: Sequence[str],
    schemas: dict[str, Schema],
    *,
    database_dir: Path | None,
    test_suite_dir: Path | None,
    timeout_s: float = 5.0,
    workers: int = 1,
    progress: bool = False,
) -> list[SpiderVerdict]:
    """Judge a prediction for each example by the official rules (`spider_rules`); the order of examples is free.

    The queries run in a crash-isolated worker pool: if one of them takes its worker down, only its verdict is lost.

    Args:
        examples: The questions and gold queries.
        predictions: One for each example, as the model wrote it.
        schemas: The schema of each database id.
        database_dir: Folder of `<db_id>/*.sqlite`: the verdict `exec`.
        test_suite_dir: The same with several files a database: the verdict `exec_suite`.
        timeout_s: Seconds that a prediction may take on one file.
        workers: Worker processes.
        progress: Show a progress bar.

    Returns:
        A verdict for each example, in their order, the same for any number of workers.

    Raises:
        DataError: When there is not one prediction for each example, a schema or a whole folder is missing.
    """
    _check(examples, predictions, schemas, (database_dir, test_suite_dir))
    # Equal gold queries of one database side by side: its files are opened, and gold is run, less often.
    order = sorted(range(len(examples)), key=lambda at: (examples[at].db_id, examples[at].gold, at))
    items = [_Item(examples[at], predictions[at], schemas[examples[at].db_id]) for at in order]
    judge = partial(_judge, database_dir=database_dir, test_suite_dir=test_suite_dir, timeout_s=timeout_s)
    found: list[SpiderVerdict | Lost] = []
    with tqdm(total=len(examples), desc="scoring", disable=not progress, unit="query") as bar:
        for part in map_chunks(judge, list(_chunks(items)), workers=workers):
            found += part
            bar.update(len(part))
    verdicts = {
        at: result if isinstance(result, SpiderVerdict) else _without_execution(item, result, judge)
        for at, item, result in zip(order, items, found, strict=True)
    }
    return [verdicts[at] for at in range(len(examples))]


def _judge(
    items: Sequence[_Item], *, database_dir: Path | None, test_suite_dir: Path | None, timeout_s: float
) -> list[SpiderVerdict]:
    """Judge predictions on one database."""
    pairs = [
        Pair(official_gold(item.example.gold), official_prediction(item.predicted), counts_order(item.example.gold))
        for item in items
    ]
    db_id = items[0].example.db_id
    of_database, of_suite = (
        agreements(sorted((folder / db_id).glob("*.sqlite")), pairs, timeout_s=timeout_s)
        if folder
        else [None] * len(items)
        for folder in (database_dir, test_suite_dir)
    )
    return [_verdict(*both) for both in zip(items, of_database, of_suite, strict=True)]


def _verdict(item: _Item, database: Agreement | None, suite: Agreement | None) -> SpiderVerdict:
    example = item.example
    found = [agreement for agreement in (database, suite) if agreement is not None]
    return SpiderVerdict(
        index=example.index,
        exec=database.agrees if database else None,
        exec_suite=suite.agrees if suite else None,
        exact=exact_set_match(example.gold, item.predicted, item.schema),
        hardness=str(hardness(example.gold)),
        error=next((agreement.error for agreement in found if agreement.error), None),
        seconds=sum(agreement.seconds for agreement in found),
    )


def _without_execution(item: _Item, lost: Lost, judge: "partial[list[SpiderVerdict]]") -> SpiderVerdict:
    """Judge a prediction that took its worker down by its text alone, again in a worker."""
    by_text = partial(judge, database_dir=None, test_suite_dir=None)
    (found,) = next(map_chunks(by_text, [[item]]))
    return SpiderVerdict(
        index=item.example.index,
        exec=False if judge.keywords["database_dir"] else None,
        exec_suite=False if judge.keywords["test_suite_dir"] else None,
        exact=isinstance(found, SpiderVerdict) and found.exact,
        hardness=str(hardness(item.example.gold)),
        error=lost.reason,
        seconds=0.0,
    )


def _chunks(items: Sequence[_Item]) -> Iterator[list[_Item]]:
    """Yield items of one database, at most `_CHUNK` at a time."""
    for _, group in groupby(items, key=lambda item: item.example.db_id):
        same = list(group)
        yield from (same[at : at + _CHUNK] for at in range(0, len(same), _CHUNK))


def _check(
    examples: Sequence[SpiderExample],
    predictions: Sequence[str],
    schemas: dict[str, Schema],
    folders: Sequence[Path | None],
) -> None:
    if len(examples) != len(predictions):
        raise DataError(f"{len(predictions)} predictions for {len(examples)} examples; give one for each")
    missing = sorted({example.db_id for example in examples} - set(schemas))
    if missing:
        raise DataError(f"no schema for database {missing[0]!r}; give the tables.json that describes it")
    for folder in folders:
        if folder is not None and not folder.is_dir():
            raise DataError(f"no folder {folder}; give the one that holds <database>/*.sqlite")
