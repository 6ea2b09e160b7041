"""What a user can get wrong: one line that names it, exit code 2, and nothing that was there is lost."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration


def lines_of(path: Any) -> Any:
    return path.read_text(encoding="utf-8").splitlines()


def fit(text2sql: Any, tiny: Any, folder: Any, *more: Any) -> Any:
    return text2sql("fit", *tiny.flags(folder), *more)


# ---- data ----


def test_missing_data_file(text2sql: Any, tiny: Any, tmp_path: Path) -> None:
    error = fit(text2sql, tiny, tmp_path, "--data.train_path", "nowhere.jsonl").error
    assert "nowhere.jsonl: no such file; make one with `text2sql build`, or name another" in error
    assert error.endswith("--data.train_path")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 2 is not JSON"),
        ("[1]", "line 2 holds a JSON array"),
        ('{"id": "x"}', "line 2, field instruction: missing"),
        (None, "line 2, field output: expected a string, got number"),
    ],
)
def test_malformed_line(text2sql: Any, tiny: Any, tmp_path: Path, line: Any, words: Any) -> None:
    lines = lines_of(tiny.train)
    lines[1] = line or json.dumps({**json.loads(lines[1]), "output": 5})
    path = tmp_path / "bad.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    error = fit(text2sql, tiny, tmp_path / "run", "--data.train_path", path).error
    assert f"{path}, {words}" in error


def test_empty_file(text2sql: Any, tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    error = fit(text2sql, tiny, tmp_path / "run", "--data.train_path", tmp_path / "empty.jsonl").error
    assert "empty.jsonl holds no records" in error


def test_all_records_too_long(text2sql: Any, tiny: Any, tmp_path: Path) -> None:
    error = fit(text2sql, tiny, tmp_path, "--data.max_seq_length", 16).error
    assert "none of the 8 records is left" in error
    assert "data.max_seq_length is 16, raise it" in error


def test_a_target_longer_than_the_limit_is_dropped_and_counted(
    text2sql: Any, tiny: Any, read_json: Any, tmp_path: Path
) -> None:
    records = [json.loads(line) for line in lines_of(tiny.train)]
    records[3]["output"] = "SELECT " + ", ".join(f"column_{index}" for index in range(200))
    path = tmp_path / "long.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    done = fit(text2sql, tiny, tmp_path / "run", "--data.train_path", path, "--trainer.max_steps", 1)
    assert done.code == 0, done.err
    meta = read_json(tmp_path / "run" / "run_meta.json")
    assert meta["num_train_examples"] == 7
    assert meta["dropped"]["train"] == {"too_long": 1}


def test_fit_without_any_data(text2sql: Any, tiny: Any, tmp_path: Path) -> None:
    flags = ["--model.base_model", tiny.base_model, "--trainer.accelerator", "cpu", "--model.quantization", "none"]
    assert "data.train_path is not set" in text2sql("fit", *flags, "--output_dir", tmp_path).error


# ---- models and adapters ----


@pytest.mark.parametrize("command", ["fit", "validate"])
def test_unknown_hub_model_without_a_network(text2sql: Any, tiny: Any, tmp_path: Path, command: Any) -> None:
    error = text2sql(command, *tiny.flags(tmp_path), "--model.base_model", "nobody/surely-no-such-model").error
    assert "model.base_model nobody/surely-no-such-model" in error
    assert "hub" in error


def test_missing_folder(text2sql: Any, tiny: Any, tmp_path: Path) -> None:
    error = fit(text2sql, tiny, tmp_path, "--model.base_model", "./nowhere").error
    assert "model.base_model ./nowhere: there is no such folder" in error


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["tokenizer.json", "tokenizer_config.json"], "tokenizer"),
        (["config.json"], "config"),
        (["model.safetensors"], "model.safetensors"),
        (["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"], "tokenizer"),
    ],
)
def test_incomplete_model_folder(text2sql: Any, tiny: Any, tmp_path: Path, files: Any, words: Any) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny.base_model, folder)
    for name in files:
        (folder / name).unlink()
    error = fit(text2sql, tiny, tmp_path / "run", "--model.base_model", folder).error
    assert f"model.base_model {folder}" in error
    assert words in error


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_damaged_model_folder(text2sql: Any, tiny: Any, tmp_path: Path, name: Any) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny.base_model, folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:100])
    error = fit(text2sql, tiny, tmp_path / "run", "--model.base_model", folder).error
    assert str(folder) in error


def test_adapter_of_another_base_model(text2sql: Any, tiny: Any, tiny_run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tiny.base_model, other)
    flags = ["--model.adapter_path", tiny_run / "adapters", "--model.base_model", other]
    for command in ("validate", "fit"):
        error = text2sql(command, *tiny.flags(tmp_path / "run"), *flags).error
        assert f"model.base_model {other} disagrees with {tiny.base_model}" in error


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("adapter_config.json", None, "there is no file adapter_config.json"),
        ("adapter_config.json", "{", "adapter_config.json cannot be read"),
        ("adapter_config.json", "{}", "adapter_config.json"),
        ("adapter_model.safetensors", None, "model.adapter_path"),
        ("adapter_model.safetensors", "short", "model.adapter_path"),
        ("prompt.json", '{"format_version": 99}', "prompt.json has format_version 99, this version reads 1"),
        ("prompt.json", '{"format_version": 1, "sha256": "abc"}', "was trained with another prompt (SHA-256 abc"),
    ],
)
def test_damaged_adapter(
    text2sql: Any, tiny: Any, tiny_run: Path, tmp_path: Path, name: Any, content: Any, words: Any
) -> None:
    folder = tmp_path / "adapters"
    shutil.copytree(tiny_run / "adapters", folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    error = text2sql("validate", *tiny.flags(tmp_path / "run"), "--model.adapter_path", folder).error
    assert words in error
    assert str(folder) in error


def test_an_adapter_whose_weights_have_another_shape(text2sql: Any, tiny: Any, tiny_run: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "adapters"
    shutil.copytree(tiny_run / "adapters", folder)
    weights = load_file(folder / "adapter_model.safetensors")
    save_file(
        {name: tensor[:, :3].contiguous() for name, tensor in weights.items()}, folder / "adapter_model.safetensors"
    )
    error = text2sql("validate", *tiny.flags(tmp_path / "run"), "--model.adapter_path", folder).error
    assert "size mismatch" in error


def test_missing_adapter_folder(text2sql: Any, tiny: Any, tmp_path: Path) -> None:
    error = text2sql("validate", *tiny.flags(tmp_path), "--model.adapter_path", tmp_path / "nowhere").error
    assert "there is no file adapter_config.json; give the folder adapters/ of a run" in error


@pytest.mark.parametrize("source", ["checkpoint", "adapter"])
@pytest.mark.parametrize("command", ["validate", "fit"])
def test_flag_that_disagrees_names_both_values(
    text2sql: Any, tiny: Any, tiny_run: Path, tmp_path: Path, source: Any, command: Any
) -> None:
    where = {
        "checkpoint": ["--ckpt_path", tiny_run / "checkpoints" / "last.ckpt"],
        "adapter": ["--model.adapter_path", tiny_run / "adapters"],
    }[source]
    error = text2sql(command, *tiny.flags(tmp_path / "run"), *where, "--model.lora.r", 99).error
    assert "model.lora.r 99 disagrees with 16" in error
    error = text2sql(command, *tiny.flags(tmp_path / "run"), *where, "--model.lora", "null").error
    assert "model.lora null disagrees with the adapter of" in error
    if source == "checkpoint":
        error = text2sql(command, *tiny.flags(tmp_path / "run"), *where, "--model.quantization", "nf4").error
        assert "model.quantization nf4 disagrees with none" in error
    if source == "checkpoint" and command == "fit":
        error = text2sql(command, *tiny.flags(tmp_path / "run"), *where, "--model.learning_rate", 0.5).error
        assert "model.learning_rate 0.5 disagrees with 0.01" in error


def test_target_modules_that_the_architecture_lacks(text2sql: Any, tiny: Any, tmp_path: Path) -> None:
    error = fit(text2sql, tiny, tmp_path, "--model.lora.target_modules", "[q_proj, c_attn]").error
    assert "model.lora.target_modules c_attn: LlamaForCausalLM has no such layer" in error
    assert "it has down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj" in error


# ---- output folders and checkpoints ----


def test_a_folder_that_holds_a_completed_run(text2sql: Any, tiny: Any, tiny_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiny_run, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    error = fit(text2sql, tiny, folder).error
    assert "holds a run that is completed" in error
    assert "--overwrite true" in error
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    "mistake",
    [
        ["--data.train_path", "nowhere.jsonl"],
        ["--model.base_model", "./nowhere"],
        ["--model.lora.r", "0"],
        ["--data.max_seq_length", "9"],
        ["--model.unknown", "1"],
        ["--trainer.accelerator", "gpu"],
    ],
)
def test_overwriting_with_a_mistake_loses_nothing(
    text2sql: Any, tiny: Any, tiny_run: Path, tmp_path: Path, mistake: Any
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiny_run, folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert fit(text2sql, tiny, folder, "--overwrite", "true", *mistake).error
    assert {path: path.read_bytes() for path in before} == before


def test_overwriting_replaces_the_run(text2sql: Any, tiny: Any, tiny_run: Path, read_json: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(tiny_run, folder)
    (folder / "validate").mkdir()
    done = fit(text2sql, tiny, folder, "--overwrite", "true", "--trainer.max_steps", 1)
    assert done.code == 0, done.err
    assert read_json(folder / "metrics.json")["val/loss"] > read_json(tiny_run / "metrics.json")["val/loss"]
    assert not (folder / "validate").exists()
    assert len(lines_of(folder / "samples.jsonl")) == 4


@pytest.mark.parametrize("command", ["fit", "validate", "predict"])
def test_an_output_folder_that_cannot_be_written(text2sql: Any, tiny: Any, tmp_path: Path, command: Any) -> None:
    (tmp_path / "file").write_text("precious")
    error = text2sql(command, *tiny.flags(tmp_path / "file" / "run")).error
    assert f"{tmp_path / 'file' / 'run'}" in error
    assert (tmp_path / "file").read_text() == "precious"


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None])
def test_damaged_checkpoint(text2sql: Any, tiny: Any, tiny_run: Path, tmp_path: Path, content: Any) -> None:
    path = tmp_path / "damaged.ckpt"
    whole = (tiny_run / "checkpoints" / "last.ckpt").read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    for command in ("validate", "fit"):
        error = text2sql(command, *tiny.flags(tmp_path / "run"), "--ckpt_path", path).error
        assert f"--ckpt_path {path} is damaged or no checkpoint of text2sql_lightning" in error


def test_a_checkpoint_of_a_stranger_runs_no_code(text2sql: Any, tiny: Any, tmp_path: Path) -> None:
    import torch

    path = tmp_path / "evil.ckpt"
    torch.save({"text2sql": Evil(str(tmp_path / "owned"))}, path)
    error = text2sql("validate", *tiny.flags(tmp_path / "run"), "--ckpt_path", path).error
    assert "is damaged or no checkpoint" in error
    assert not (tmp_path / "owned").exists()


class Evil:
    """Unpickling it makes a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> object:
        import os

        return os.mkdir, (self.path,)


@pytest.mark.parametrize("name", ["last", "best", "elsewhere/x.ckpt"])
def test_missing_checkpoint(text2sql: Any, tiny: Any, tmp_path: Path, name: Any) -> None:
    error = fit(text2sql, tiny, tmp_path / "run", "--ckpt_path", name).error
    assert f"--ckpt_path {name}: there is no file" in error
    assert not (tmp_path / "run").exists()
