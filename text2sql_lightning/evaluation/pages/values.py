"""Numbers and values as people read them."""

from collections.abc import Sequence
from typing import Any, Final

_LONGEST: Final = 48
_WORDS: Final = {
    "timeout": "too slow", "empty": "no SQL in the answer", "too_large": "result too large",
    "gold_failed": "gold does not run", "crashed": "crashed SQLite", "other": "other error",
}  # fmt: skip


def share_text(value: float | None) -> str:
    """Write a share with three decimals; a dash where there is none."""
    return "-" if value is None else f"{value:.3f}"


def interval_text(interval: Sequence[float] | None) -> str:
    """Write an interval."""
    return "-" if interval is None else f"{interval[0]:.3f} - {interval[1]:.3f}"


def error_text(name: str) -> str:
    """Give an error class in words."""
    return _WORDS.get(name, name.replace("_", " "))


def value_text(value: Any) -> str:
    """Write a value of a result on one short line."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = " ".join(printable(str(value)).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def printable(text: str) -> str:
    """Replace what no page can hold: control characters but for tab and newline, and halves of surrogate pairs."""
    return "".join(_safe(character) for character in text)


def _safe(character: str) -> str:
    code = ord(character)
    is_control = (code < 32 and character not in "\t\n") or 127 <= code < 160
    # The second part turns the direction of text or joins it, so that SQL would not look like what it is.
    is_deceptive = code in range(0x200B, 0x2010) or code in range(0x202A, 0x202F) or code in range(0x2066, 0x206A)
    return "\ufffd" if is_control or is_deceptive or 0xD800 <= code < 0xE000 or code in (0xFFFE, 0xFFFF) else character
