"""The training command with flat flags, which translates to `text2sql fit`."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.integration

FLAGS = {
    "train_path": ("a.jsonl", "data.train_path"),
    "val_path": ("b.jsonl", "data.val_path"),
    "base_model": ("owner/model", "model.base_model"),
    "output_dir": ("out", "output_dir"),
    "max_steps": ("7", "trainer.max_steps"),
    "per_device_train_batch_size": ("3", "data.batch_size"),
    "gradient_accumulation_steps": ("5", "trainer.accumulate_grad_batches"),
    "learning_rate": ("0.001", "model.learning_rate"),
    "warmup_steps": ("9", "model.warmup_steps"),
    "weight_decay": ("0.1", "model.weight_decay"),
    "max_seq_length": ("333", "data.max_seq_length"),
    "lora_r": ("4", "model.lora.r"),
    "lora_alpha": ("6", "model.lora.alpha"),
    "lora_dropout": ("0.2", "model.lora.dropout"),
    "seed": ("11", "seed_everything"),
}


@pytest.fixture
def train_qlora() -> Any:
    """The command in this process."""
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    from text2sql_lightning.commands.fit import train_qlora as main

    def run(*arguments: Any) -> Any:
        out, err = StringIO(), StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code = main([str(argument) for argument in arguments])
            except SystemExit as error:
                code = error.code
        return SimpleNamespace(code=code, out=out.getvalue(), err=err.getvalue())

    return run


def test_every_flag_arrives() -> None:
    from text2sql_lightning.commands.fit import fit_arguments
    from text2sql_lightning.commands.fit import train_qlora as main

    given = [f"--{flag}={value}" for flag, (value, _) in FLAGS.items()]
    arguments = fit_arguments(main.parser().parse_args(given))
    assert arguments[0] == "fit"
    assert set(arguments[1:]) == {f"--{target}={value}" for value, target in FLAGS.values()}


def test_every_flag_takes_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from text2sql_lightning.commands.cli import RehearsalCLI, run
    from text2sql_lightning.commands.fit import fit_arguments
    from text2sql_lightning.commands.fit import train_qlora as main

    monkeypatch.chdir(tmp_path)
    given = [f"--{flag}={value}" for flag, (value, _) in FLAGS.items()]
    cli = run([*fit_arguments(main.parser().parse_args(given)), "--trainer.accelerator=cpu"], RehearsalCLI)
    assert (cli.trainer.max_steps, cli.trainer.accumulate_grad_batches) == (7, 5)
    assert (cli.datamodule.batch_size, cli.datamodule.max_seq_length, cli.datamodule.seed) == (3, 333, 11)
    assert (cli.model.learning_rate, cli.model.warmup_steps, cli.model.weight_decay, cli.model.seed) == (
        0.001,
        9,
        0.1,
        11,
    )
    assert (cli.model.lora.r, cli.model.lora.alpha, cli.model.lora.dropout) == (4, 6, 0.2)
    assert cli.model.base_model == "owner/model"
    assert cli.datamodule.paths["train"] == "a.jsonl"
    assert cli.config.fit.output_dir == "out"


def test_resume_and_overwrite() -> None:
    from text2sql_lightning.commands.fit import fit_arguments
    from text2sql_lightning.commands.fit import train_qlora as main

    assert "--ckpt_path=last" in fit_arguments(main.parser().parse_args(["--resume"]))
    assert "--overwrite=true" in fit_arguments(main.parser().parse_args(["--overwrite"]))


@pytest.mark.parametrize("mode", ["dry_run", "smoke"])
def test_rehearsals_write_a_note_and_load_nothing(
    train_qlora: Any, tiny: Any, read_json: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Any
) -> None:
    """The base model is a hub name and there is no network: neither model nor tokenizer is asked for."""
    monkeypatch.setitem(sys.modules, "transformers.models.auto.tokenization_auto", None)
    done = train_qlora(
        f"--{mode}", "--train_path", tiny.train, "--val_path", tiny.val, "--output_dir", tmp_path / "run", "--lora_r", 4
    )
    assert done.code == 0, done.err
    meta, metrics = read_json(tmp_path / "run" / "run_meta.json"), read_json(tmp_path / "run" / "metrics.json")
    assert (meta["mode"], meta["status"], meta["num_train_examples"], meta["num_val_examples"]) == (
        mode,
        "completed",
        8,
        6,
    )
    assert meta["base_model"] == "mistralai/Mistral-7B-Instruct-v0.1"
    assert "nothing was trained" in meta["note"]
    assert metrics == {"note": meta["note"]}
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"run_meta.json", "metrics.json"}
    prompt = "### Instruction:\nWrite a SQL query that answers the user's question using ONLY"
    assert (prompt in done.out) is (mode == "dry_run")
    assert ("### Response:\n|SELECT COUNT(*) FROM singer<EOS>" in done.out) is (mode == "dry_run")


def test_a_dry_run_does_not_stand_in_the_way_of_the_run(
    train_qlora: Any, tiny: Any, read_json: Any, tmp_path: Path
) -> None:
    """And then a real run: NF4, as always with this command."""
    flags = [
        "--train_path",
        tiny.train,
        "--val_path",
        tiny.val,
        "--output_dir",
        tmp_path / "run",
        "--base_model",
        tiny.base_model,
        "--max_steps",
        2,
        "--max_seq_length",
        256,
    ]
    assert train_qlora(*flags, "--dry_run").code == 0
    done = train_qlora(*flags)
    assert done.code == 0, done.err[-3000:]
    meta = read_json(tmp_path / "run" / "run_meta.json")
    assert (meta["mode"], meta["status"], meta["quantization"]) == ("train", "completed", "nf4")
    assert (tmp_path / "run" / "adapters" / "adapter_model.safetensors").is_file()
    assert "val/loss" in read_json(tmp_path / "run" / "metrics.json")


def test_a_rehearsal_does_not_touch_a_run(train_qlora: Any, tiny: Any, tiny_run: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in tiny_run.rglob("*") if path.is_file()}
    flags = ["--train_path", tiny.train, "--val_path", tiny.val, "--output_dir", tiny_run]
    for mode in ("--dry_run", "--smoke"):
        refused = train_qlora(*flags, mode)
        assert refused.code == 2
        assert "holds a run that is completed" in refused.err
    assert {path: path.read_bytes() for path in tiny_run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--train_path", "nowhere.jsonl", "--dry_run"], "nowhere.jsonl: no such file"),
        (["--max_steps", "many"], "--max_steps"),
        (["--nonsense"], "--nonsense"),
        (["--smoke", "--lora_r", "0"], "model.lora.r is 0"),
        (["--smoke", "--per_device_train_batch_size", "0"], "data.batch_size is 0"),
    ],
)
def test_mistakes(train_qlora: Any, tiny: Any, tmp_path: Path, flags: Any, words: Any) -> None:
    done = train_qlora("--train_path", tiny.train, "--val_path", tiny.val, "--output_dir", tmp_path / "run", *flags)
    assert done.code == 2
    assert words in done.err
    assert done.err.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.err


def test_help_needs_neither_torch_nor_lightning(shell: Any) -> None:
    done = shell("-X", "importtime", "scripts/train_qlora.py", "--help")
    assert done.returncode == 0
    assert not [line for line in done.stderr.splitlines() if line.endswith((" torch", " lightning", " transformers"))]
    for flag in (*FLAGS, "dry_run", "smoke", "resume"):
        assert f"--{flag}" in done.stdout
