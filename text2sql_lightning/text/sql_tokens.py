"""Cut SQL text into tokens, as SQLite reads quotes and comments; never fails, whatever the text is."""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, cast

TokenKind = Literal["space", "comment", "fence", "string", "quoted", "word", "number", "symbol"]

# Possessive quantifiers (`*+`) keep the scan linear: an unclosed quote is read once and never retried.
_TOKEN: Final = re.compile(
    r"""
    (?P<space>\s++)
  | (?P<comment>--[^\n]*+ | /\*(?:[^*]++|\*(?!/))*+(?:\*/)?+)
  | (?P<fence>`{3,}+)
  | (?P<string>'(?:[^']++|'')*+'?+)
  | (?P<quoted>"(?:[^"]++|"")*+"?+ | `(?:[^`]++|``)*+`?+ | \[[^\]]*+\]?+)
  | (?P<number>(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+-]?\d++)?+)
  | (?P<word>\w[\w$]*+)
  | (?P<symbol>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """A piece of SQL text: `text[start:end]`.

    `string` is a '...' literal, `quoted` one of "...", `...` and [...], `fence` three or more backticks,
    `symbol` a single character that is nothing else.
    """

    kind: TokenKind
    start: int
    end: int


def scan(text: str, start: int = 0) -> Iterator[Token]:
    """Yield the tokens of a text from left to right; together they cover it without a gap.

    A doubled quote inside a quoted token belongs to it, and a quote or comment that is never closed runs to the end.

    Args:
        text: Any text.
        start: Index of the first character to read.

    Yields:
        One token after the other.
    """
    for match in _TOKEN.finditer(text, start):
        yield Token(cast("TokenKind", match.lastgroup), match.start(), match.end())


def is_closed(piece: str) -> bool:
    """Tell whether a `string` or `quoted` token ends with its own closing quote.

    Args:
        piece: The token's text, with its quotes.

    Returns:
        False when the text ran out before the quote was closed.
    """
    if piece[0] == "[":
        return piece[-1] == "]"
    # Inside, quotes come in pairs only; so the two outer ones make the total even.
    return len(piece) > 1 and piece[-1] == piece[0] and piece.count(piece[0]) % 2 == 0
