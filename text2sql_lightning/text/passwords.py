"""Passwords in messages: what a user typed may be a URL with one, wherever it was typed."""

import re
from typing import Final

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
