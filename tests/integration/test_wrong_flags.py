"""Flags and config files that make no sense: one line that names them, exit code 2."""

import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration


def fit(text2sql: Any, tiny: Any, folder: Path, *more: Any) -> Any:
    return text2sql("fit", *tiny.flags(folder), *more)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model.nonsense", "1"], ["model.nonsense"]),
        (["--nonsense"], ["nonsense"]),
        (["--model.learning_rate", "abc"], ["model.learning_rate", "abc"]),
        (["--model.learning_rate", "-1"], ["model.learning_rate", "-1"]),
        (["--model.learning_rate", "0"], ["model.learning_rate", "0"]),
        (["--model.lora.r", "0"], ["model.lora.r", "0", "at least 1"]),
        (["--model.lora.r", "8.5"], ['"r"', "8.5"]),
        (["--model.lora.dropout", "2"], ["model.lora.dropout", "2"]),
        (["--model.warmup_steps", "-1"], ["model.warmup_steps", "-1"]),
        (["--model.weight_decay", "-1"], ["model.weight_decay", "-1"]),
        (["--model.quantization", "nf5"], ["model.quantization", "nf5", "nf4", "int8", "none"]),
        (["--model.backend", "vllm"], ["model.backend", "vllm", "unsloth", "transformers"]),
        (["--model.schedule", "cosin"], ["model.schedule", "cosin", "cosine"]),
        (["--model.optimizer", "paged_adamw_8bit"], ["paged_adamw_8bit", "CUDA"]),
        (["--model.generation.max_new_tokens", "0"], ["model.generation.max_new_tokens", "0"]),
        (["--data.batch_size", "0"], ["data.batch_size", "0", "at least 1"]),
        (["--data.batch_size", "-3"], ["data.batch_size", "-3"]),
        (["--data.max_train_examples", "0"], ["data.max_train_examples", "0"]),
        (["--data.max_seq_length", "0"], ["max_seq_length", "0"]),
        (["--seed_everything", "abc"], ["seed_everything", "abc"]),
        (["--seed_everything", "-1"], ["seed_everything"]),
        (["--trainer.max_steps", "-5"], ["max_steps", "-5"]),
        (["--trainer.accumulate_grad_batches", "0"], ["accumulate_grad_batches"]),
        (["--trainer.val_check_interval", "99"], ["val_check_interval", "99", "check_val_every_n_epoch=None"]),
        (["--trainer.accelerator", "abacus"], ["abacus"]),
        (["--trainer.precision", "3-true"], ["precision", "3-true"]),
        (["--config", "nowhere.yaml"], ["nowhere.yaml"]),
        (["--execution_accuracy.timeout_s", "0"], ["timeout_s"]),
        (["--execution_accuracy.fit_examples", "-1"], ["execution_accuracy.fit_examples", "-1"]),
        (["--execution_accuracy.max_examples", "0"], ["execution_accuracy.max_examples", "0"]),
        (["--sample_generations.num_samples", "-1"], ["sample_generations.num_samples", "-1"]),
        (["--checkpoint.every_n_steps", "0"], ["checkpoint.every_n_steps", "0"]),
    ],
)
def test_flags_that_make_no_sense(text2sql: Any, tiny: Any, tmp_path: Path, flags: Any, words: Any) -> None:
    error = fit(text2sql, tiny, tmp_path / "run", *flags).error
    for word in words:
        assert word in error
    assert len(error) < 700


def test_malformed_config_file(text2sql: Any, tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("model: [\n")
    assert "bad.yaml" in fit(text2sql, tiny, tmp_path / "run", "--config", tmp_path / "bad.yaml").error
    for content in ("!!timestamp x: 1\n", "model: " + '{"a": ' * 1000 + "1" + "}" * 1000):
        (tmp_path / "bad.yaml").write_text(content)
        error = fit(text2sql, tiny, tmp_path / "run", "--config", tmp_path / "bad.yaml").error
        assert f"--config {tmp_path}/bad.yaml is not valid YAML" in error
    (tmp_path / "bad.yaml").write_text("model: {lora: {rank: 8}}\n")
    assert "rank" in fit(text2sql, tiny, tmp_path / "run", "--config", tmp_path / "bad.yaml").error
    (tmp_path / "bad.yaml").write_text('model: "a\\0b"\n')
    assert "null byte" in fit(text2sql, tiny, tmp_path / "run", "--config", tmp_path / "bad.yaml").error
    (tmp_path / "bad.yaml").write_text(f"model: {{base_model: [{'x' * 5000}]}}\n")
    assert len(fit(text2sql, tiny, tmp_path / "run", "--config", tmp_path / "bad.yaml").error) < 1100


def test_a_list_of_loggers_is_a_value(text2sql: Any, tiny: Any, tmp_path: Path) -> None:
    logger = {"class_path": "lightning.pytorch.loggers.CSVLogger", "init_args": {"save_dir": str(tmp_path)}}
    (tmp_path / "loggers.yaml").write_text(json.dumps({"trainer": {"logger": [logger]}}))
    error = fit(text2sql, tiny, tmp_path / "run", "--config", tmp_path / "loggers.yaml", "--model.lora.r", 0).error
    assert "model.lora.r" in error


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("checkpoint: {mode: deepspeed}", "`mode` can be min, max but got deepspeed"),
        ("model: 3", "model is 3; it takes settings, such as model: adapter_path"),
        ("trainer: true", "trainer is True; it takes settings, such as trainer: accelerator"),
        (
            "model: {generation: [1]}",
            "model.generation is [1]; it takes settings, such as model: generation: batch_size",
        ),
        ("data: {batch_size: null}", "data.batch_size is null; give it a value, or leave it out for 1"),
        ("seed_everything: null", "seed_everything"),
        ("trainer: {accumulate_grad_batches: null}", "trainer.accumulate_grad_batches is null"),
        ("model: {lora: {r: null}}", "model.lora.r is null"),
        ("model: {generation: {max_new_tokens: null}}", "model.generation.max_new_tokens is null"),
    ],
)
def test_null_or_a_single_value_where_another_is_needed(
    text2sql: Any, tiny: Any, tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "bad.yaml").write_text(content)
    assert words in fit(text2sql, tiny, tmp_path / "run", "--config", tmp_path / "bad.yaml").error


def test_command_that_does_not_exist(text2sql: Any) -> None:
    error = text2sql("train").error
    assert "'train'" in error
    assert "text2sql --help" in error


def test_the_shell_sees_one_line(shell: Any, tiny: Any, tmp_path: Path) -> None:
    """In a process of its own, stderr holds nothing but the error."""
    done = shell("-m", "text2sql_lightning", "fit", *tiny.flags(tmp_path), "--model.lora.r", 0)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: model.lora.r is 0; it must be at least 1\n"


def test_a_gpu_asked_for_where_there_is_none(
    text2sql: Any, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    error = fit(text2sql, tiny, tmp_path / "run", "--trainer.accelerator", "gpu").error
    assert "trainer.accelerator gpu: there is no CUDA GPU here" in error
    assert "--trainer.accelerator cpu" in error
    assert not (tmp_path / "run").exists()
