"""What the parser of LightningCLI lets pass or says badly: checked before and after it parses."""

import sys
from collections.abc import Iterable
from types import NoneType
from typing import Any, get_args

from lightning.pytorch.cli import LightningArgumentParser

from text2sql_lightning.commands.console import shortened
from text2sql_lightning.errors import ConfigError


class OneLineParser(LightningArgumentParser):
    """A parser whose errors are one line on stderr and exit code 2, without the usage."""

    def error(self, message: str, ex: Exception | None = None) -> Any:
        """Print what is wrong and exit."""
        text = " ".join(line.strip() for line in str(message).strip().splitlines())
        sys.stderr.write(f"error: {shortened(text)} (see --help)\n")
        sys.exit(2)


def check_trainer(config: Any) -> None:
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


def check_sections(parser: Any, configs: Iterable[tuple[str, dict[str, Any]]]) -> None:
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
            value: Any = content
            for key in section.split("."):
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None and not isinstance(value, dict | str):  # a text is a file, which the parser reads
                raise ConfigError(
                    f"--config {file}: {section} is {repr(value)[:60]}; it takes settings, such as "
                    f"{min(name for name in names if name.startswith(section + '.')).replace('.', ': ')}"
                )


def check_nulls(parser: Any, config: Any) -> None:
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
