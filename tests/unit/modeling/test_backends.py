"""What runs with what."""

import sys
import types
from typing import Any, get_args

import pytest

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.modeling import backends
from text2sql_lightning.modeling.backends import (
    Hardware,
    check_support,
    choose_backend,
    choose_precision,
    get_backend,
    unsloth,
)
from text2sql_lightning.modeling.settings import BackendName, LoraSettings

pytestmark = pytest.mark.unit

CPU, T4, A100 = Hardware(None), Hardware((7, 5)), Hardware((8, 0))


@pytest.fixture(autouse=True)
def everything_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (backends, unsloth):
        monkeypatch.setattr(module, "is_installed", lambda package: True)
    monkeypatch.delitem(sys.modules, "unsloth", raising=False)


@pytest.mark.parametrize(
    ("hardware", "precision"),
    [(CPU, "32-true"), (T4, "16-mixed"), (A100, "bf16-mixed"), (Hardware((9, 0)), "bf16-mixed")],
)
def test_precision_follows_the_compute_capability(hardware: Any, precision: Any) -> None:
    assert choose_precision(hardware) == precision


@pytest.mark.parametrize(
    ("asked", "hardware", "chosen"),
    [
        ("auto", CPU, "transformers"),
        ("auto", A100, "unsloth"),
        ("unsloth", CPU, "unsloth"),
        ("transformers", A100, "transformers"),
    ],
)
def test_backend(asked: Any, hardware: Any, chosen: Any) -> None:
    assert choose_backend(asked, hardware) == chosen


def test_auto_without_unsloth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "is_installed", lambda package: False)
    assert choose_backend("auto", A100) == "transformers"


@pytest.mark.parametrize("backend", ["transformers", "unsloth"])
@pytest.mark.parametrize("quantization", ["nf4", "none"])
@pytest.mark.parametrize("lora", [LoraSettings(), None])
@pytest.mark.parametrize("hardware", [CPU, T4, A100])
def test_what_runs(backend: Any, quantization: Any, lora: Any, hardware: Any) -> None:
    check_support(backend, quantization, lora, hardware)


@pytest.mark.parametrize(
    ("backend", "quantization", "lora", "hardware", "words"),
    [
        ("unsloth", "int8", LoraSettings(), CPU, "int8 with model.backend unsloth needs a GPU: use nf4 or none"),
        ("unsloth", "nf4", LoraSettings(use_dora=True), A100, "model.lora.use_dora.*use --model.backend transformers"),
    ],
)
def test_what_does_not_run(backend: Any, quantization: Any, lora: Any, hardware: Any, words: Any) -> None:
    with pytest.raises(ConfigError, match=words):
        check_support(backend, quantization, lora, hardware)


def test_missing_packages_name_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (backends, unsloth):
        monkeypatch.setattr(module, "is_installed", lambda package: False)
    with pytest.raises(ConfigError, match=r"pip install 'text2sql_lightning\[unsloth\]'"):
        check_support("unsloth", "none", LoraSettings(), A100)
    with pytest.raises(ConfigError, match=r"pip install bitsandbytes, or use --model.quantization none"):
        check_support("transformers", "nf4", LoraSettings(), CPU)
    check_support("transformers", "none", LoraSettings(), CPU)


def test_transformers_is_refused_once_unsloth_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "unsloth", types.ModuleType("unsloth"))
    with pytest.raises(ConfigError, match=r"unsloth is already imported.*start a new process"):
        check_support("transformers", "none", LoraSettings(), CPU)


def test_every_name_is_a_backend() -> None:
    for name in get_args(BackendName):
        assert get_backend(name).costs().share_of_peak > 0


def test_a_new_backend_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def support(*_: Any) -> None:
        raise ConfigError("model.lora: the backend new has no adapters")

    module: Any = types.ModuleType("new")
    module.BACKEND = types.SimpleNamespace(support=support)
    monkeypatch.setitem(sys.modules, "text2sql_lightning.modeling.backends.new", module)
    name: Any = "new"
    assert choose_backend(name, CPU) == "new"
    assert get_backend(name) is module.BACKEND
    with pytest.raises(ConfigError, match=r"model\.lora"):
        check_support(name, "none", LoraSettings(), CPU)
