"""`text2sql fit | validate | test | predict` up to the import of Lightning.

What has to be decided before: which files `--config` names, whether Unsloth is imported (it has to be the first, and
`import lightning` imports transformers), and which model settings the user gave, where the parser cannot tell a given
value from a default.
"""

import importlib.util
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from text2sql_lightning.commands.console import run_command
from text2sql_lightning.errors import ConfigError

CONFIGS: Final = Path(__file__).parents[1] / "configs"
"""The configurations that travel with the package."""

_CONFIG_FLAGS: Final = ("--config", "-c")
_FILE_FLAGS: Final = (*_CONFIG_FLAGS, "--trainer", "--model", "--data")
# The library stumbles over some texts: `!!timestamp x`, or brackets a thousand deep.
_NOT_YAML: Final = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command of LightningCLI.

    Args:
        argv: `fit`, `validate`, `test` or `predict`, and its options; those of the process when None.

    Returns:
        The exit code: 0, 2 after a mistake of the user's, 130 after Ctrl-C.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if {"-h", "--help"} & {*arguments}:
        from text2sql_lightning.commands.options import options_page

        print(options_page(arguments[0] if arguments[0] in ("validate", "test", "predict") else "fit"), end="")
        return 0
    return run_command(lambda: _run(find_configs(arguments)))


def _run(arguments: list[str]) -> None:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads die in forked workers, with a warning each
    if wants_unsloth(arguments):
        from text2sql_lightning.modeling.backends.unsloth import import_unsloth

        import_unsloth()
    from text2sql_lightning.commands.cli import run

    run(arguments)


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


def given_model_settings(arguments: Sequence[str]) -> dict[str, Any]:
    """Collect `model` from config files and flags, nested as in a config; later arguments win, as for the parser."""
    model: dict[str, Any] = {}
    for flag, value in _pairs(arguments):
        if flag in _CONFIG_FLAGS:
            path = Path(value)
            _merge(model, _part(_load(path).get("model"), path.parent))
        elif flag == "--model":
            _merge(model, _part(value, Path()))
        elif flag.startswith("--model."):
            nested: Any = _scalar(value)
            for key in reversed(flag.removeprefix("--model.").split(".")):
                nested = {key: nested}
            _merge(model, nested)
    return model


def wants_unsloth(arguments: Sequence[str]) -> bool:
    """Say whether Unsloth is asked for, or is what `auto` chooses here."""
    backend = given_model_settings(arguments).get("backend") or "auto"
    if backend != "auto":
        return bool(backend == "unsloth")
    only_prints = not arguments or any(word in ("-h", "--help", "--print_config") for word in arguments)
    return not only_prints and importlib.util.find_spec("unsloth") is not None and has_cuda()


def check_configs(arguments: Sequence[str]) -> None:
    """Name the config file that is no YAML; the parser's own message does not.

    Raises:
        ConfigError: Says file, line and column.
    """
    for flag, value in _pairs(arguments):
        if flag in _CONFIG_FLAGS and Path(value).is_file():
            try:
                yaml.safe_load(Path(value).read_text(encoding="utf-8"))
            except _NOT_YAML as error:
                raise ConfigError(f"--config {value} is not valid YAML: {error}") from error


def given_configs(arguments: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each config file and its content."""
    for flag, value in _pairs(arguments):
        if flag in _CONFIG_FLAGS:
            yield value, _load(Path(value))


def _pairs(arguments: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for index, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        if flag.startswith("-"):
            following = arguments[index + 1] if index + 1 < len(arguments) else ""
            pairs.append((flag, value if equals else following))
    return pairs


def _part(value: Any, folder: Path) -> dict[str, Any]:
    """Give a part of a config: written in place, or in a file of its own, relative to the config."""
    if isinstance(value, str) and value.endswith((".yaml", ".yml")):
        return _load(folder / value)
    return value if isinstance(value, dict) else {}


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, *_NOT_YAML):
        return {}  # the parser reports it better
    return content if isinstance(content, dict) else {}


def _scalar(value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except _NOT_YAML:
        return value


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def has_cuda() -> bool:
    """Return whether there is a CUDA GPU."""
    import torch

    return torch.cuda.is_available()


if __name__ == "__main__":
    raise SystemExit(main())
