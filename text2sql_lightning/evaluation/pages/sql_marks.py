"""Where two queries differ, word by word."""

from difflib import SequenceMatcher
from itertools import groupby
from typing import Final, NamedTuple

from text2sql_lightning.sql.tokens import Token, iter_tokens

_MOST_TOKENS: Final = 400


class Piece(NamedTuple):
    """A stretch of a query; `differs` when the other query has something else, or nothing, in its place."""

    text: str
    differs: bool


def mark_differences(sql: str, other: str) -> list[Piece]:
    """Cut a query into stretches that the other one has too and stretches that it has not.

    Letter case outside quotes, spaces, the kind of quotes and a semicolon at the end do not count. The texts of the
    pieces add up to `sql`. Very long queries come back as one piece: the comparison takes quadratic time.
    """
    own, theirs = _tokens(sql), _tokens(other)
    if not own or max(len(own), len(theirs)) > _MOST_TOKENS:
        return [Piece(sql, False)] if sql else []
    matcher = SequenceMatcher(None, [_key(token) for token in own], [_key(token) for token in theirs], autojunk=False)
    pieces: list[Piece] = []
    at = 0
    for operation, first, last, _, _ in matcher.get_opcodes():
        if operation == "insert" or first == last:
            continue
        start, end = own[first].start, own[last - 1].end
        pieces += [Piece(sql[at:start], False), Piece(sql[start:end], operation != "equal")]
        at = end
    return _joined([*pieces, Piece(sql[at:], False)])


def _joined(pieces: list[Piece]) -> list[Piece]:
    filled = [piece for piece in pieces if piece.text]
    return [
        Piece("".join(piece.text for piece in group), differs)
        for differs, group in groupby(filled, lambda piece: piece.differs)
    ]


def _tokens(sql: str) -> list[Token]:
    tokens = list(iter_tokens(sql))
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    return tokens


def _key(token: Token) -> str:
    return token.value if token.kind in ("string", "quoted") else token.value.lower()
