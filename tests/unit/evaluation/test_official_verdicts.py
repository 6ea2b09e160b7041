"""The rules of comparing results against recorded verdicts of Spider's official evaluator, on real predictions."""

import json
import re
from pathlib import Path

import pytest

from text2sql_lightning.evaluation.execution_accuracy import execution_match
from text2sql_lightning.sql.execution import execute

pytestmark = pytest.mark.unit

SPIDER = Path(__file__).parents[4] / "shared" / "data" / "spider"


def without_distinct(sql: str) -> str:
    return re.sub(r"\bdistinct\b", "", sql, flags=re.IGNORECASE)


@pytest.mark.skipif(not SPIDER.is_dir(), reason="needs the reference data beside the repository")
@pytest.mark.parametrize("system", ["codes-1b", "codes-7b", "dail-sql-gpt4", "graphix-t5"])
def test_same_verdicts_as_the_official_evaluator(system: str) -> None:
    """It drops DISTINCT, looks for ORDER BY anywhere in gold and replaces `value` in predictions; so is done here."""
    examples = json.loads((SPIDER / "dev.json").read_text())
    predictions = (SPIDER / "predictions" / f"{system}.sql").read_text().splitlines()
    recorded = (SPIDER / "predictions" / f"{system}.reference.jsonl").read_text().splitlines()
    assert len(examples) == len(predictions) == len(recorded) == 1034
    for example, prediction, line in zip(examples, predictions, recorded, strict=True):
        database = SPIDER / "database" / example["db_id"] / f"{example['db_id']}.sqlite"
        gold = execute(database, without_distinct(example["query"]))
        predicted = execute(database, without_distinct(prediction.split("\t")[0].replace("value", "1")))
        verdict = execution_match(gold, predicted, ordered="order by" in example["query"].lower())
        assert verdict == bool(json.loads(line)["exec"]), prediction
