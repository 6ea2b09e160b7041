"""Where loggers write, and which W&B run a command writes to."""

import os
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import Namespace

from text2sql_lightning.callbacks.wandb_run import MOST_SAMPLES, sample_rows, sync_command
from text2sql_lightning.runs.loggers import configure_loggers, has_wandb_key, last_wandb_run_id

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_MODE", "WANDB_RUN_ID", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def config_of(*loggers: Any) -> Any:
    return Namespace(trainer=Namespace(logger=list(loggers) if len(loggers) > 1 else loggers[0]))


def logger(kind: str = "WandbLogger", **settings: Any) -> Any:
    return Namespace(class_path=f"lightning.pytorch.loggers.{kind}", init_args=Namespace(**settings))


def wandb(**settings: Any) -> Any:
    return logger(**{"save_dir": ".", "name": None, "id": None, "version": None, "resume": None, **settings})


def test_loggers_write_into_the_output_folder() -> None:
    config = config_of(logger("CSVLogger", save_dir="."), wandb(), logger("CSVLogger", save_dir="elsewhere"))
    configure_loggers(config, Path("out"))
    assert [one.init_args.save_dir for one in config.trainer.logger] == ["out", "out", "elsewhere"]
    for none in (False, True, None):
        configure_loggers(Namespace(trainer=Namespace(logger=none)), Path("out"))


def test_a_new_run_and_one_that_goes_on() -> None:
    for run_id in (None, "abc"):
        config = config_of(wandb(name="logs"))
        configure_loggers(config, Path("out"), run_id)
        settings = config.trainer.logger.init_args
        assert (settings.id, settings.resume, settings.name) == (run_id, "allow", None)


def test_what_the_user_or_a_sweep_says_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(wandb(id="mine", resume="must", name="first"))
    configure_loggers(config, Path("out"), "abc")
    settings = config.trainer.logger.init_args
    assert (settings.id, settings.resume, settings.name) == ("mine", "must", "first")
    monkeypatch.setenv("WANDB_RUN_ID", "of-the-sweep")
    config = config_of(wandb())
    configure_loggers(config, Path("out"), "abc")
    assert config.trainer.logger.init_args.id is None


@pytest.mark.parametrize(
    ("variables", "mode"),
    [
        ({}, "offline"),
        ({"WANDB_API_KEY": "x"}, None),
        ({"WANDB_MODE": "online"}, "online"),
        ({"WANDB_MODE": "disabled"}, "disabled"),
    ],
)
def test_offline_without_a_key(monkeypatch: pytest.MonkeyPatch, variables: Any, mode: Any) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    configure_loggers(config_of(wandb()), Path("out"))
    assert os.environ.get("WANDB_MODE") == mode


def test_other_loggers_leave_wandb_alone() -> None:
    configure_loggers(config_of(logger("CSVLogger", save_dir=".")), Path("out"))
    assert "WANDB_MODE" not in os.environ


def test_a_key_is_of_a_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert not has_wandb_key()
    for host in ("api.wandb.ai", "api.forge.coreweave.com"):
        (tmp_path / "netrc").write_text(f"machine {host}\n  login user\n  password x\n")
        assert has_wandb_key()
    (tmp_path / "settings").write_text("[default]\nbase_url = https://own.example.com\n")
    assert not has_wandb_key()
    (tmp_path / "netrc").write_text("machine own.example.com\n  login user\n  password x\n")
    assert has_wandb_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.com:8080")
    assert not has_wandb_key()
    (tmp_path / "netrc").write_text("machine wandb.example.com\n  login user\n  password x\n")
    assert has_wandb_key()


@pytest.mark.parametrize(
    ("text", "expected"),
    [('{"wandb_run_id": "abc"}', "abc"), ('{"wandb_run_id": null}', None), ("{}", None), ("[]", None), ("{", None)],
)
def test_the_last_run(tmp_path: Path, text: str, expected: Any) -> None:
    assert last_wandb_run_id(tmp_path) is None
    (tmp_path / "run_meta.json").write_text(text)
    assert last_wandb_run_id(tmp_path) == expected


def test_samples_of_a_run_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    row = '{"step": 2, "id": "a", "question": "q", "gold": "g", "predicted": "p"}\n'
    path.write_text(row + row[:30] + row + row)
    assert sample_rows(path) == [[2, "a", "q", "g", "p"]] * 2
    path.write_text(row * 1000)
    assert len(sample_rows(path)) == MOST_SAMPLES


def test_all_parts_of_a_run_are_uploaded(tmp_path: Path) -> None:
    folder = tmp_path / "my wandb"
    for name in ("offline-run-2-abc", "offline-run-1-abc", "offline-run-1-other", "run-3-abc"):
        (folder / name).mkdir(parents=True)
    command = sync_command(folder / "offline-run-2-abc", "abc")
    assert command == f"wandb sync '{folder}/offline-run-1-abc' '{folder}/offline-run-2-abc'"
