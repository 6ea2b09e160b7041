"""What a user wrote, read off arguments and config files."""

import importlib.util
import types
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.commands import config_checks
from text2sql_lightning.commands.config_checks import (
    CONFIGS,
    check_trainer_support,
    find_configs,
    given_model_settings,
    wants_unsloth,
)
from text2sql_lightning.errors import ConfigError

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ([], {}),
        (["fit", "--model.base_model", "a/b"], {"base_model": "a/b"}),
        (["fit", "--model.base_model=a/b", "--model.lora.r=8"], {"base_model": "a/b", "lora": {"r": 8}}),
        (["fit", "--model.lora.r", "8", "--model.lora.alpha", "4"], {"lora": {"r": 8, "alpha": 4}}),
        (["fit", "--model.lora", '{"r": 8}', "--model.lora.r", "16"], {"lora": {"r": 16}}),
        (["fit", "--model.lora", "null"], {"lora": None}),
        (
            ["fit", "--model.lora.target_modules", "[q_proj, v_proj]"],
            {"lora": {"target_modules": ["q_proj", "v_proj"]}},
        ),
        (["fit", "--model.learning_rate", "1e-3"], {"learning_rate": "1e-3"}),
        (["fit", "--data.batch_size", "4", "--output_dir=x"], {}),
        (["fit", "--model.base_model"], {"base_model": None}),
        (["fit", "--model.base_model", "["], {"base_model": "["}),
    ],
)
def test_flags(arguments: Any, given: Any) -> None:
    found = given_model_settings(arguments)
    if "learning_rate" in given:
        assert float(found["learning_rate"]) == 1e-3
    else:
        assert found == given


def test_configs_are_merged_in_order(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text("model: {base_model: a, lora: {r: 8, alpha: 8}}\ndata: {batch_size: 2}\n")
    (tmp_path / "second.yaml").write_text("model: {lora: {r: 4}}\n")
    arguments = [
        "fit",
        "--config",
        str(tmp_path / "first.yaml"),
        f"--config={tmp_path}/second.yaml",
        "-c",
        "missing.yaml",
    ]
    assert given_model_settings(arguments) == {"base_model": "a", "lora": {"r": 4, "alpha": 8}}
    assert given_model_settings([*arguments, "--model.lora.r", "2"])["lora"] == {"r": 2, "alpha": 8}


def test_parts_are_relative_to_the_config(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "model").mkdir()
    (tmp_path / "experiment" / "run.yaml").write_text("model: ../model/part.yaml\n")
    (tmp_path / "model" / "part.yaml").write_text("base_model: a\nbackend: unsloth\n")
    assert given_model_settings(["fit", "--config", str(tmp_path / "experiment" / "run.yaml")]) == {
        "base_model": "a",
        "backend": "unsloth",
    }
    assert given_model_settings(["fit", "--model", str(tmp_path / "model" / "part.yaml")])["base_model"] == "a"


@pytest.mark.parametrize("text", ["", "- a\n", "model: 5\n", "model: [\n", "model: missing.yaml\n", "\x00"])
def test_configs_that_the_parser_will_refuse_are_passed_over(tmp_path: Path, text: Any) -> None:
    (tmp_path / "odd.yaml").write_text(text)
    assert given_model_settings(["fit", "--config", str(tmp_path / "odd.yaml")]) == {}
    assert given_model_settings(["fit", "--config", str(tmp_path)]) == {}


@pytest.mark.parametrize(
    ("arguments", "cuda", "wanted"),
    [
        (["fit", "--model.backend", "unsloth"], False, True),
        (["fit", "--model.backend=transformers"], True, False),
        (["fit"], True, True),
        (["fit"], False, False),
        (["fit", "--model.backend", "auto"], True, True),
        (["fit", "--help"], True, False),
        (["fit", "--print_config"], True, False),
        ([], True, False),
        (["fit", "--model.backend", "nonsense"], True, False),
    ],
)
def test_unsloth_is_imported_where_it_will_be_used(
    monkeypatch: pytest.MonkeyPatch, arguments: Any, cuda: Any, wanted: Any
) -> None:
    monkeypatch.setattr(config_checks, "has_cuda", lambda: cuda)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert wants_unsloth(arguments) is wanted


def test_auto_without_unsloth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_checks, "has_cuda", lambda: True)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert wants_unsloth(["fit"]) is False


TINY = str(CONFIGS / "experiment" / "tiny_test.yaml")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["fit", "--config", "experiment/tiny_test.yaml"], ["fit", "--config", TINY]),
        (["fit", "-c", "configs/experiment/tiny_test.yaml"], ["fit", "-c", TINY]),
        (["fit", "--config=experiment/tiny_test.yaml"], ["fit", f"--config={TINY}"]),
        (["fit", "--config", "nowhere.yaml", "--config"], ["fit", "--config", "nowhere.yaml", "--config"]),
        (["fit", "--data.train_path", "experiment/tiny_test.yaml"],) * 2,
    ],
)
def test_configurations_of_the_package_have_names(
    arguments: list[str], found: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_configs(arguments) == found


def test_a_file_here_goes_before_one_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "tiny_test.yaml").touch()
    assert find_configs(["--config", "experiment/tiny_test.yaml"]) == ["--config", "experiment/tiny_test.yaml"]


@pytest.mark.parametrize(
    "strategy",
    [
        "auto",
        "ddp",
        "ddp_find_unused_parameters_true",
        types.SimpleNamespace(class_path="lightning.pytorch.strategies.DDPStrategy"),
    ],
)
@pytest.mark.parametrize("precision", ["bf16-mixed", "32-true", 32, "32", "bf16"])
def test_ways_to_train_that_work(strategy: object, precision: object) -> None:
    check_trainer_support(strategy, precision, on_cpu=True)
    check_trainer_support(strategy, "16-mixed", on_cpu=False)


@pytest.mark.parametrize(
    ("strategy", "precision", "on_cpu", "message"),
    [
        ("fsdp", "32-true", False, "trainer.strategy fsdp: .* use --trainer.strategy ddp"),
        (
            types.SimpleNamespace(class_path="lightning.pytorch.strategies.FSDPStrategy"),
            "32-true",
            False,
            "trainer.strategy lightning.pytorch.strategies.FSDPStrategy: .* use --trainer.strategy ddp",
        ),
        ("deepspeed_stage_2", "bf16-mixed", False, "trainer.strategy deepspeed_stage_2: .* use --trainer.strategy ddp"),
        ("auto", "bf16-true", False, "trainer.precision bf16-true: .* use --trainer.precision bf16-mixed"),
        ("auto", "16-true", False, "trainer.precision 16-true: .* use --trainer.precision 16-mixed"),
        ("auto", "64-true", False, "trainer.precision 64-true: .* use --trainer.precision 32-true"),
        ("auto", "16-mixed", True, "trainer.precision 16-mixed needs a GPU"),
        ("auto", 16, True, "trainer.precision 16-mixed needs a GPU"),
    ],
)
def test_ways_to_train_that_do_not(strategy: object, precision: object, on_cpu: bool, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_trainer_support(strategy, precision, on_cpu)
