"""SQL text as tokens, read the way SQLite reads it; never fails, whatever the text."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal, NamedTuple

TokenKind = Literal["word", "number", "string", "quoted", "name", "symbol", "comment", "fence"]


def keywords(text: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(text.split())


class Token(NamedTuple):
    """One piece of SQL text.

    Attributes:
        kind: `string` is 'text', `quoted` is "a name or text", `name` is `a name` or [a name], `fence` is three or more
            backticks, as around a model's answer.
        text: The piece as written, quotes included.
        start: Offset of its first character.
    """

    kind: TokenKind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Offset after its last character."""
        return self.start + len(self.text)

    @property
    def is_closed(self) -> bool:
        """Whether a `string`, `quoted` or `name` token ends with its own closing quote."""
        if self.text[0] == "[":
            return self.text[-1] == "]"
        # Inside, quotes come in pairs only; so the two outer ones make the total even.
        return len(self.text) > 1 and self.text[-1] == self.text[0] and self.text.count(self.text[0]) % 2 == 0

    @property
    def value(self) -> str:
        """The text between the quotes, with doubled quotes undone; the text itself where there are none."""
        if self.kind not in ("string", "quoted", "name"):
            return self.text
        quote = self.text[0]
        closing = "]" if quote == "[" else quote
        inner = self.text[1:-1] if len(self.text) > 1 and self.text.endswith(closing) else self.text[1:]
        return inner if quote == "[" else inner.replace(quote * 2, quote)

    def is_word(self, *words: str) -> bool:
        """Whether this is one of these keywords (given in upper case)."""
        return self.kind == "word" and self.text.upper() in words


# To SQLite every character beyond ASCII is a letter. A word that starts with a digit or with $ is not SQL,
# but such column names occur in the data, and they must come out in one piece to be quoted.
_LETTER: Final = r"A-Za-z0-9_$\x80-\U0010ffff"
_LONGEST_KEPT: Final = 10_000
_TOKEN: Final = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))"
    r"|(?P<fence>`{3,})"
    r"|(?P<string>'(?:[^']++|'')*+'?+)"
    r'|(?P<quoted>"(?:[^"]++|"")*+(?:"|\Z))'
    r"|(?P<name>`(?:[^`]++|``)*+(?:`|\Z)|\[[^\]]*(?:\]|\Z))"
    rf"|(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![{_LETTER}])|0[xX][0-9a-fA-F]+(?![{_LETTER}]))"
    rf"|(?P<word>[{_LETTER}]+)"
    r"|(?P<symbol><>|<=|>=|!=|==|\|\||<<|>>|->>|->|\S)",
    re.DOTALL,
)


def iter_tokens(text: str, start: int = 0) -> Iterator[Token]:
    """Yield the tokens of a text from an offset on, comments included."""
    for match in _TOKEN.finditer(text, start):
        yield Token(match.lastgroup, match.group(), match.start())  # type: ignore[arg-type]


def tokenize(text: str) -> list[Token]:
    """Return the tokens of a text without its comments."""
    return list(_tokens(text)) if len(text) <= _LONGEST_KEPT else list(_tokens.__wrapped__(text))


@lru_cache(maxsize=16)  # a query is looked at from many sides, one after the other
def _tokens(text: str) -> tuple[Token, ...]:
    return tuple(token for token in iter_tokens(text) if token.kind != "comment")


def is_top_level_ordered(sql: str) -> bool:
    """Whether the order of the result's rows is asked for: ORDER BY outside every bracket and every string."""
    depth = 0
    tokens = tokenize(sql)
    for token, following in pairwise(tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.is_word("ORDER") and following.is_word("BY"):
            return True
    return False


RESERVED: Final = keywords(
    """ADD ALL ALTER AND AS AUTOINCREMENT BETWEEN CASE CAST CHECK COLLATE COMMIT CONSTRAINT CREATE CURRENT_DATE
    CURRENT_TIME CURRENT_TIMESTAMP DEFAULT DEFERRABLE DELETE DISTINCT DROP ELSE ESCAPE EXCEPT EXISTS FOREIGN FROM
    GROUP HAVING IF IN INDEX INSERT INTERSECT INTO IS ISNULL JOIN LIMIT NOT NOTHING NOTNULL NULL ON OR ORDER PRIMARY
    RAISE REFERENCES RETURNING SELECT SET TABLE THEN TO TRANSACTION UNION UNIQUE UPDATE USING VALUES WHEN
    WHERE"""
)
"""The words that SQLite does not take as a name without quotes (tried one by one with SQLite 3.40)."""

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_$\x80-\U0010ffff]*")


def quote_name(name: str) -> str:
    """Return a table's or column's name as SQL wants it: in double quotes only where it needs them."""
    if _PLAIN_NAME.fullmatch(name) and name.upper() not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'
