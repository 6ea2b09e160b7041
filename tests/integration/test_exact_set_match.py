"""Exact set match on the whole of Spider dev, against verdicts recorded from the official script."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.evaluation.spider.exact_set_match import exact_set_match
from text2sql_lightning.sql.hardness import hardness
from text2sql_lightning.sql.schema import Schema

SPIDER = Path(__file__).parents[3] / "shared" / "data" / "spider"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not SPIDER.is_dir(), reason="needs the reference data beside the repository"),
]


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def schemas() -> dict[str, Schema]:
    entries = json.loads((SPIDER / "tables.json").read_text(encoding="utf-8"))
    return {entry["db_id"]: Schema.from_spider(entry) for entry in entries}


@pytest.mark.parametrize("system", ["codes-1b", "codes-7b", "dail-sql-gpt4", "graphix-t5"])
def test_published_predictions(system: str, schemas: dict[str, Schema]) -> None:
    examples = json.loads((SPIDER / "dev.json").read_text(encoding="utf-8"))
    predictions = (SPIDER / "predictions" / f"{system}.sql").read_text(encoding="utf-8").splitlines()
    recorded = read_lines(SPIDER / "predictions" / f"{system}.reference.jsonl")
    assert len(examples) == len(predictions) == len(recorded) == 1034
    for example, predicted, line in zip(examples, predictions, recorded, strict=True):
        gold, schema = example["query"], schemas[example["db_id"]]
        assert exact_set_match(gold, predicted, schema) is bool(line["exact"]), (gold, predicted)
        assert hardness(gold) == line["hardness"], gold


def test_gold_equals_itself(schemas: dict[str, Schema]) -> None:
    examples = json.loads((SPIDER / "dev.json").read_text(encoding="utf-8"))
    pairs = [(example["query"], schemas[example["db_id"]]) for example in examples]
    assert sum(exact_set_match(gold, gold, schema) for gold, schema in pairs) == 1034
    ratings = Counter(hardness(gold) for gold, _ in pairs)
    assert ratings == {"easy": 248, "medium": 446, "hard": 174, "extra": 166}
