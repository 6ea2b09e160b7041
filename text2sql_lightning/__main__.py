"""The command `text2sql`; also `python -m text2sql_lightning`."""

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Final

from text2sql_lightning import __version__

COMMANDS: Final = {
    "build": ("build", "turn questions and SQL into records to train and test on"),
    "fit": ("fit", "train an adapter: text2sql fit --config experiment/mistral7b_qlora.yaml"),
    "validate": ("fit", "loss, exact match and execution accuracy on the validation records"),
    "test": ("fit", "the same on the test records, of a base model, an adapter or a checkpoint"),
    "predict": ("fit", "answer the questions of a file of records"),
    "evaluate": ("evaluate", "score SQL on records by executing it, with a report"),
    "spider": ("spider", "score SQL on the Spider benchmark, with a report"),
    "compare": ("compare", "test whether one evaluation is better than another"),
    "ask": ("ask", "answer a question about a SQLite file, and run the SQL with --run"),
    "estimate": ("estimate", "memory and time of a fit with the same arguments, before anything is downloaded"),
    "quickstart": ("quickstart", "base against tuned accuracy of a small model, in minutes on a CPU"),
}
"""Module of `text2sql_lightning.commands` and what it does, by command. The module has `main(arguments)`."""


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; mistakes of the user end with one line on stderr and exit code 2.

    Args:
        args: The command line without the program's name; None for this process's.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    name = arguments[0] if arguments else "--help"
    if name in ("--version", "version"):
        return _print(f"text2sql_lightning {__version__}\n")
    if name in ("--help", "-h", "help"):
        return _print(help_page())
    if name not in COMMANDS and not name.startswith("-"):
        nearest = get_close_matches(name, COMMANDS, n=1, cutoff=0.0)[0]
        sys.stderr.write(f"error: there is no command {name!r}, the nearest is {nearest!r} (see text2sql --help)\n")
        return 2
    module = COMMANDS[name][0] if name in COMMANDS else "fit"  # LightningCLI also takes --config before the command
    code: int = import_module(f"text2sql_lightning.commands.{module}").main(arguments[module != "fit" :])
    return code


def help_page() -> str:
    """List the commands, a line each."""
    lines = "\n".join(f"  {name:<12}{summary}" for name, (_, summary) in COMMANDS.items())
    return f"""\
usage: text2sql COMMAND ...

Fine-tune a language model to write SQL, and score what it writes by executing it.

commands:
{lines}

Each has a page of its own, such as text2sql fit --help. Also: text2sql --version.
"""


def _print(text: str) -> int:
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
