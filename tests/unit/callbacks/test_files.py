"""The callbacks that write small files."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from text2sql_lightning.callbacks.generations import PredictionWriter, SampleGenerations
from text2sql_lightning.callbacks.run_files import (
    AdapterCheckpoint,
    MetricsJson,
    RunMetadata,
    flatten,
    plain_metrics,
    prompt_description,
)
from text2sql_lightning.data.records import Record
from text2sql_lightning.errors import ConfigError
from text2sql_lightning.runs.run_meta import RunMeta
from text2sql_lightning.text.prompts import INSTRUCTION, format_input

pytestmark = pytest.mark.unit


def make_trainer(**values: Any) -> Any:
    defaults = {"is_global_zero": True, "sanity_checking": False, "world_size": 1, "global_step": 3, "loggers": []}
    return SimpleNamespace(**{**defaults, "state": SimpleNamespace(fn="fit"), **values})


def make_records(count: Any, **meta: Any) -> Any:
    return [
        Record(
            f"r{index}",
            INSTRUCTION,
            format_input("CREATE TABLE t (a INTEGER)", f"q{index}"),
            "SELECT a FROM t",
            meta=meta,
        )
        for index in range(count)
    ]


def rows_of(path: Any) -> Any:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_metrics_are_plain_sorted_numbers(tmp_path: Path) -> None:
    metrics = {
        "val/loss": torch.tensor(1.5),
        "train/loss": torch.tensor(float("nan")),
        "val/x": torch.tensor(float("inf")),
    }
    trainer = make_trainer(callback_metrics=metrics)
    assert list(plain_metrics(trainer).items()) == [("train/loss", None), ("val/loss", 1.5), ("val/x", None)]
    for hook in ("on_validation_end", "on_test_end", "on_predict_end", "on_train_end"):
        callback = MetricsJson(str(tmp_path / hook))
        getattr(callback, hook)(trainer, None)
        assert json.loads((tmp_path / hook / "metrics.json").read_text()) == {
            "train/loss": None,
            "val/loss": 1.5,
            "val/x": None,
        }


def test_other_processes_and_the_sanity_check_write_nothing(tmp_path: Path) -> None:
    for trainer in (
        make_trainer(is_global_zero=False, callback_metrics={}),
        make_trainer(sanity_checking=True, callback_metrics={}),
    ):
        MetricsJson(str(tmp_path)).on_validation_end(trainer, None)
    assert list(tmp_path.iterdir()) == []


def test_predictions_are_written_in_the_order_of_the_input(tmp_path: Path) -> None:
    records = make_records(4)
    trainer = make_trainer(datamodule=SimpleNamespace(records=lambda split: records))
    callback = PredictionWriter(str(tmp_path))
    for ids in (["r2", "r0"], ["r3"], ["r0"]):  # one was handed out twice, one was left out
        callback.on_predict_batch_end(trainer, None, [{"id": name} for name in ids], None, 0)
    callback.on_predict_epoch_end(trainer, None)
    assert [row["id"] for row in rows_of(tmp_path / "predictions.jsonl")] == ["r0", "r2", "r3"]


class Answers:
    def __init__(self) -> None:
        self.prompts = []

    def generate(self, prompts: Any) -> Any:
        self.prompts.append(prompts)
        return [SimpleNamespace(sql=f"SELECT {index}") for index, _ in enumerate(prompts)]


def test_samples_are_appended_for_the_same_prompts(tmp_path: Path) -> None:
    records = make_records(9)
    module = Answers()
    callback = SampleGenerations(str(tmp_path), num_samples=2)
    for step in (5, 10):
        trainer = make_trainer(datamodule=SimpleNamespace(records=lambda split: records), global_step=step)
        callback.on_validation_epoch_end(trainer, module)
    rows = rows_of(tmp_path / "samples.jsonl")
    assert [(row["step"], row["id"], row["predicted"]) for row in rows] == [
        (5, "r0", "SELECT 0"),
        (5, "r4", "SELECT 1"),
        (10, "r0", "SELECT 0"),
        (10, "r4", "SELECT 1"),
    ]
    assert rows[0] | {"question": "q0", "gold": "SELECT a FROM t"} == rows[0]
    assert module.prompts[0] == module.prompts[1]


@pytest.mark.parametrize(
    "change", [{"state": SimpleNamespace(fn="validate")}, {"sanity_checking": True}, {"is_global_zero": False}]
)
def test_samples_belong_to_a_fit(tmp_path: Path, change: Any) -> None:
    trainer = make_trainer(datamodule=SimpleNamespace(records=lambda split: make_records(3)), **change)
    SampleGenerations(str(tmp_path)).on_validation_epoch_end(trainer, Answers())
    assert list(tmp_path.iterdir()) == []


def test_samples_can_be_switched_off_but_not_negative(tmp_path: Path) -> None:
    trainer = make_trainer(datamodule=SimpleNamespace(records=lambda split: make_records(3)))
    SampleGenerations(str(tmp_path), num_samples=0).on_validation_epoch_end(trainer, Answers())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match=r"num_samples is -1"):
        SampleGenerations(str(tmp_path), num_samples=-1)


class Saver:
    """Saves like a model and a tokenizer."""

    def __init__(self) -> None:
        self.count = 0

    def save_pretrained(self, folder: Any, **_: Any) -> Any:
        self.count += 1
        (Path(folder) / f"file{self.count}").touch()


def test_an_adapter_is_saved_once_a_step(tmp_path: Path) -> None:
    module = SimpleNamespace(model=Saver(), tokenizer=SimpleNamespace(save_pretrained=lambda folder: None))
    callback = AdapterCheckpoint(str(tmp_path))
    callback.on_validation_end(make_trainer(), module)
    callback.on_train_end(make_trainer(), module)
    assert module.model.count == 1
    callback.on_train_end(make_trainer(global_step=4), module)
    assert sorted(path.name for path in (tmp_path / "adapters").iterdir()) == ["file2", "prompt.json"]
    assert json.loads((tmp_path / "adapters" / "prompt.json").read_text()) == prompt_description()
    callback.on_validation_end(make_trainer(global_step=5, state=SimpleNamespace(fn="validate")), module)
    assert module.model.count == 2


class Data:
    def __init__(self, records: Any) -> None:
        self._records = records

    def file_sha256(self, split: Any) -> Any:
        return "abc" if split in self._records else None

    def dropped(self, split: Any) -> Any:
        return {"too_long": 1} if split == "train" else {}

    def num_examples(self, split: Any) -> Any:
        return len(self._records[split])

    def decontaminated(self) -> Any:
        return True


def test_run_metadata(tmp_path: Path) -> None:
    run = RunMeta(tmp_path, "train", {"model": {"lora": {"r": 8}}}, [])
    data = Data({"train": make_records(3), "val": make_records(2)})
    callback, logged = RunMetadata(run), []
    trainer = make_trainer(datamodule=data, world_size=2, loggers=[SimpleNamespace(log_hyperparams=logged.append)])
    callback.setup(trainer, None, "fit")
    module = SimpleNamespace(backend_name="unsloth", tokens_seen=10, target_tokens_seen=4)
    callback.on_train_start(trainer, module)
    callback.on_train_batch_end(trainer, module, None, None, 0)
    run.finish("completed")
    meta = json.loads((tmp_path / "run_meta.json").read_text())
    expected = {
        "world_size": 2,
        "data_sha256": {"train": "abc", "val": "abc"},
        "dropped": {"train": {"too_long": 1}, "val": {}},
        "num_train_examples": 3,
        "num_val_examples": 2,
        "decontaminated": True,
        "backend": "unsloth",
        "tokens_seen": 10,
        "target_tokens_seen": 4,
        "status": "completed",
    }
    assert {key: meta[key] for key in expected} == expected
    assert logged == [{"model.lora.r": 8}]


def test_an_exception_is_written(tmp_path: Path) -> None:
    run = RunMeta(tmp_path, "train", {}, [])
    RunMetadata(run).on_exception(make_trainer(), None, KeyboardInterrupt())
    assert json.loads((tmp_path / "run_meta.json").read_text())["status"] == "interrupted"


def test_flatten() -> None:
    assert flatten({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}
