"""What every command shares: parsing of flags, and exit codes (0, 2 for a mistake of the user's, 130 for Ctrl-C)."""

import ctypes
import errno
import logging
import os
import signal
import sys
import warnings
from argparse import Action, ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from subprocess import Popen, TimeoutExpired
from typing import Final, NoReturn

from text2sql_lightning.errors import Text2SQLError, hide_passwords

USER_ERROR: Final = 2
INTERRUPTED: Final = 130
_LONGEST: Final = 1000

_GRACE_S: Final = 5.0
"""For a stage that is stopped to write down that it was."""
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)  # loaded here: nothing may be between fork and exec

_SYSTEM_PROBLEMS: Final = {
    errno.ENOSPC: "no space left on the disk; free some or write elsewhere",
    errno.EDQUOT: "the disk quota is used up; free some space or write elsewhere",
    errno.EACCES: "no permission; change it or choose another place",
    errno.EPERM: "no permission; change it or choose another place",
    errno.EROFS: "the disk is read-only; choose another place",
    errno.ENOENT: "no such file or folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EISDIR: "a folder stands where a file is expected",
    errno.ENOTEMPTY: "the folder is not empty",
    errno.EEXIST: "a file stands where a folder is expected",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EBUSY: "in use by another program",
}


def run_command(main: Callable[[], int | None]) -> int:
    """Run a command and turn what went wrong into one line on stderr and an exit code.

    Args:
        main: The command. None counts as 0.

    Returns:
        What the command returned; 2 for a Text2SQLError and for a file that cannot be read or written; 130 after
        Ctrl-C. Anything else is a bug and keeps its traceback.
    """
    try:
        return main() or 0
    except Text2SQLError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except OSError as error:
        if error.errno not in _SYSTEM_PROBLEMS:
            raise
        place = error.filename2 or error.filename
        return _fail(f"{f'{place}: ' if place else ''}{_SYSTEM_PROBLEMS[error.errno]}")


class OneLineParser(ArgumentParser):
    """An argument parser that answers a mistake with one line instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        """Print the mistake and leave with exit code 2.

        Args:
            message: What is wrong.
        """
        self.exit(_fail(f"{message} (see {self.prog} --help)"))


class _ShowsDefaults(ArgumentDefaultsHelpFormatter):
    def _get_help_string(self, action: Action) -> str | None:
        bare = action.default is None or action.default is False or action.default == []
        return action.help if bare else super()._get_help_string(action)


@dataclass(frozen=True)
class Command:
    """A command that parses flags, runs and returns an exit code: `main = Command("text2sql build", ...)`.

    Attributes:
        name: How it is called.
        description: What it does, for `--help`.
        add_flags: Adds its flags to a parser.
        run: Does the work; what it returns is the exit code, None for 0.
    """

    name: str
    description: str | None
    add_flags: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int | None]

    def parser(self) -> OneLineParser:
        """The parser of its flags."""
        parser = OneLineParser(
            prog=self.name, description=self.description, formatter_class=_ShowsDefaults, allow_abbrev=False
        )
        self.add_flags(parser)
        return parser

    def __call__(self, argv: Sequence[str] | None = None) -> int:
        """Parse arguments (those of the process when None), run, and return the exit code."""
        args = self.parser().parse_args(argv)
        return run_command(lambda: self.run(args))


def shortened(message: str) -> str:
    """Cut the middle out of a very long message: a parser quotes whole values."""
    return message if len(message) <= _LONGEST else f"{message[:700]} ... {message[-280:]}"


def _fail(message: str) -> int:
    print(f"error: {shortened(hide_passwords(' '.join(message.split())))}", file=sys.stderr)
    return USER_ERROR


def quiet_libraries() -> None:
    """Drop messages of libraries that a user can do nothing about."""
    logging.getLogger("lightning.fabric.utilities.seed").setLevel(logging.WARNING)  # the configuration says it
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)  # an optional kernel from the hub
    tips = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    tips.addFilter(lambda record: "litlogger" not in record.getMessage())
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter is intended.*")
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")  # output folders are claimed


def run_child(command: list[str]) -> int:
    """Run a command and return its exit code; what stops this process stops the command and all that it started.

    The command leads a session, so that signals reach it once: from here, and not from the terminal too. On Linux the
    kernel stops it where this process is killed without a chance to.
    """
    with Popen(command, start_new_session=True, preexec_fn=_stops_with_parent) as child:
        try:
            return child.wait()
        except BaseException:  # KeyboardInterrupt, and SystemExit by `exit_on_signals`
            for number, seconds in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, None)):
                with suppress(ProcessLookupError, PermissionError, TimeoutExpired):
                    os.killpg(child.pid, number)
                    child.wait(seconds)
            raise


def _stops_with_parent() -> None:
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def exit_on_signals() -> None:
    """Make the signals that end a process raise SystemExit, so that its `finally` blocks run."""

    def leave(number: int, frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, leave)
