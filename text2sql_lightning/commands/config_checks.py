"""What a user wrote, read off arguments and config files, and what LightningCLI's parser lets pass or says badly.

The first half is needed before anything heavy is imported: which files `--config` names, whether Unsloth has to be
imported, and which model settings were given, where the parser cannot tell a given value from a default.
"""

import importlib.util
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Final, get_args

import yaml

from text2sql_lightning.errors import ConfigError

if TYPE_CHECKING:
    from jsonargparse import Namespace
    from lightning.pytorch.cli import LightningArgumentParser

CONFIGS: Final = Path(__file__).parents[1] / "configs"
"""The configurations that travel with the package."""

_CONFIG_FLAGS: Final = ("--config", "-c")
_FILE_FLAGS: Final = (*_CONFIG_FLAGS, "--trainer", "--model", "--data")
_STRATEGIES = ("auto", "single_device", "singledevice", "ddp")
_PRECISIONS = ("bf16-mixed", "16-mixed", "32-true")
_SPELLINGS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
# The library stumbles over some texts: `!!timestamp x`, or brackets a thousand deep.
_NOT_YAML: Final = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError)


def find_configs(arguments: Sequence[str]) -> list[str]:
    """Replace the names of configurations that travel with the package by their paths.

    Args:
        arguments: A command line, where `--config experiment/tiny_test.yaml` (or `configs/experiment/...`) is meant
            unless there is such a file here.
    """
    found = list(arguments)
    for index, argument in enumerate(found):
        flag, equals, value = argument.partition("=")
        if equals and flag in _FILE_FLAGS:
            found[index] = f"{flag}={_packaged(value)}"
        elif argument in _FILE_FLAGS and index + 1 < len(found):
            found[index + 1] = _packaged(found[index + 1])
    return found


def _packaged(name: str) -> str:
    packaged = CONFIGS / name.removeprefix("configs/")
    return name if Path(name).exists() or not packaged.is_file() else str(packaged)


def given_model_settings(arguments: Sequence[str]) -> dict[str, object]:
    """Collect `model` from config files and flags, nested as in a config; later arguments win, as for the parser."""
    model: dict[str, object] = {}
    for flag, value in _pairs(arguments):
        if flag in _CONFIG_FLAGS:
            path = Path(value)
            _merge(model, _part(_load(path).get("model"), path.parent))
        elif flag == "--model":
            _merge(model, _part(value, Path()))
        elif flag.startswith("--model."):
            first, *others = flag.removeprefix("--model.").split(".")
            nested = _scalar(value)
            for key in reversed(others):
                nested = {key: nested}
            _merge(model, {first: nested})
    return model


def prepare_libraries(arguments: Sequence[str]) -> None:
    """Import Unsloth where the arguments ask for it: before transformers, which `import lightning` imports."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads die in forked workers, with a warning each
    if wants_unsloth(arguments):
        from text2sql_lightning.modeling.backends.unsloth import import_unsloth

        import_unsloth()


def wants_unsloth(arguments: Sequence[str]) -> bool:
    """Return whether Unsloth is asked for, or is what `auto` chooses here."""
    backend = given_model_settings(arguments).get("backend") or "auto"
    if backend != "auto":
        return bool(backend == "unsloth")
    only_prints = not arguments or any(word in ("-h", "--help", "--print_config") for word in arguments)
    return not only_prints and importlib.util.find_spec("unsloth") is not None and has_cuda()


def given_configs(arguments: Sequence[str]) -> list[tuple[str, dict[str, object]]]:
    """Return each config file that there is, and its content.

    Raises:
        ConfigError: One is not valid YAML: says file, line and column, of which the parser leaves out the file.
    """
    found = []
    for flag, value in _pairs(arguments):
        if flag in _CONFIG_FLAGS and Path(value).is_file():
            try:
                content = yaml.safe_load(Path(value).read_text(encoding="utf-8"))
            except _NOT_YAML as error:
                raise ConfigError(f"--config {value} is not valid YAML: {error}") from error
            found.append((value, content if isinstance(content, dict) else {}))
    return found


def _pairs(arguments: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for index, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        if flag.startswith("-"):
            following = arguments[index + 1] if index + 1 < len(arguments) else ""
            pairs.append((flag, value if equals else following))
    return pairs


def _part(value: object, folder: Path) -> dict[str, object]:
    """Return a part of a config: written in place, or in another file, relative to the config."""
    if isinstance(value, str) and value.endswith((".yaml", ".yml")):
        return _load(folder / value)
    return value if isinstance(value, dict) else {}


def _load(path: Path) -> dict[str, object]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, *_NOT_YAML):
        return {}  # the parser reports it better
    return content if isinstance(content, dict) else {}


def _scalar(value: str) -> object:
    try:
        return yaml.safe_load(value)
    except _NOT_YAML:
        return value


def _merge(into: dict[str, object], more: Mapping[str, object]) -> None:
    for key, value in more.items():
        present = into.get(key)
        if isinstance(value, dict) and isinstance(present, dict):
            _merge(present, value)
        else:
            into[key] = value


def has_cuda() -> bool:
    """Return whether there is a CUDA GPU."""
    import torch

    return torch.cuda.is_available()


def check_trainer(config: "Namespace") -> None:
    """Refuse numbers that Lightning takes and then stumbles over.

    Raises:
        ConfigError: Names the setting, its value and what is allowed.
    """
    if not 0 <= int(config.seed_everything) < 2**32:
        raise ConfigError(f"seed_everything is {config.seed_everything}; it must be between 0 and 4294967295")
    if config.trainer.accumulate_grad_batches < 1:
        raise ConfigError(
            f"trainer.accumulate_grad_batches is {config.trainer.accumulate_grad_batches}; it must be at least 1"
        )


def check_trainer_support(strategy: object, precision: object, on_cpu: bool) -> None:
    """Refuse ways to train that this project cannot do right, before a weight is downloaded.

    Args:
        strategy: `trainer.strategy`: a name, or a configured class.
        precision: `trainer.precision`.
        on_cpu: Whether the run has no GPU.

    Raises:
        ConfigError: Names the setting, and the nearest choice that works.
    """
    given_strategy = str(getattr(strategy, "class_path", strategy))
    name = given_strategy.rsplit(".", 1)[-1].lower().removesuffix("strategy")
    if name not in _STRATEGIES and not name.startswith("ddp_"):
        raise ConfigError(
            f"trainer.strategy {given_strategy}: only the adapter's gradients are shared here: use --trainer.strategy "
            "ddp, where each process holds its own copy of the base model"
        )
    given = _SPELLINGS.get(str(precision), str(precision))
    if given not in _PRECISIONS:
        nearest = "bf16-mixed" if "bf16" in given else "16-mixed" if "16" in given else "32-true"
        raise ConfigError(
            f"trainer.precision {precision}: the adapter is trained in float32, the rest in 16 or 32 bits: "
            f"use --trainer.precision {nearest}"
        )
    if given == "16-mixed" and on_cpu:
        raise ConfigError(
            "trainer.precision 16-mixed needs a GPU: leave it out for 32-true, or use --trainer.precision bf16-mixed"
        )


def check_sections(parser: "LightningArgumentParser", configs: Iterable[tuple[str, Mapping[str, object]]]) -> None:
    """Refuse a single value where a section of settings is expected; the parser drops it, or stumbles over it.

    Args:
        parser: The subcommand's parser, whose actions know the settings.
        configs: Name and content of each config file.

    Raises:
        ConfigError: Names file, section and value.
    """
    actions = {action.dest: getattr(action, "_typehint", None) for action in parser._actions}
    names = {name for name in actions if not name.endswith(".help")}
    sections = {name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count(".") + 1)}
    sections -= {name for name, hint in actions.items() if hint is not None}  # the parser knows what these take
    for file, content in configs:
        for section in sorted(sections):
            value: object = content
            for key in section.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None and not isinstance(value, dict | str):  # a text is a file, which the parser reads
                raise ConfigError(
                    f"--config {file}: {section} is {repr(value)[:60]}; it takes settings, such as "
                    f"{min(name for name in names if name.startswith(section + '.')).replace('.', ': ')}"
                )


def check_nulls(parser: "LightningArgumentParser", config: "Namespace") -> None:
    """Refuse null where a setting has to have a value; the parser takes null for anything.

    Args:
        parser: The subcommand's parser, whose actions know the types.
        config: The parsed configuration.

    Raises:
        ConfigError: Names the setting.
    """
    for action in parser._actions:
        hint = getattr(action, "_typehint", None)
        if hint is None or action.dest not in config or config[action.dest] is not None:
            continue
        if NoneType not in get_args(hint) and action.default is not None:
            raise ConfigError(f"{action.dest} is null; give it a value, or leave it out for {action.default}")
