"""Each cause of a failed load has a line of its own."""

from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.errors import ConfigError, ModelError
from text2sql_lightning.files.hub import check_local_folder, explain, readable_hub_errors

pytestmark = pytest.mark.unit

SETTING = "model.base_model"


def error_named(name: Any, base: Any = OSError) -> Any:
    return type(name, (base,), {})("https://huggingface.co/... and a lot more\nin several lines")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("GatedRepoError", "is gated: accept its licence on https://huggingface.co/owner/model and set HF_TOKEN"),
        ("RepositoryNotFoundError", "the hub has no such model"),
        ("HFValidationError", "the hub has no such model"),
        (
            "LocalEntryNotFoundError",
            "is not on this machine and the hub cannot be reached: give a local folder, or connect",
        ),
        ("OfflineModeIsEnabled", "the hub cannot be reached"),
        ("ConnectionError", "the hub cannot be reached"),
    ],
)
def test_causes(kind: Any, words: Any) -> None:
    cause = error_named(kind)
    wrapped = OSError("transformers says something long")
    wrapped.__cause__ = cause
    for error in (cause, wrapped):
        message = explain("owner/model", SETTING, error)
        assert message.startswith("model.base_model owner/model")
        assert words in message
        assert "\n" not in message


def test_gated_wins_over_what_follows_from_it() -> None:
    error = error_named("LocalEntryNotFoundError")
    error.__context__ = error_named("GatedRepoError")
    assert "is gated" in explain("owner/model", SETTING, error)


def test_anything_else_says_its_first_line() -> None:
    assert (
        explain("owner/model", SETTING, ValueError("odd\nmore")) == "model.base_model owner/model cannot be loaded: odd"
    )
    assert explain("owner/model", SETTING, ValueError()).endswith("cannot be loaded: ValueError")


def test_folder_that_is_incomplete(tmp_path: Path) -> None:
    message = explain(str(tmp_path), SETTING, OSError("no file named model.safetensors\nmore"))
    assert message == (
        f"model.base_model {tmp_path}: the folder cannot be loaded (no file named model.safetensors); "
        "it needs config.json, weights, a tokenizer"
    )


@pytest.mark.parametrize("name", ["/nowhere/model", "./model", "../model", "~/model", "checkpoints/smollm2", "a/b/c"])
def test_a_path_that_is_missing_is_not_taken_for_a_hub_name(name: Any) -> None:
    with pytest.raises(ModelError, match=r"there is no such folder; give an existing folder or a hub name owner/model"):
        check_local_folder(name, SETTING)


def test_names_and_existing_folders_pass(tmp_path: Path) -> None:
    check_local_folder("mistralai/Mistral-7B-Instruct-v0.1", SETTING)
    check_local_folder("gpt2", SETTING)
    check_local_folder(str(tmp_path), SETTING)


@pytest.mark.parametrize("error", [OSError("x"), ValueError("x"), ImportError("x")])
def test_context_manager(error: Any) -> None:
    with (
        pytest.raises(ModelError, match=r"owner/model cannot be loaded: x"),
        readable_hub_errors("owner/model", SETTING),
    ):
        raise error


def test_own_errors_and_bugs_pass_through() -> None:
    with pytest.raises(ConfigError, match=r"mine"), readable_hub_errors("owner/model", SETTING):
        raise ConfigError("mine")
    with pytest.raises(ZeroDivisionError), readable_hub_errors("owner/model", SETTING):
        raise ZeroDivisionError


def test_damaged_weights() -> None:
    """safetensors raises an error of its own that is neither OSError nor ValueError."""
    from safetensors import SafetensorError

    with pytest.raises(ModelError, match=r"header too small"), readable_hub_errors("owner/model", SETTING):
        raise SafetensorError("header too small")
