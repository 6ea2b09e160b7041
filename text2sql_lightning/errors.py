"""The errors a user can cause, and what may be printed of an error."""

import re
from typing import Final


class Text2SQLError(Exception):
    """A mistake of the user's: one line that says what was given, what is allowed, what to do."""


class ConfigError(Text2SQLError, ValueError):
    """A setting, or a combination of settings, that cannot work."""


class DataError(Text2SQLError, ValueError):
    """A data file that is missing, unreadable, malformed or empty."""


class ModelError(Text2SQLError):
    """A base model or adapter that cannot be had, or cannot run here."""


class RunError(Text2SQLError):
    """A run or an output folder that cannot go on: refused, full, or a loss that is not finite."""


def missing_extra(what: str, package: str, extra: str, otherwise: str = "") -> ConfigError:
    """Return the error for a package that only an extra of this project installs.

    Args:
        what: What needs it, such as a flag.
        package: The package.
        extra: The extra of pyproject.toml.
        otherwise: What to do without it.
    """
    install = f"pip install 'text2sql_lightning[{extra}]'{otherwise and f', or {otherwise}'}"
    return ConfigError(f"{what} needs {package}, which is not installed: {install}")


_URL_PASSWORD: Final = re.compile(r"(:/{1,2}[^\s/@:]*):\S*@")
_NAMED_SECRET: Final = re.compile(
    r"((?:password|passwd|pwd|secret|access_token|auth_token|api_key)\s*[=:]\s*)[^\s&;,'\"]+", re.IGNORECASE
)


def hide_passwords(text: str) -> str:
    """Replace what looks like a password in a text: in `//user:password@host`, and behind `password=`.

    Args:
        text: A message that may have a URL in it.

    Returns:
        The text with `***` in place of passwords.
    """
    return _NAMED_SECRET.sub(r"\1***", _URL_PASSWORD.sub(r"\1:***@", text))
