"""What holds for every row of the reference data: its tables run after repair, and its gold finds something."""

import gzip
import json
from pathlib import Path

import pytest

from text2sql_lightning.errors import DataError
from text2sql_lightning.sql.execution import execute
from text2sql_lightning.sql.repair import ddl_error, repair_ddl
from text2sql_lightning.sql.testdb.filling import make_fillings

ROWS = Path(__file__).parents[3] / "shared" / "data" / "sql_create_context" / "rows.jsonl.gz"
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not ROWS.is_file(), reason="needs the reference data beside the repository"),
]


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with gzip.open(ROWS, "rt") as file:
        return [json.loads(line) for line in file]


def test_every_context_runs_after_repair(rows: list[dict[str, str]]) -> None:
    repairs = [repair_ddl(row["context"]) for row in rows]
    assert len(rows) == 8998
    assert sum(bool(repair.repairs) for repair in repairs) == 142
    assert sum(ddl_error(repair.text) is not None for repair in repairs if repair.repairs) == 0


def test_gold_finds_something(rows: list[dict[str, str]]) -> None:
    found = total = 0
    for row in rows[::60]:
        try:
            fillings = make_fillings(row["context"], row["answer"], seed=0)
        except DataError:
            continue
        total += 1
        found += all(execute(filling.to_database(), row["answer"]).rows for filling in fillings)
    assert total > 130
    assert found / total > 0.97
