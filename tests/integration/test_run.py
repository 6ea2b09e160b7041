"""fit, validate, test and predict through the real command: the files that other programs rely on."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

META_FIELDS = {
    "format_version",
    "mode",
    "status",
    "error",
    "base_model",
    "backend",
    "quantization",
    "precision",
    "train_path",
    "val_path",
    "output_dir",
    "config",
    "seed",
    "num_train_examples",
    "num_val_examples",
    "data_sha256",
    "prompt_sha256",
    "git_commit",
    "git_dirty",
    "versions",
    "hardware",
    "world_size",
    "started_at",
    "finished_at",
    "wall_time_s",
    "tokens_seen",
    "target_tokens_seen",
    "peak_memory_bytes",
    "command",
    "decontaminated",
    "wandb_run_id",
}


def test_fit_writes_the_output_folder(tiny_run: Path) -> None:
    files = {str(path.relative_to(tiny_run)) for path in tiny_run.rglob("*") if path.is_file()}
    assert {
        "adapters/adapter_config.json",
        "adapters/adapter_model.safetensors",
        "adapters/prompt.json",
        "adapters/tokenizer.json",
        "adapters/tokenizer_config.json",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "config.yaml",
        "metrics.json",
        "run_meta.json",
        "samples.jsonl",
    } <= files
    assert not [name for name in files if ".tmp" in name or ".old" in name or "TrainerFn" in name]


def test_run_meta_of_a_fit(tiny_run: Path, tiny: Any, read_json: Any) -> None:
    meta = read_json(tiny_run / "run_meta.json")
    assert set(meta) >= META_FIELDS
    expected = {
        "format_version": 1,
        "mode": "train",
        "status": "completed",
        "error": None,
        "backend": "transformers",
        "quantization": "none",
        "precision": "32-true",
        "seed": 42,
        "num_train_examples": 8,
        "num_val_examples": 6,
        "world_size": 1,
        "base_model": str(tiny.base_model),
        "train_path": str(tiny.train),
        "val_path": str(tiny.val),
        "output_dir": str(tiny_run),
        "decontaminated": None,
        "dropped": {"train": {}, "val": {}},
    }
    assert {key: meta[key] for key in expected} == expected
    assert meta["command"][:2] == ["text2sql", "fit"]
    assert meta["config"]["model"]["learning_rate"] == 0.01
    assert set(meta["data_sha256"]) == {"train", "val"}
    assert meta["tokens_seen"] > meta["target_tokens_seen"] > 6 * 2 * 5
    assert meta["wall_time_s"] > 0
    assert meta["peak_memory_bytes"] > 50_000_000
    assert meta["started_at"] <= meta["finished_at"]


def test_metrics_of_a_fit(tiny_run: Path, read_json: Any) -> None:
    metrics = read_json(tiny_run / "metrics.json")
    assert {
        "train/loss",
        "train/learning_rate",
        "val/loss",
        "val/token_accuracy",
        "val/execution_accuracy",
        "val/execution_accuracy_case_blind",
        "val/exact_match",
    } <= set(metrics)
    assert all(name.count("/") == 1 for name in metrics)
    assert 0 < metrics["val/loss"] < 6.3  # ln 512 = 6.24: the model has learned nothing worse than chance


def test_prompt_json_names_its_format(tiny_run: Path, read_json: Any) -> None:
    from text2sql_lightning.text.prompts import INSTRUCTION, PROMPT_TEMPLATE, prompt_sha256

    assert read_json(tiny_run / "adapters" / "prompt.json") == {
        "format_version": 1,
        "template": PROMPT_TEMPLATE,
        "instruction": INSTRUCTION,
        "sha256": prompt_sha256(),
    }


def test_checkpoints_hold_adapter_weights_only(tiny_run: Path) -> None:
    import torch

    for name in ("last", "best"):
        checkpoint = torch.load(tiny_run / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert len(checkpoint["state_dict"]) == 2 * 7 * 2  # layers, projections, A and B
        assert all("lora_" in key for key in checkpoint["state_dict"])
        assert {"optimizer_states", "lr_schedulers", "loops"} <= set(checkpoint)
    assert torch.load(tiny_run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 6


def test_last_checkpoint_and_adapter_are_the_final_weights(tiny_run: Path) -> None:
    import torch
    from safetensors.torch import load_file

    state = torch.load(tiny_run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    adapter = load_file(tiny_run / "adapters" / "adapter_model.safetensors")
    assert len(adapter) == len(state)
    for name, tensor in adapter.items():
        inside = "model." + name.replace(".weight", ".default.weight")
        assert torch.equal(state[inside], tensor), name


def test_samples_are_kept_for_each_validation(tiny_run: Path, read_lines: Any) -> None:
    rows = read_lines(tiny_run / "samples.jsonl")
    assert [row["step"] for row in rows] == [4] * 4 + [6] * 4  # the end of the epoch, the end of the fit
    assert {"step", "id", "question", "gold", "predicted"} == set(rows[0])
    assert [row["id"] for row in rows[:4]] == [row["id"] for row in rows[4:]]


def test_the_saved_config_repeats_the_run_bit_by_bit(tiny_run: Path, text2sql: Any, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in tiny_run.rglob("*")}
    again = text2sql("fit", "--config", tiny_run / "config.yaml", "--output_dir", tmp_path / "again")
    assert again.code == 0, again.err
    adapters = [folder / "adapters" / "adapter_model.safetensors" for folder in (tiny_run, tmp_path / "again")]
    assert adapters[0].read_bytes() == adapters[1].read_bytes()
    assert {path: path.stat().st_mtime_ns for path in tiny_run.rglob("*")} == before  # its logs are its own
    assert (tmp_path / "again" / "logs").is_dir()


def test_validate_scores_the_checkpoint_and_the_adapter_alike(
    tiny_run: Path, tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path
) -> None:
    losses = []
    for number, source in enumerate(
        (["--ckpt_path", tiny_run / "checkpoints" / "last.ckpt"], ["--model.adapter_path", tiny_run / "adapters"])
    ):
        done = text2sql("validate", *tiny.flags(tmp_path / str(number)), *source)
        assert done.code == 0, done.err
        losses.append(read_json(tmp_path / str(number) / "validate" / "metrics.json")["val/loss"])
    assert losses[0] == losses[1] == read_json(tiny_run / "metrics.json")["val/loss"]


def test_the_bare_base_model_is_scored_where_no_adapter_is_named(
    tiny_run: Path, tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path
) -> None:
    done = text2sql("validate", *tiny.flags(tmp_path))
    assert done.code == 0, done.err
    loss = read_json(tmp_path / "validate" / "metrics.json")["val/loss"]
    assert loss == pytest.approx(6.24, abs=0.15)  # ln 512
    assert loss > read_json(tiny_run / "metrics.json")["val/loss"]


def test_other_commands_leave_the_fit_alone_and_write_their_own_folder(
    tiny_run: Path, tiny: Any, text2sql: Any, read_json: Any, read_lines: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiny_run, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for command, count in (("validate", 6), ("test", 5), ("predict", 5)):
        done = text2sql(command, *tiny.flags(folder), "--ckpt_path", "best")
        assert done.code == 0, done.err
        meta = read_json(folder / command / "run_meta.json")
        assert set(meta) >= META_FIELDS
        assert (meta["mode"], meta["status"], meta["backend"]) == (command, "completed", "transformers")
        assert len(read_lines(folder / command / "predictions.jsonl")) == count
        assert isinstance(read_json(folder / command / "metrics.json"), dict)
    assert {path: path.read_bytes() for path in before} == before
    assert {path.name for path in folder.iterdir()} == {path.name for path in tiny_run.iterdir()} | {
        "validate",
        "test",
        "predict",
    }
    assert {"test/loss", "test/execution_accuracy", "test/exact_match"} <= set(
        read_json(folder / "test" / "metrics.json")
    )


def test_settings_that_were_not_given_come_from_the_checkpoint(
    tiny_run: Path, tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path
) -> None:
    """Neither the base model nor the quantization nor the adapter's shape has to be repeated."""
    flags = [
        "--data.val_path",
        tiny.val,
        "--trainer.accelerator",
        "cpu",
        "--data.eval_batch_size",
        2,
        "--model.generation.max_new_tokens",
        2,
    ]
    done = text2sql(
        "validate", *flags, "--output_dir", tmp_path / "ckpt", "--ckpt_path", tiny_run / "checkpoints" / "last.ckpt"
    )
    assert done.code == 0, done.err
    adapter = ["--model.adapter_path", tiny_run / "adapters", "--model.quantization", "none"]
    done = text2sql("validate", *flags, "--output_dir", tmp_path / "adapter", *adapter)
    assert done.code == 0, done.err
    expected = read_json(tiny_run / "metrics.json")["val/loss"]
    for name in ("ckpt", "adapter"):
        loss = read_json(tmp_path / name / "validate" / "metrics.json")["val/loss"]
        assert loss == pytest.approx(expected, abs=1e-5)


def test_predictions_follow_the_input(
    tiny_run: Path, tiny: Any, text2sql: Any, read_lines: Any, tmp_path: Path
) -> None:
    """Input of very different lengths, in an order of its own: every id once, in that order."""
    records = read_lines(tiny.test)
    records = [records[index] for index in (3, 0, 4, 2, 1)]
    records[2]["input"] = records[2]["input"].replace("### Question:\n", "### Question:\n" + "Long. " * 30)
    del records[0]["output"]
    path = tmp_path / "input.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    done = text2sql(
        "predict", *tiny.flags(tmp_path), "--data.predict_path", path, "--model.adapter_path", tiny_run / "adapters"
    )
    assert done.code == 0, done.err
    rows = read_lines(tmp_path / "predict" / "predictions.jsonl")
    assert [row["id"] for row in rows] == [record["id"] for record in records]
    assert [row["gold"] for row in rows] == [record.get("output") for record in records]
    assert rows[0]["gold"] is None
    assert set(rows[0]) >= {"id", "question", "gold", "predicted", "raw", "num_tokens"}
    assert rows[2]["question"].startswith("Long. Long. ")
    assert all(1 <= row["num_tokens"] <= 4 for row in rows)


def test_predictions_of_a_part_of_the_input(tiny: Any, text2sql: Any, read_lines: Any, tmp_path: Path) -> None:
    done = text2sql("predict", *tiny.flags(tmp_path), "--trainer.limit_predict_batches", 2)
    assert done.code == 0, done.err
    ids = [row["id"] for row in read_lines(tmp_path / "predict" / "predictions.jsonl")]
    assert ids == [record["id"] for record in read_lines(tiny.predict)][:4]


def test_fit_without_validation(tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path) -> None:
    """What the quickstart does: one pass, no validation; checkpoint and adapter are there all the same."""
    flags = ["--trainer.limit_val_batches", 0, "--trainer.max_steps", -1, "--trainer.max_epochs", 1]
    done = text2sql("fit", *tiny.flags(tmp_path / "run"), *flags)
    assert done.code == 0, done.err
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()
    assert (tmp_path / "run" / "adapters" / "adapter_model.safetensors").is_file()
    assert "train/loss" in read_json(tmp_path / "run" / "metrics.json")


def test_the_learning_curve_is_logged(tiny_run: Path) -> None:
    (path,) = (tiny_run / "logs").rglob("metrics.csv")
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    steps = [float(row["train/loss"]) for row in rows if row.get("train/loss")]
    assert len(steps) == 6
    assert steps[-1] < steps[0]


def test_progress_shows_in_a_log_file_too(shell: Any, tiny: Any, tmp_path: Path) -> None:
    flags = [*tiny.flags(tmp_path / "run"), "--trainer.enable_progress_bar", "true"]
    done = shell("-m", "text2sql_lightning", "fit", *flags, "--trainer.max_steps", 5)
    assert done.returncode == 0, done.stderr
    assert "5/5" in done.stdout or "4/4" in done.stdout, done.stdout
    assert "train/loss=" in done.stdout


def test_fit_goes_on_training_an_adapter(
    tiny_run: Path, tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path
) -> None:
    done = text2sql(
        "fit",
        *tiny.flags(tmp_path / "run"),
        "--model.adapter_path",
        tiny_run / "adapters",
        "--trainer.max_steps",
        1,
        "--model.learning_rate",
        1e-6,
    )
    assert done.code == 0, done.err
    before = read_json(tiny_run / "metrics.json")["val/loss"]
    assert read_json(tmp_path / "run" / "metrics.json")["val/loss"] == pytest.approx(before, abs=1e-3)


def test_paths_of_the_package_answer_without_torch(shell: Any) -> None:
    done = shell("-X", "importtime", "-m", "text2sql_lightning", "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("text2sql_lightning ")
    assert not [line for line in done.stderr.splitlines() if line.endswith((" torch", " lightning", " transformers"))]
