"""Settings that a checkpoint or an adapter folder records, merged with those of a command."""

import json
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast, get_args

from text2sql_lightning.constants import PROMPT_FILE, RUN_META_FILE
from text2sql_lightning.errors import ConfigError, ModelError
from text2sql_lightning.modeling.settings import Quantization
from text2sql_lightning.text.prompts import PROMPT_FORMAT_VERSION, prompt_sha256

_LORA_KEYS: Final = {
    "r": "r",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "use_rslora": "use_rslora",
    "use_dora": "use_dora",
    "target_modules": "target_modules",
}
_BASE_KEYS: Final = ("base_model", "quantization")
_OPTIMIZER_KEYS: Final = ("learning_rate", "weight_decay", "optimizer")


def merge_checkpoint_settings(
    model: MutableMapping[str, Any], given: Mapping[str, Any], path: Path, *, resuming: bool = False
) -> None:
    """Take what was not given from a checkpoint, and refuse what was given and disagrees.

    Args:
        model: The model settings of the command; changed in place.
        given: The model settings that the user wrote.
        path: The `.ckpt` file.
        resuming: Whether training goes on from it; the optimizer's settings are then the checkpoint's as well.

    Raises:
        ModelError: The file is no checkpoint of this project, or of another prompt.
        ConfigError: A given setting disagrees; names both values.
    """
    import torch

    try:
        saved = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["text2sql"]
    except Exception as error:  # a damaged file raises almost anything
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"--ckpt_path {path} is damaged or no checkpoint of text2sql_lightning ({reason}){_offer_other(path)}"
        ) from error
    _check_prompt(saved["prompt_sha256"], path)
    _merge(model, given, saved, path, _BASE_KEYS + (_OPTIMIZER_KEYS if resuming else ()))


def _offer_other(path: Path) -> str:
    others = [other for other in path.parent.glob("*.ckpt") if other.name != path.name]
    newest = max(others, key=lambda other: other.stat().st_mtime_ns, default=None)
    return f"; the one before it: --ckpt_path {newest}" if newest else ""


def merge_adapter_settings(model: MutableMapping[str, Any], given: Mapping[str, Any], folder: Path) -> None:
    """Take what was not given from an adapter folder, and refuse what was given and disagrees.

    Args:
        model: The model settings of the command; changed in place.
        given: The model settings that the user wrote.
        folder: The adapter folder.

    Raises:
        ModelError: The folder is no adapter folder, or of another prompt.
        ConfigError: A given setting disagrees; names both values.
    """
    _merge(model, given, adapter_settings(folder), folder, _BASE_KEYS)


def adapter_settings(folder: Path, setting: str = "model.adapter_path") -> dict[str, Any]:
    """Read the base model and the LoRA settings of an adapter folder.

    Args:
        folder: The adapter folder.
        setting: What the user named the folder by; for messages.

    Raises:
        ModelError: The folder is no adapter folder, or of another prompt.
    """
    config = read_json(folder / "adapter_config.json", setting)
    if not isinstance(config.get("base_model_name_or_path"), str) or not config.get("target_modules"):
        raise ModelError(
            f"{setting}: {folder / 'adapter_config.json'} does not name base_model_name_or_path and "
            "target_modules; give the folder adapters/ of a run"
        )
    if (folder / PROMPT_FILE).exists():
        prompt = read_json(folder / PROMPT_FILE, setting)
        if prompt.get("format_version") != PROMPT_FORMAT_VERSION:
            raise ModelError(
                f"{folder / PROMPT_FILE} has format_version {prompt.get('format_version')}, this version reads "
                f"{PROMPT_FORMAT_VERSION}: use the version of text2sql_lightning that wrote it"
            )
        _check_prompt(str(prompt.get("sha256")), folder)
    lora = {own: config[theirs] for theirs, own in _LORA_KEYS.items() if config.get(theirs) is not None}
    if not isinstance(lora["target_modules"], str):
        lora["target_modules"] = sorted(lora["target_modules"])
    return {"base_model": config["base_model_name_or_path"], "lora": lora}


def quantization_of_run(adapter_dir: Path) -> Quantization:
    """Return how the run of an adapter folder kept the base weights; nf4 where that is not known."""
    known = None
    with suppress(ModelError):
        known = read_json(adapter_dir.resolve().parent / RUN_META_FILE, "").get("quantization")
    return cast(Quantization, known) if known in get_args(Quantization) else "nf4"


def read_json(path: Path, setting: str) -> dict[str, Any]:
    """Read a JSON object of an output folder.

    Raises:
        ModelError: The file is missing or unreadable; names it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{setting} {path.parent}: there is no file {path.name}; give the folder adapters/ of a run"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{setting}: {path} cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise ModelError(f"{setting}: {path} holds no JSON object")
    return content


def _check_prompt(saved: str, path: Path) -> None:
    if saved != prompt_sha256():
        raise ModelError(
            f"{path} was trained with another prompt (SHA-256 {saved[:12]}, this version has {prompt_sha256()[:12]}): "
            "use the version of text2sql_lightning that wrote it, or train again"
        )


def _merge(
    model: MutableMapping[str, Any],
    given: Mapping[str, Any],
    saved: Mapping[str, Any],
    path: Path,
    keys: tuple[str, ...],
) -> None:
    for key in keys:
        if key in saved and key in given:
            if not _same(str(given[key]), str(saved[key])):
                raise ConfigError(
                    f"model.{key} {given[key]} disagrees with {saved[key]} of {path}: leave it out, or name it"
                )
        elif key in saved:
            model[key] = saved[key]
    if saved.get("lora") is None:
        return
    if model["lora"] is None:
        raise ConfigError(f"model.lora null disagrees with the adapter of {path}: leave model.lora out")
    given_lora = given["lora"] if isinstance(given.get("lora"), dict) else {}
    for key, value in saved["lora"].items():
        if key in given_lora and _sorted(given_lora[key]) != _sorted(value):
            raise ConfigError(f"model.lora.{key} {given_lora[key]} disagrees with {value} of {path}: leave it out")
        model["lora"][key] = value


def _same(given: str, saved: str) -> bool:
    if given == saved:
        return True
    with suppress(ValueError):
        return float(given) == float(saved)  # 2e-4, 0.0002
    paths = Path(given), Path(saved)
    return all(path.exists() for path in paths) and paths[0].resolve() == paths[1].resolve()


def _sorted(value: object) -> object:
    return sorted(value) if isinstance(value, (list, tuple, set)) else value
