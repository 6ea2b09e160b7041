"""LIKE and GLOB that cannot blow up.

SQLite matches `%a%a%a%b` by trying every way to place the parts, which takes forever on a long text, and it looks at
no deadline meanwhile. For a query with many wildcards, `like` and `glob` are replaced by ones that place each part
once, as far left as it goes: the same answers, in time proportional to the text for each part.
"""

import re
import sqlite3
from functools import lru_cache
from typing import Final, TypeAlias

_Value: TypeAlias = int | float | str | bytes | None
_Parts: TypeAlias = tuple[tuple[re.Pattern[str], int], ...]

_ORDINARY: Final = 4
_MAX_PATTERN: Final = 5_000
_MAX_WORK: Final = 1_000_000_000
_TO_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def has_many_wildcards(sql: str) -> bool:
    """Whether a query has more wildcards than ordinary ones have; only then is the slower matching worth it."""
    return sql.count("%") + sql.count("*") + sql.count("||") > _ORDINARY


def guard_patterns(connection: sqlite3.Connection) -> None:
    """Replace a connection's `like` and `glob` by ones whose time is bounded."""
    connection.create_function("like", 2, like, deterministic=True)
    connection.create_function("like", 3, like, deterministic=True)
    connection.create_function("glob", 2, _glob, deterministic=True)


def like(pattern: _Value, text: _Value, escape: _Value = "") -> int | None:
    """Answer LIKE as SQLite does: 1, 0, or None where NULL is involved."""
    if pattern is None or text is None or escape is None:
        return None
    if isinstance(pattern, bytes) or isinstance(text, bytes):
        return 0
    escape = _text(escape) if not isinstance(escape, bytes) else ""
    return int(_matches(_like_parts(_text(pattern), escape), _text(text).translate(_TO_LOWER)))


def _glob(pattern: _Value, text: _Value) -> int | None:
    if pattern is None or text is None:
        return None
    if isinstance(pattern, bytes) or isinstance(text, bytes):
        return 0
    parts = _glob_parts(_text(pattern))
    return int(parts is not None and _matches(parts, _text(text)))


def _text(value: float | str) -> str:
    """Return a value as SQLite turns it into text; SQLite's patterns end at the first NUL."""
    if isinstance(value, str):
        return value.split("\0", 1)[0]
    if isinstance(value, int):
        return str(value)
    digits = f"{value:.15g}"
    mantissa, e, exponent = digits.partition("e")
    return (mantissa if "." in mantissa else mantissa + ".0") + e + exponent


def _matches(parts: _Parts | None, text: str) -> bool:
    """Match parts that an any-length wildcard stands between: the first at the start, the last at the end."""
    if parts is None:
        return False
    if len(text) * max(length for _, length in parts) > _MAX_WORK:
        raise OverflowError("pattern and text too long")
    (first, head), (last, tail) = parts[0], parts[-1]
    if len(parts) == 1:
        return len(text) == head and first.match(text) is not None
    at, end = head, len(text) - tail
    if at > end or not first.match(text) or not last.match(text, end):
        return False
    for part, length in parts[1:-1]:
        found = part.search(text, at, end)
        if found is None:
            return False
        at = found.start() + length
    return True


@lru_cache(256)
def _like_parts(pattern: str, escape: str) -> _Parts | None:
    if len(pattern) > _MAX_PATTERN:
        raise OverflowError("pattern too long")
    parts: list[list[str]] = [[]]
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            following = next(characters, None)
            if following is None:
                return None
            parts[-1].append(re.escape(following.translate(_TO_LOWER)))
        elif character == "%":
            parts.append([])
        else:
            parts[-1].append("." if character == "_" else re.escape(character.translate(_TO_LOWER)))
    return _compile(parts)


@lru_cache(256)
def _glob_parts(pattern: str) -> _Parts | None:
    if len(pattern) > _MAX_PATTERN:
        raise OverflowError("pattern too long")
    parts: list[list[str]] = [[]]
    at = 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "*":
            parts.append([])
        elif character == "?":
            parts[-1].append(".")
        elif character == "[":
            # A bracket right behind the opening one, or behind its ^, is a member of the set.
            end = pattern.find("]", at + 1 + pattern.startswith("^", at))
            if end < 0:
                return None
            negated = pattern.startswith("^", at)
            parts[-1].append(_character_set(pattern[at + negated : end], negated=negated))
            at = end + 1
        else:
            parts[-1].append(re.escape(character))
    return _compile(parts)


def _character_set(members: str, *, negated: bool) -> str:
    ranges: list[str] = []
    at = 0
    while at < len(members):
        if at + 2 < len(members) and members[at + 1] == "-":
            low, high = members[at], members[at + 2]
            ranges.append(re.escape(low) + (f"-{re.escape(high)}" if low <= high else ""))
            at += 3
        else:
            ranges.append(re.escape(members[at]))
            at += 1
    if not ranges:
        return "." if negated else "(?!)."
    return f"[{'^' if negated else ''}{''.join(ranges)}]"


def _compile(parts: list[list[str]]) -> _Parts:
    return tuple((re.compile("".join(part), re.DOTALL), len(part)) for part in parts)
