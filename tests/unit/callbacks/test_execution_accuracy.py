"""Scoring of generated SQL, with a model that answers from a list."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.trainer.states import TrainerFn

from text2sql_lightning.callbacks.execution_accuracy import ExecutionAccuracy, ScoredPrediction, evenly, gather, summary
from text2sql_lightning.data.records import Record
from text2sql_lightning.errors import ConfigError
from text2sql_lightning.text.prompts import INSTRUCTION, format_input

pytestmark = pytest.mark.unit

CONTEXT = "CREATE TABLE singer (name VARCHAR, age INTEGER)"
GOLD = "SELECT name FROM singer WHERE age > 30"


def make_records(golds: Any) -> Any:
    return [
        Record(f"r{index}", INSTRUCTION, format_input(CONTEXT, f"question {index}"), gold)
        for index, gold in enumerate(golds)
    ]


class Module:
    """Answers from a list and keeps what is logged."""

    def __init__(self, answers: Any) -> None:
        self.answers, self.logged, self.asked = list(answers), {}, 0

    def generate(self, prompts: Any, progress: Any = False) -> Any:
        self.asked += len(prompts)
        taken, self.answers = self.answers[: len(prompts)], self.answers[len(prompts) :]
        return [SimpleNamespace(sql=sql, raw=sql + ";", num_tokens=3) for sql in taken]

    def log(self, name: Any, value: Any, **_: Any) -> Any:
        self.logged[name] = value


def make_trainer(records: Any, fn: Any) -> Any:
    return SimpleNamespace(
        state=SimpleNamespace(fn=fn), datamodule=SimpleNamespace(records=lambda split: records), global_rank=0,
        world_size=1, is_global_zero=True, sanity_checking=False,
    )  # fmt: skip


def test_validate_scores_every_record_and_writes_predictions(tmp_path: Path) -> None:
    records = make_records([GOLD, GOLD, GOLD, "SELECT nothing FROM nowhere"])
    module = Module(["select name from singer where age > 30", "SELECT name FROM singer", "not SQL", GOLD])
    callback = ExecutionAccuracy(str(tmp_path), fit_examples=1)
    callback.on_validation_epoch_end(make_trainer(records, TrainerFn.VALIDATING), module)
    assert module.logged == {
        "val/execution_accuracy": pytest.approx(1 / 3), "val/execution_accuracy_case_blind": pytest.approx(1 / 3),
        "val/exact_match": pytest.approx(1 / 3), "val/num_scored": 3.0,
    }  # fmt: skip
    lines = (tmp_path / "validate" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["id"] for row in rows] == ["r0", "r1", "r2", "r3"]
    assert [row["exec"] for row in rows[:3]] == [True, False, False]
    assert [row["gold_runs"] for row in rows] == [True, True, True, False]
    assert rows[0]["raw"] == "select name from singer where age > 30;"
    assert rows[0]["question"] == "question 0"
    assert [path.name for path in tmp_path.iterdir()] == ["validate"]


def test_gold_of_another_dialect_is_not_executed_and_in_no_denominator(tmp_path: Path) -> None:
    records = make_records([GOLD, GOLD])
    records[1].meta["dialect"] = "postgres"
    module = Module([GOLD, GOLD])
    ExecutionAccuracy(str(tmp_path)).on_validation_epoch_end(make_trainer(records, TrainerFn.VALIDATING), module)
    assert (module.logged["val/num_scored"], module.logged["val/execution_accuracy"]) == (1.0, 1.0)
    lines = (tmp_path / "validate" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["gold_runs"] for line in lines] == [True, False]


def test_test_has_its_own_folder_and_names(tmp_path: Path) -> None:
    module = Module([GOLD])
    ExecutionAccuracy(str(tmp_path)).on_test_epoch_end(make_trainer(make_records([GOLD]), TrainerFn.TESTING), module)
    assert module.logged["test/execution_accuracy"] == 1.0
    assert (tmp_path / "test" / "predictions.jsonl").is_file()


def test_fit_scores_a_fixed_part_and_writes_nothing(tmp_path: Path) -> None:
    module = Module([GOLD] * 2)
    callback = ExecutionAccuracy(str(tmp_path), fit_examples=2)
    callback.on_validation_epoch_end(make_trainer(make_records([GOLD] * 5), TrainerFn.FITTING), module)
    assert (module.asked, module.logged["val/execution_accuracy"]) == (2, 1.0)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_scored_where_nothing_is_asked_for(tmp_path: Path) -> None:
    module = Module([])
    callback = ExecutionAccuracy(str(tmp_path), fit_examples=0)
    callback.on_validation_epoch_end(make_trainer(make_records([GOLD]), TrainerFn.FITTING), module)
    sanity = make_trainer(make_records([GOLD]), TrainerFn.VALIDATING)
    sanity.sanity_checking = True
    callback.on_validation_epoch_end(sanity, module)
    assert (module.asked, module.logged) == (0, {})


@pytest.mark.parametrize(
    ("count", "limit", "taken"),
    [(5, None, [0, 1, 2, 3, 4]), (5, 9, [0, 1, 2, 3, 4]), (6, 3, [0, 2, 4]), (5, 2, [0, 2]), (5, 0, []), (0, 4, [])],
)
def test_evenly(count: Any, limit: Any, taken: Any) -> None:
    assert evenly(list(range(count)), limit) == taken


def test_one_process_gathers_in_the_order_of_the_records() -> None:
    scored = [ScoredPrediction(2, {"id": "c"}), ScoredPrediction(0, {"id": "a"})]
    assert [prediction.row["id"] for prediction in gather(scored, 1)] == ["a", "c"]


def test_records_whose_gold_does_not_run_count_nowhere() -> None:
    rows = [
        {"gold_runs": True, "exec": True, "exec_case_blind": True, "exact": False},
        {"gold_runs": True, "exec": False, "exec_case_blind": True, "exact": False},
        {"gold_runs": False, "exec": False, "exec_case_blind": False, "exact": True},
    ]
    assert summary([ScoredPrediction(index, row) for index, row in enumerate(rows)]) == {
        "execution_accuracy": 0.5, "execution_accuracy_case_blind": 1.0, "exact_match": 0.0, "num_scored": 2.0,
    }  # fmt: skip
    assert summary([])["execution_accuracy"] == 0.0


@pytest.mark.parametrize("wrong", [{"fit_examples": -1}, {"max_examples": 0}, {"timeout_s": 0.0}, {"timeout_s": -1.0}])
def test_settings_that_make_no_sense(wrong: Any) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"execution_accuracy.{name} is {wrong[name]}"):
        ExecutionAccuracy("unused", **wrong)
