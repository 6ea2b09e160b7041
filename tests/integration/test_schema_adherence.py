"""Schema adherence on Spider: gold and four systems' predictions, against what SQLite says on empty tables."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.sql.adherence import schema_adherence
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
    faults = [(e["query"], a) for e in dev if not (a := schema_adherence(e["query"], schemas[e["db_id"]])).adheres]
    assert faults == []


@pytest.mark.parametrize(
    ("name", "known", "unknown"),
    [("codes-1b", 1008, 25), ("codes-7b", 1029, 4), ("dail-sql-gpt4", 1020, 8), ("graphix-t5", 1021, 5)],
)
def test_predictions_are_judged_as_sqlite_does(
    dev: list[dict[str, Any]], schemas: dict[str, Schema], name: str, known: int, unknown: int
) -> None:
    lines = (SPIDER / "predictions" / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    verdicts = {True: 0, False: 0}
    for example, line in zip(dev, lines, strict=True):
        sql, schema = line.split("\t")[0], schemas[example["db_id"]]
        message = sqlite_says(schema, sql)
        if message is None or message.startswith(("no such column", "no such table")):
            assert schema_adherence(sql, schema).adheres == (message is None), sql
            verdicts[message is None] += 1
    assert verdicts == {True: known, False: unknown}


def sqlite_says(schema: Schema, sql: str) -> str | None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(schema.to_ddl())
    try:
        connection.execute(sql)
    except sqlite3.Error as error:
        return str(error)
    finally:
        connection.close()
    return None
