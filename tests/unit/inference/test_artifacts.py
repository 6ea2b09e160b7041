"""What checkpoints and adapters say, held against flags."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from text2sql_lightning.errors import ConfigError, ModelError
from text2sql_lightning.inference.artifacts import merge_adapter_settings, merge_checkpoint_settings, read_json
from text2sql_lightning.text.prompts import prompt_sha256

pytestmark = pytest.mark.unit

SAVED = {
    "base_model": "owner/base",
    "quantization": "nf4",
    "prompt_sha256": prompt_sha256(),
    "lora": {"r": 8, "alpha": 16, "dropout": 0.0, "target_modules": ["q_proj"], "use_rslora": False, "use_dora": False},
    "learning_rate": 2e-4,
    "weight_decay": 0.0,
    "optimizer": "auto",
}


def defaults() -> Any:
    return {
        "base_model": "mistral",
        "quantization": "none",
        "lora": {"r": 16, "alpha": 16},
        "learning_rate": 1e-3,
        "weight_decay": 0.1,
        "optimizer": "auto",
    }


@pytest.fixture
def checkpoint(tmp_path: Path) -> Any:
    torch.save({"text2sql": SAVED, "state_dict": {}}, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


def test_what_was_not_given_comes_from_the_checkpoint(checkpoint: Any) -> None:
    model = defaults()
    merge_checkpoint_settings(model, {}, checkpoint)
    assert model["base_model"] == "owner/base"
    assert model["quantization"] == "nf4"
    assert model["lora"] == SAVED["lora"]
    assert model["learning_rate"] == 1e-3  # only a fit that goes on needs it


def test_a_fit_that_goes_on_has_the_optimizer_of_the_checkpoint(checkpoint: Any) -> None:
    model = defaults()
    merge_checkpoint_settings(model, {"learning_rate": "2e-4", "weight_decay": 0}, checkpoint, resuming=True)
    assert model["learning_rate"] == 1e-3  # given, and the same: what the parser made of it stays
    merge_checkpoint_settings(model, {}, checkpoint, resuming=True)
    assert (model["learning_rate"], model["weight_decay"]) == (2e-4, 0.0)
    with pytest.raises(ConfigError, match=r"model.learning_rate 0.5 disagrees with 0.0002"):
        merge_checkpoint_settings(defaults(), {"learning_rate": 0.5}, checkpoint, resuming=True)
    merge_checkpoint_settings(defaults(), {"learning_rate": 0.5}, checkpoint)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lora": {"r": 99}}, "model.lora.r 99 disagrees with 8"),
        ({"base_model": "owner/other"}, "model.base_model owner/other disagrees with owner/base"),
        ({"quantization": "none"}, "model.quantization none disagrees with nf4"),
        ({"lora": {"target_modules": ["q_proj", "v_proj"]}}, "model.lora.target_modules"),
    ],
)
def test_what_was_given_and_disagrees(checkpoint: Any, given: Any, words: Any) -> None:
    with pytest.raises(ConfigError, match=words):
        merge_checkpoint_settings(defaults(), given, checkpoint)


def test_what_was_given_and_agrees(checkpoint: Any) -> None:
    given = {"lora": {"r": 8, "target_modules": ("q_proj",)}, "base_model": "owner/base", "quantization": "nf4"}
    model = defaults()
    merge_checkpoint_settings(model, given, checkpoint)
    assert model["lora"]["r"] == 8


def test_the_same_folder_under_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    torch.save({"text2sql": SAVED | {"base_model": str(tmp_path / "base")}}, "last.ckpt")
    model = defaults() | {"base_model": "base"}
    merge_checkpoint_settings(model, {"base_model": "base"}, tmp_path / "last.ckpt")
    assert model["base_model"] == "base"


def test_another_prompt(tmp_path: Path) -> None:
    torch.save({"text2sql": SAVED | {"prompt_sha256": "0" * 64}}, tmp_path / "x.ckpt")
    with pytest.raises(ModelError, match=r"was trained with another prompt .SHA-256 000000000000"):
        merge_checkpoint_settings(defaults(), {}, tmp_path / "x.ckpt")


def test_checkpoint_of_another_project(tmp_path: Path) -> None:
    torch.save({"state_dict": {}}, tmp_path / "x.ckpt")
    with pytest.raises(ModelError, match=r"damaged or no checkpoint of text2sql_lightning"):
        merge_checkpoint_settings(defaults(), {}, tmp_path / "x.ckpt")


def write_adapter(folder: Any, **changes: Any) -> Any:
    config = {
        "base_model_name_or_path": "owner/base",
        "r": 8,
        "lora_alpha": 32,
        "lora_dropout": 0.1,
        "use_rslora": True,
        "use_dora": False,
        "target_modules": ["v_proj", "q_proj"],
    }
    (folder / "adapter_config.json").write_text(json.dumps(config | changes))


def test_an_adapter_of_any_origin(tmp_path: Path) -> None:
    """Plain peft writes no prompt.json and its target modules in no order."""
    write_adapter(tmp_path)
    model = defaults()
    merge_adapter_settings(model, {}, tmp_path)
    assert model["base_model"] == "owner/base"
    assert model["quantization"] == "none"  # an adapter does not say
    assert model["lora"] == {
        "r": 8,
        "alpha": 32,
        "dropout": 0.1,
        "use_rslora": True,
        "use_dora": False,
        "target_modules": ["q_proj", "v_proj"],
    }
    with pytest.raises(ConfigError, match=r"model.lora.alpha 16 disagrees with 32"):
        merge_adapter_settings(defaults(), {"lora": {"alpha": 16}}, tmp_path)


def test_all_linear_stays_a_word(tmp_path: Path) -> None:
    write_adapter(tmp_path, target_modules="all-linear")
    model = defaults()
    merge_adapter_settings(model, {}, tmp_path)
    assert model["lora"]["target_modules"] == "all-linear"


@pytest.mark.parametrize("missing", ["base_model_name_or_path", "target_modules"])
def test_adapter_config_that_lacks_something(tmp_path: Path, missing: Any) -> None:
    write_adapter(tmp_path, **{missing: None})
    with pytest.raises(ModelError, match=r"does not name base_model_name_or_path and target_modules"):
        merge_adapter_settings(defaults(), {}, tmp_path)


def test_bare_model_and_adapter_exclude_each_other(tmp_path: Path) -> None:
    write_adapter(tmp_path)
    with pytest.raises(ConfigError, match=r"model.lora null disagrees with the adapter of"):
        merge_adapter_settings(defaults() | {"lora": None}, {"lora": None}, tmp_path)


@pytest.mark.parametrize(
    ("text", "words"), [(None, "there is no file a.json"), ("[]", "no JSON object"), ("{", "cannot be read")]
)
def test_read_json(tmp_path: Path, text: Any, words: Any) -> None:
    if text is not None:
        (tmp_path / "a.json").write_text(text)
    with pytest.raises(ModelError, match=words):
        read_json(tmp_path / "a.json", "model.adapter_path")
