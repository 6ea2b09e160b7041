"""How a command ends: 0 for success, 2 for a mistake of the user's, 130 for Ctrl-C."""

import errno
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Final, NoReturn

from text2sql_lightning.errors import Text2SQLError
from text2sql_lightning.text.passwords import hide_passwords

USER_ERROR: Final = 2
INTERRUPTED: Final = 130
_LONGEST: Final = 1000

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


def shortened(message: str) -> str:
    """Give a message without its middle where it is very long: a parser quotes whole values."""
    return message if len(message) <= _LONGEST else f"{message[:700]} ... {message[-280:]}"


def _fail(message: str) -> int:
    print(f"error: {shortened(hide_passwords(' '.join(message.split())))}", file=sys.stderr)
    return USER_ERROR
