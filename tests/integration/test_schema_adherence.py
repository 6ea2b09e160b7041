"""Schema adherence on Spider: gold and four systems' predictions."""

import json
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.sql.execution import adheres_to_schema
from text2sql_lightning.sql.schema import Schema

SPIDER = Path(__file__).parents[2].parent / "shared" / "data" / "spider"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not SPIDER.is_dir(), reason="needs the reference data beside the repository"),
]


@pytest.fixture(scope="module")
def dev() -> list[dict[str, Any]]:
    examples: list[dict[str, Any]] = json.loads((SPIDER / "dev.json").read_text(encoding="utf-8"))
    return examples


@pytest.fixture(scope="module")
def schemas() -> dict[str, Schema]:
    entries = json.loads((SPIDER / "tables.json").read_text(encoding="utf-8"))
    return {entry["db_id"]: Schema.from_spider(entry) for entry in entries}


def test_gold_adheres(dev: list[dict[str, Any]], schemas: dict[str, Schema]) -> None:
    assert [e["query"] for e in dev if not adheres_to_schema(e["query"], schemas[e["db_id"]])] == []


@pytest.mark.parametrize(
    ("name", "adhering"), [("codes-1b", 1009), ("codes-7b", 1030), ("dail-sql-gpt4", 1024), ("graphix-t5", 1021)]
)
def test_predictions_of_four_systems(
    dev: list[dict[str, Any]], schemas: dict[str, Schema], name: str, adhering: int
) -> None:
    lines = (SPIDER / "predictions" / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    verdicts = [
        adheres_to_schema(line.split("\t")[0], schemas[example["db_id"]])
        for example, line in zip(dev, lines, strict=True)
    ]
    assert sum(verdicts) == adhering
