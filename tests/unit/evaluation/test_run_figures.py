"""The figures that a run logs, and those of the quickstart."""

import json
from typing import Any

import pytest

from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.execution_accuracy import RULES
from text2sql_lightning.evaluation.results import ScoredExample, from_prediction, is_executed, run_figures, summarize

pytestmark = pytest.mark.unit

ROW = {
    "question": "q",
    "gold": "SELECT 1",
    "predicted": "SELECT 2",
    "gold_runs": True,
    "exec": False,
    "exec_case_blind": False,
    "exact": False,
    "adheres": True,
    "error": None,
}


def scored(hardness: str = "easy", group: str = "a", source: str = "", **changes: Any) -> ScoredExample:
    return from_prediction(ROW | {"id": "x"} | changes, group=group, hardness=hardness, source=source)


RIGHT: dict[str, Any] = {"exec": True, "exec_case_blind": True}


def test_records_whose_gold_does_not_run_count_nowhere() -> None:
    examples = [
        scored("easy", **RIGHT),
        scored("easy", exec_case_blind=True, adheres=False, error="syntax"),
        scored("hard", **RIGHT, adheres=False),
        scored("extra", **RIGHT, gold_runs=False),
    ]
    assert run_figures(examples) == {
        "execution_accuracy": pytest.approx(2 / 3),
        "execution_accuracy_case_blind": 1.0,
        "exact_match": 0.0,
        "execution_accuracy_easy": 0.5,
        "execution_accuracy_hard": 1.0,
        "valid_sql": pytest.approx(2 / 3),
        "schema_adherence": pytest.approx(1 / 3),
        "num_scored": 3.0,
    }


def test_without_gold_that_runs_no_accuracy_is_given() -> None:
    assert run_figures([]) == {"num_scored": 0.0}
    assert run_figures([scored(gold_runs=False)]) == {"num_scored": 0.0}


def test_each_source_has_its_own_figure() -> None:
    examples = [
        scored(source="b-mc2/sql-create-context", **RIGHT),
        scored(source="shop.sqlite"),
        scored(source="shop.sqlite", **RIGHT),
        scored(source="postgres", **RIGHT, gold_runs=False),
    ]
    figures = {name: value for name, value in run_figures(examples).items() if "/" in name}
    assert figures == {"execution_accuracy/b-mc2-sql-create-context": 1.0, "execution_accuracy/shop.sqlite": 0.5}
    assert not [name for name in run_figures(examples[1:]) if "/" in name]  # one source has the figures of the whole


def test_figures_of_the_quickstart() -> None:
    figures = summarize(
        [
            scored("easy", "a", **RIGHT, exact=True),
            scored("easy", "b", exec_case_blind=True),
            scored("hard", "b", error="syntax"),
            scored("medium", "c", **RIGHT),
            scored("extra", "d", exact=True, gold_runs=False),
        ]
    )
    interval = figures.pop("interval_95")
    assert interval[0] <= 0.5 <= interval[1]
    assert figures == {
        "n": 4,
        "schemas": 3,
        "gold_invalid": 1,
        "execution_accuracy": 0.5,
        "execution_accuracy_case_blind": 0.75,
        "exact_match": 0.25,
        "by_hardness": {
            "easy": {"n": 2, "execution_accuracy": 0.5},
            "medium": {"n": 1, "execution_accuracy": 1.0},
            "hard": {"n": 1, "execution_accuracy": 0.0},
        },
        "errors": {"syntax": 1},
    }
    json.dumps(figures, allow_nan=False)
    json.dumps(RULES)


def test_nothing_to_report_is_an_error() -> None:
    with pytest.raises(DataError, match="none of the 1 records"):
        summarize([scored(gold_runs=False)])


def test_only_sqlite_is_executed() -> None:
    assert is_executed({})
    assert is_executed({"dialect": "sqlite"})
    assert not is_executed({"dialect": "postgres"})
