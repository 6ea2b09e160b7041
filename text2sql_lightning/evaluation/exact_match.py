"""Exact match: the same text, but for what SQL does not look at."""

from text2sql_lightning.sql.tokens import Token, tokenize


def normalized_exact_match(gold: str, predicted: str) -> bool:
    """Whether two queries are the same text but for spaces, comments, letter case of keywords and names, the kind of
    quotes, and a semicolon at the end. What stands inside quotes must be equal to the letter.

    Text in double quotes is text here, as in most gold queries, so `"Rock"` equals `'Rock'`; names in backticks or
    square brackets equal names without.
    """  # noqa: D205
    return _normalized(gold) == _normalized(predicted)


def _normalized(sql: str) -> list[tuple[bool, str]]:
    pieces = [_piece(token) for token in tokenize(sql)]
    while pieces and pieces[-1] == (False, ";"):
        pieces.pop()
    return pieces


def _piece(token: Token) -> tuple[bool, str]:
    """Return whether a token is text, and what is compared of it."""
    if token.kind in ("string", "quoted"):
        return True, token.value
    return False, token.value.lower()
