"""Scoring of generated SQL, with a model that answers from a list."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.trainer.states import TrainerFn

from text2sql_lightning.callbacks.execution_accuracy import (
    ExecutionAccuracy,
    choose_records,
    gather,
)
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
        self.device = torch.device("cpu")

    def generate(self, prompts: Any, progress: Any = False) -> Any:
        self.asked += len(prompts)
        taken, self.answers = self.answers[: len(prompts)], self.answers[len(prompts) :]
        return [SimpleNamespace(sql=sql, raw=sql + ";", num_tokens=3) for sql in taken]

    def log(self, name: Any, value: Any, **_: Any) -> Any:
        self.logged[name] = value


def make_trainer(records: Any, fn: Any) -> Any:
    return SimpleNamespace(
        state=SimpleNamespace(fn=fn),
        datamodule=SimpleNamespace(records=lambda split: records),
        global_rank=0,
        world_size=1,
        is_global_zero=True,
        sanity_checking=False,
    )


def test_validate_scores_every_record_and_writes_predictions(tmp_path: Path) -> None:
    records = make_records([GOLD, GOLD, GOLD, "SELECT nothing FROM nowhere"])
    module = Module(["select name from singer where age > 30", "SELECT name FROM singer", "not SQL", GOLD])
    callback = ExecutionAccuracy(str(tmp_path), fit_examples=1)
    callback.on_validation_epoch_end(make_trainer(records, TrainerFn.VALIDATING), module)
    assert module.logged.pop("val/execution_accuracy_seconds") > 0
    assert module.logged == {
        "val/execution_accuracy": pytest.approx(1 / 3),
        "val/execution_accuracy_case_blind": pytest.approx(1 / 3),
        "val/execution_accuracy_easy": pytest.approx(1 / 3),
        "val/exact_match": pytest.approx(1 / 3),
        "val/valid_sql": pytest.approx(2 / 3),
        "val/schema_adherence": pytest.approx(2 / 3),
        "val/num_scored": 3.0,
    }
    lines = (tmp_path / "validate" / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["id"] for row in rows] == ["r0", "r1", "r2", "r3"]
    assert [row["exec"] for row in rows[:3]] == [True, False, False]
    assert [row["adheres"] for row in rows[:3]] == [True, True, False]
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


def with_hardness(levels: Any) -> Any:
    records = make_records([GOLD] * len(levels))
    return [replace(record, meta={"hardness": level}) for record, level in zip(records, levels, strict=True)]


def test_each_hardness_has_its_share_of_the_subset() -> None:
    records = with_hardness(["easy"] * 60 + ["medium"] * 30 + ["extra"] * 10)
    chosen = choose_records(records, 10)
    assert Counter(record.meta["hardness"] for record in chosen) == {"easy": 6, "medium": 3, "extra": 1}
    assert chosen == choose_records(records, 10)
    assert choose_records(records, None) == choose_records(records, 100) == records
    assert choose_records(records, 0) == choose_records([], 4) == []


def test_hardness_comes_from_gold_where_the_record_does_not_say() -> None:
    golds = [GOLD] * 9 + ["SELECT name FROM singer WHERE age > (SELECT AVG(age) FROM singer)"]
    assert golds[9] in [record.output for record in choose_records(make_records(golds), 3)]


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_any_number_of_processes_shares_the_same_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world_size: int
) -> None:
    records = with_hardness(["easy"] * 9 + ["hard"] * 6)
    asked: list[str] = []

    def score(self: Any, module: Any, part: Any, progress: Any) -> Any:
        asked.extend(record.id for record in part)
        return [dict.fromkeys(("id", "question", "gold", "predicted"), "") | {"gold_runs": False, "error": None}] * len(
            part
        )

    monkeypatch.setattr(ExecutionAccuracy, "_score_records", score)
    for rank in range(world_size):
        trainer = make_trainer(records, TrainerFn.FITTING)
        trainer.global_rank, trainer.world_size = rank, world_size
        ExecutionAccuracy(str(tmp_path), fit_examples=5).on_validation_epoch_end(trainer, Module([]))
    assert sorted(asked) == sorted(record.id for record in choose_records(records, 5))


def test_a_monitor_that_is_never_measured_is_refused() -> None:
    trainer = SimpleNamespace(callbacks=[SimpleNamespace(), SimpleNamespace(monitor="val/execution_accuracy")])
    with pytest.raises(ConfigError, match=r"val/execution_accuracy is monitored, but execution_accuracy\.fit_examples"):
        ExecutionAccuracy("unused", fit_examples=0).on_fit_start(trainer, None)
    ExecutionAccuracy("unused", fit_examples=1).on_fit_start(trainer, None)


def test_one_process_gathers_in_the_order_of_the_records() -> None:
    assert [row["id"] for row in gather([(2, {"id": "c"}), (0, {"id": "a"})], 1)] == ["a", "c"]


@pytest.mark.parametrize("wrong", [{"fit_examples": -1}, {"max_examples": 0}, {"timeout_s": 0.0}, {"timeout_s": -1.0}])
def test_settings_that_make_no_sense(wrong: Any) -> None:
    (name,) = wrong
    with pytest.raises(ConfigError, match=f"execution_accuracy.{name} is {wrong[name]}"):
        ExecutionAccuracy("unused", **wrong)
