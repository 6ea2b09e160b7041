"""SQL text in the pieces that Spider's rules were written for: those of a tokenizer for English.

The official script splits SQL with NLTK's word_tokenize, and whether a prediction can be read depends on that: `a = 1`
and `a >= 1` can be, `a=1`, `a >=1` and `a <> 1` cannot. tokens.py reads SQL as SQLite does; this file as Spider does.
"""

import re
from typing import Final

MAX_CHARACTERS: Final = 1_000_000
"""Longer text is not read: it would cost memory, and no query to compare with is as long."""


class GrammarError(ValueError):
    """Text that Spider's restricted grammar does not cover."""


_CLOSING: Final = r"\])}>\xbb\u201d\u2019\s"
_ALONE: Final = r";@#$%&?!*()\[\]{}<>\xab\xbb\u2018\u2019\u201c-\u201e\u2012-\u2015"
_PIECE: Final = re.compile(
    rf"[{_ALONE}]|`+|\.{{2,}}|--|[:,](?!\d)"
    rf"|\.(?=[{_CLOSING}]*\Z)"  # the full stop of the text
    rf'|(?:"[^"]*"|[^\s"`.:,\-{_ALONE}]|\.(?!\.|[{_CLOSING}]*\Z)|-(?!-)|[:,](?=\d))+'
)
_SLANG: Final = re.compile(r"\b(?:(can)(not)|(gim|lem)(me)|(gon)(na)|(got)(ta)|(wan)(na)(?=\Z))\b")
_BEHIND: Final = re.compile(r"(?:\s+|(?=[)}\]*:@({\[!?;][^\s.!?]*(?:\s|[.!?]*\Z)))(?P<following>\S)")
"""What can stand behind the end of a sentence: space, or punctuation and, up to the next space, no other full stop."""
_NUMBER: Final = re.compile(r"-?[\d.,]*\d")


def spider_tokens(sql: str) -> list[str]:
    """Split a query: words in lower case, text in double quotes whatever its quotes were, symbols.

    Text that touches a word (`a='x'`, `'it''s'`) makes a token that is neither a name nor text.

    Raises:
        GrammarError: When a quote is not closed, or the text is too long to be looked at.
    """
    if len(sql) > MAX_CHARACTERS:
        raise GrammarError(f"more than {MAX_CHARACTERS} characters")
    text = sql.replace("'", '"')
    if text.count('"') % 2:
        raise GrammarError("a quote is not closed")
    tokens: list[str] = []
    for match in _PIECE.finditer(text):
        token = _token(match)
        if token == "=" and tokens and tokens[-1] in ("!", ">", "<"):
            tokens[-1] += "="
        elif token.endswith(".") and _ends_sentence(token, text, match.end()):
            tokens += [token[:-1], "."]
        elif _SLANG.search(token) and not token.startswith('"'):
            tokens += _SLANG.sub(_spread, token).split()
        else:
            tokens.append(token)
    return tokens


def _spread(match: re.Match[str]) -> str:
    """Take apart what an English tokenizer knows as two words, as in "cannot"."""
    return " ".join(part for part in match.groups() if part)


def _token(match: re.Match[str]) -> str:
    piece = match.group()
    if '"' not in piece:
        return piece.lower()
    if piece.startswith('"') and piece.find('"', 1) == len(piece) - 1:
        return piece
    return f"\0{match.start()}"  # equal to no name, and to no other such token


def _ends_sentence(token: str, text: str, end: int) -> bool:
    """Whether the tokenizer, which looks for sentences first, takes the full stop behind a word for the end of one.

    NLTK's model knows abbreviations as well; here only single letters and numbers can be followed by one.
    """
    stem = token[:-1]
    behind = _BEHIND.match(text, end)
    if not stem or stem.endswith(".") or not behind:
        return False
    if len(stem) == 1 and stem.isalpha():
        return False
    following = behind["following"]
    return not (_NUMBER.fullmatch(stem) and (following.islower() or following in ";:,.!?"))
