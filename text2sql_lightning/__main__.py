"""The command `text2sql`; also `python -m text2sql_lightning`."""

import os
import sys
from collections.abc import Sequence

from text2sql_lightning import __version__
from text2sql_lightning.commands.config_checks import wants_unsloth
from text2sql_lightning.commands.console import HELP_PAGE, run_command


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; mistakes of the user end with one line on stderr and exit code 2.

    Args:
        args: The command line without the program's name; None for this process's.

    Returns:
        The exit code.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    if arguments in (["--version"], ["version"]):
        sys.stdout.write(f"text2sql_lightning {__version__}\n")
        return 0
    if arguments in (["--help"], ["-h"], ["help"]):
        sys.stdout.write(HELP_PAGE)
        return 0
    if arguments[:1] == ["ask"]:  # it has no trainer: LightningCLI is not for it
        from text2sql_lightning.commands.ask import main as ask

        return ask(arguments[1:])
    if arguments[:1] == ["estimate"]:
        from text2sql_lightning.commands.estimate import main as estimate

        return estimate(arguments[1:])
    return run_command(lambda: _run(arguments, from_shell=args is None))


def _run(arguments: list[str], from_shell: bool) -> int:
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads die in forked workers, with a warning each
    if wants_unsloth(arguments):
        from text2sql_lightning.modeling.backends.unsloth import import_unsloth

        import_unsloth()
    from text2sql_lightning.commands.cli import run

    run(None if from_shell else arguments)
    return 0


if __name__ == "__main__":
    sys.exit(main())
