"""Every verdict on four systems' predictions against the one that Spider's official evaluator gave."""

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.benchmarks.spider import Spider, load_spider
from text2sql_lightning.evaluation.spider.score import score_spider

SPIDER = Path(__file__).parents[3] / "shared" / "data" / "spider"
SYSTEMS = ["codes-1b", "codes-7b", "dail-sql-gpt4", "graphix-t5"]

needs_spider = pytest.mark.skipif(not SPIDER.is_dir(), reason="needs the reference data beside the repository")


@cache
def spider() -> Spider:
    return load_spider(SPIDER)


def predictions_of(system: str) -> list[str]:
    if system == "gold":
        return [example.gold for example in spider().examples]
    return [line.split("\t")[0] for line in (SPIDER / "predictions" / f"{system}.sql").read_text().splitlines()]


def recorded(system: str) -> list[dict[str, Any]]:
    lines = (SPIDER / "predictions" / f"{system}.reference.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def differences(system: str, indices: list[int], workers: int) -> list[int]:
    """Score some examples and return those with a verdict other than the recorded one."""
    examples, schemas = spider().examples, spider().schemas
    predictions, official = predictions_of(system), recorded(system)
    verdicts = score_spider(
        [examples[i] for i in indices],
        [predictions[i] for i in indices],
        schemas,
        database_dir=SPIDER / "database",
        test_suite_dir=SPIDER / "testsuite_database",
        workers=workers,
    )
    assert [verdict.index for verdict in verdicts] == indices
    return [
        verdict.index
        for verdict, line in zip(verdicts, (official[i] for i in indices), strict=True)
        if (verdict.exec, verdict.exec_suite, verdict.exact, verdict.hardness)
        != (bool(line["exec"]), bool(line["exec_suite"]), bool(line["exact"]), line["hardness"])
    ]


@needs_spider
@pytest.mark.slow
@pytest.mark.parametrize("system", ["gold", *SYSTEMS])
def test_all_verdicts_equal_the_official_ones(system: str) -> None:
    assert len(spider().examples) == len(predictions_of(system)) == len(recorded(system)) == 1034
    assert differences(system, list(range(1034)), workers=2) == []


@needs_spider
@pytest.mark.integration
@pytest.mark.parametrize("system", ["gold", *SYSTEMS])
def test_some_verdicts_equal_the_official_ones(system: str) -> None:
    assert differences(system, sorted(random.Random(system).sample(range(1034), 200)), workers=1) == []
