"""Whether a command will use Unsloth, read off its arguments before anything heavy is imported.

Unsloth has to be imported before transformers, and `import lightning` imports transformers.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

BACKEND_FLAGS = ("--model.backend", "--backend")


def wants_unsloth(arguments: Sequence[str]) -> bool:
    """Say whether Unsloth is asked for, by a flag or a config file, or chosen by `auto`.

    Later arguments win, as they do for the parser.
    """
    backend = "auto"
    pairs = list(_pairs(arguments))
    for flag, value in pairs:
        if flag in BACKEND_FLAGS:
            backend = value
        elif flag in ("--config", "-c"):
            backend = _backend_of(Path(value)) or backend
        elif flag == "--model" and value.endswith((".yaml", ".yml")):
            backend = _backend_in(_load(Path(value))) or backend
    if backend != "auto":
        return backend == "unsloth"
    asks_for_help = any(argument in ("-h", "--help", "--print_config") for argument in arguments)
    return not asks_for_help and importlib.util.find_spec("unsloth") is not None and _has_cuda()


def _pairs(arguments: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for index, argument in enumerate(arguments):
        flag, equals, value = argument.partition("=")
        if flag.startswith("-"):
            following = arguments[index + 1] if index + 1 < len(arguments) else ""
            pairs.append((flag, value if equals else following))
    return pairs


def _backend_of(config: Path) -> str | None:
    model = _load(config).get("model")
    if isinstance(model, str):  # a part in a file of its own, relative to the config
        return _backend_in(_load(config.parent / model))
    return _backend_in(model)


def _backend_in(model: Any) -> str | None:
    backend = model.get("backend") if isinstance(model, dict) else None
    return str(backend) if backend is not None else None


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}  # the parser reports it better
    return content if isinstance(content, dict) else {}


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()
