"""Every file below configs/ is parsed and instantiated, by glob: without a model, a network or data."""

from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
EXPERIMENTS = [path for path in CONFIGS if path.parent.name == "experiment"]
OTHER_PROGRAMS = {"sweep", "dashboard"}
"""Folders of files that are not for the command; tests/integration/test_wandb*.py run them."""
PARTS = [path for path in CONFIGS if path.parent.name not in {"experiment", *OTHER_PROGRAMS}]


def name(path: Any) -> Any:
    return str(path.relative_to(ROOT / "configs"))


def rehearse(*arguments: Any) -> Any:
    from text2sql_lightning.commands.cli import RehearsalCLI, run

    return run([*arguments, "--trainer.accelerator=cpu"], RehearsalCLI)


def test_there_are_configs() -> None:
    assert len(EXPERIMENTS) >= 4
    assert len(PARTS) >= 6
    assert {path.suffix for path in (ROOT / "configs").rglob("*") if path.is_file()} <= {".yaml", ".md"}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
@pytest.mark.parametrize("command", ["fit", "test"])
def test_experiment(path: Any, command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cli = rehearse(command, "--config", str(path))
    assert cli.model.model is None  # nothing was loaded
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert cli.config[command].output_dir == written["output_dir"]
    assert str(cli.trainer.default_root_dir) == written["output_dir"]
    assert cli.datamodule.tokenizer_name == cli.model.base_model
    assert cli.model.max_seq_length == cli.datamodule.max_seq_length
    assert list(tmp_path.iterdir()) == []  # and nothing written


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_experiment_says_what_it_is_for_and_how_to_start_it(path: Any) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert f"configs/experiment/{path.name}" in "\n".join(line for line in lines if line.startswith("#"))


@pytest.mark.parametrize("path", PARTS, ids=name)
def test_part_on_top_of_an_experiment(path: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are either a group's settings or, where they name the group themselves, a config to add."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    groups = {"trainer", "model", "data", "execution_accuracy", "sample_generations", "checkpoint"}
    flag = "--config" if set(content) <= groups else f"--{path.parent.name}"
    cli = rehearse("fit", "--config", str(ROOT / "configs" / "experiment" / "tiny_test.yaml"), flag, str(path))
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert cli.model.model is None


def test_documented_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures that the documents name, at the place where they take effect."""
    monkeypatch.chdir(tmp_path)
    cli = rehearse("fit")
    module, trainer = cli.model, cli.trainer
    assert module.base_model == "mistralai/Mistral-7B-Instruct-v0.1"
    assert (module.quantization, module.learning_rate, module.warmup_steps, module.weight_decay) == (
        "nf4",
        2e-4,
        50,
        0.0,
    )
    assert (module.lora.r, module.lora.alpha, module.lora.dropout, len(module.lora.target_modules)) == (16, 16, 0.0, 7)
    assert (trainer.max_steps, trainer.accumulate_grad_batches) == (500, 8)
    assert (cli.datamodule.batch_size, cli.datamodule.max_seq_length, cli.config.fit.seed_everything) == (1, 2048, 42)


def test_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cli = rehearse(
        "fit",
        "--seed_everything",
        "7",
        "--data.max_seq_length",
        "99",
        "--model.base_model",
        "a/b",
        "--output_dir",
        "out",
    )
    assert (cli.model.seed, cli.datamodule.seed, cli.model.max_seq_length) == (7, 7, 99)
    assert cli.datamodule.tokenizer_name == "a/b"
    assert str(cli.trainer.checkpoint_callback.dirpath).endswith("out/checkpoints")
