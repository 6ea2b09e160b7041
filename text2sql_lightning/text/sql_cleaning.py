"""From what a model wrote to one SQL statement.

Models wrap SQL in code fences and sentences, go on with a second statement or repeat the prompt's headings. A statement
is looked for at each SELECT and each WITH; one left-to-right pass over its tokens finds where it ends, or that it was
only a sentence with the word "select" in it.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple, cast

from text2sql_lightning.text.sql_tokens import Token, TokenKind, iter_tokens, keywords

_START: Final = re.compile(r"(?<![\w$.@])(?:select|(with)(?=\s))(?![\w$])", re.IGNORECASE)
_WITH_HEAD: Final = re.compile(
    r"""with\s++(?:recursive\s++)?(\w++|"\w++"|`\w++`)\s*+(?:\(\s*+\w++(?:\s*+,\s*+\w++)*+\s*+\)\s*+)?
        as\s*+(?:(?:not\s++)?materialized\s*+)?\(""",
    re.IGNORECASE | re.VERBOSE,
)
_LEAD: Final = re.compile(
    r"(?:\s++|--[^\n]*+(?:\n|\Z)|`{3,}+[ \t]*+\w*+[ \t]*+(?:\n|(?=select\b|with\b)))*+", re.IGNORECASE
)
_PASSES: Final = 4
_VALUES: Final = ("word", "number", "string", "quoted", "name")
_BLANK_LINE: Final = re.compile(r"\n[ \t\r]*+\n")
_NEXT_WORD: Final = re.compile(r"[ \t]*+(?:([^\W\d]\w*+)|(:)(?!\w))")
_BROKEN_END: Final = re.compile(r"\n[ \t\r]*+(?:\n|```|###)")

# What SQL reads as one piece and an English sentence as several: `1SELECT`, a no-break space, `<>`.
_PROSE: Final = re.compile(r"(?P<number>\d++(?:[eE][+-]?\d++)?+)|(?P<word>\w[\w$]*+)|(?P<symbol>\S)")

# Words that go on with a statement after a complete expression, so a line may begin with them.
_CONTINUATION: Final = keywords(
    """AND AS ASC BETWEEN BY COLLATE CROSS DESC DIV ELSE END ESCAPE EXCEPT FETCH FILTER FOR FROM FULL GLOB GROUP HAVING
    ILIKE IN INDEXED INNER INTERSECT IS ISNULL JOIN LATERAL LEFT LIKE LIMIT MATCH MINUS MOD NATURAL NOT NOTNULL NULLS
    OFFSET ON OR ORDER OUTER OVER PARTITION QUALIFY REGEXP RIGHT RLIKE THEN UNION USING WHEN WHERE WINDOW XOR"""
)
# Of these, "In" or "As" after an empty line begins a sentence unless the statement spells its keywords that way.
_SENTENCE_STARTERS: Final = keywords("AND AS BETWEEN END FOR FULL IN IS LIKE NOT ON OR THEN USING WHEN")
_VALUE_WORDS: Final = keywords("ASC DESC END ISNULL NOTNULL NULL TRUE FALSE FIRST LAST")
_OPENING_WORDS: Final = keywords("ALL CASE CAST DISTINCT EXISTS NOT NULL")
_BEFORE_SELECT: Final = keywords("ALL AS EXCEPT INTERSECT MINUS UNION")
# "select the name from" reads as SQL, `the AS name`, but nobody means it.
_DETERMINERS: Final = keywords("a all an any each every its my only our that the their these this those which your")


def ensure_sql_only(text: str) -> str:
    """Reduce a model's answer to one SQL statement.

    Code fences, prose before and after, a following `###` section and everything after the first top-level `;` go.
    Text in quotes is never altered. Applying it twice changes nothing, and it never raises.

    Args:
        text: What a model wrote, or a query of a dataset.

    Returns:
        The statement without surrounding white space and without `;`, or an empty string when there is none.
    """
    for _ in range(_PASSES):
        start, cut = _find_statement(text)
        statement = text[start : cut.end] if cut else ""
        if statement == text:
            return statement
        text = statement
    return ""  # text built to look different after every pass holds no statement


def is_complete(text: str) -> bool:
    """Return whether the statement has ended, so that generation may stop.

    Then `ensure_sql_only(text + more)` equals `ensure_sql_only(text)` for every `more`.

    Args:
        text: What a model wrote so far.
    """
    cut = _find_statement(text)[1]
    return cut is not None and cut.firm


def _find_statement(text: str) -> "tuple[int, _Cut | None]":
    lead = _LEAD.match(text)
    lead_end = lead.end() if lead else 0
    fallback: tuple[int, _Cut] | None = None
    position, counted, fences = 0, 0, 0
    while match := _START.search(text, position):
        start = match.start()
        position = match.end()
        if (match[1] and not _WITH_HEAD.match(text, start)) or _is_quoted_word(text, match):
            continue
        fences += text.count("```", counted, start)
        counted = start
        reader = _StatementReader(text, start, trusted=start == lead_end and match[0].isupper(), fenced=fences % 2 == 1)
        cut = reader.read()
        if not cut.prose:
            return start, cut
        if fallback is None and (start == lead_end or cut.has_from):
            fallback = start, cut
        position = max(position, cut.resume)
    if fallback is None:
        return 0, None
    # Nothing better followed: the doubtful candidate it is, up to where a statement would certainly end.
    start = fallback[0]
    return start, _StatementReader(text, start, trusted=True, fenced=True).read()._replace(firm=False)


def _is_quoted_word(text: str, match: re.Match[str]) -> bool:
    """Spot a sentence about the keyword: "select", `SELECT`, **SELECT**."""
    before = text[match.start() - 1 : match.start()] if match.start() else ""
    return before in ('"', "'", "`", "*") and text.startswith(before, match.end())


class _Cut(NamedTuple):
    """How the reading of a candidate ended: `text[start:end]` is it, unless it was prose.

    `firm` says that no text appended behind can change this; `resume` is where to look for the next candidate.
    """

    end: int
    prose: bool
    firm: bool
    resume: int
    has_from: bool


class _StatementReader:
    """One pass over the tokens of a candidate: where it ends, or that it was only a sentence."""

    def __init__(self, text: str, start: int, *, trusted: bool, fenced: bool) -> None:
        self.text, self.start = text, start
        self.trusted, self.fenced = trusted, fenced
        first = re.match(r"\w+", text[start : start + 6])
        self.first_word = first[0] if first else ""
        self.inline = text.endswith("`", 0, start) and not text.endswith("```", 0, start)
        self.select_expected = self.first_word.upper() == "WITH"
        self.depth = 0
        self.has_from = False
        self.opening: list[str] = []  # the first pieces after SELECT: they tell a query from a sentence
        self.ends = [start + len(self.first_word)] * 2  # where the last two significant tokens end
        self.previous = self.first_word.upper()
        self.previous_kind = "keyword"

    @property
    def credible(self) -> bool:
        """Whether a statement is expected here, or it is written in capitals."""
        return self.trusted or (self.has_from and self.first_word.isupper())

    def read(self) -> _Cut:
        """Read to the end of the statement, to the first sign of prose, or to the end of the text."""
        for token in self._significant_tokens():
            cut = self._hard_end(token) or self._soft_end(token) or self._prose(token)
            if cut:
                return cut
            self._advance(token)
        return self._cut(self.ends[-1], len(self.text), firm=False)

    def _significant_tokens(self) -> Iterator[Token]:
        for token in iter_tokens(self.text, self.ends[-1]):
            if token.kind in ("word", "symbol"):
                for part in _PROSE.finditer(token.text):
                    yield Token(cast("TokenKind", part.lastgroup), part[0], token.start + part.start())
            elif token.kind != "comment":
                yield token

    def _cut(self, end: int, resume: int, *, firm: bool, prose: bool = False) -> _Cut:
        return _Cut(end, prose, firm and not prose, resume, self.has_from)

    def _sentence(self, resume: int) -> _Cut:
        return self._cut(self.start, resume, firm=False, prose=True)

    def _hard_end(self, token: Token) -> _Cut | None:
        """End at what can never be part of a statement: `;`, a fence, `###`, a closing bracket too many."""
        text, start = self.text, token.start
        character = text[start]
        fence = token.kind == "fence"
        if self.inline and character == "`":
            fence = False
        elif not (
            fence
            or character == ";"
            or (character == ")" and self.depth == 0)
            or (character == "#" and (text.startswith("###", start) or (self.depth == 0 and self._on_new_line(token))))
        ):
            return None
        if not self.opening and not self.trusted:
            return self._sentence(start)
        if fence and not self.fenced and not self.credible:
            return self._sentence(start)  # this fence opens the block with the real statement
        return self._cut(self.ends[-1], start, firm=True)

    def _soft_end(self, token: Token) -> _Cut | None:
        """End before a second statement or before prose on a new line."""
        if self.depth:
            return None
        if token.is_word("SELECT") and self._is_second_select():
            louder = token.text.isupper() and not self.first_word.isupper() and not self._on_new_line(token)
            if louder or not self.opening:
                return self._sentence(token.start)
            return self._cut(self.ends[-1], token.start, firm=token.end < len(self.text))
        return self._prose_line(token)

    def _is_second_select(self) -> bool:
        if self.select_expected and self.previous == ")":
            self.select_expected = False
            return False
        return self.previous not in _BEFORE_SELECT

    def _prose_line(self, token: Token) -> _Cut | None:
        piece, gap = token.text, self.text[self.ends[-1] : token.start]
        if not self._ends_expression() or ("\n" not in gap and not gap.startswith(". ")):
            return None
        blank_line = _BLANK_LINE.search(gap) is not None
        cut = self._cut(self.ends[-1], token.start, firm=token.end < len(self.text))
        if token.kind == "symbol":
            return cut if blank_line and piece in "-*>" else None  # a list or a quotation
        if token.kind not in ("word", "number") or self._continues(piece, after_blank_line=blank_line):
            return None
        if blank_line:
            return cut
        following = _NEXT_WORD.match(self.text, token.end)
        if not following or (following[1] and self._continues(following[1], after_blank_line=False)):
            return None
        return cut._replace(firm=following.end() < len(self.text))

    def _continues(self, word: str, *, after_blank_line: bool) -> bool:
        upper = word.upper()
        like_a_sentence = after_blank_line and word.istitle() and not self.first_word.istitle()
        return upper in _CONTINUATION and not (like_a_sentence and upper in _SENTENCE_STARTERS)

    def _ends_expression(self) -> bool:
        return self.previous_kind in _VALUES or self.previous in _VALUE_WORDS or self.previous == ")"

    def _on_new_line(self, token: Token) -> bool:
        return "\n" in self.text[self.ends[-1] : token.start]

    def _prose(self, token: Token) -> _Cut | None:
        """Notice that the candidate is a sentence."""
        text = self.text
        if text[token.start] == ":" and text[token.end : token.end + 1].isspace():
            if not self.credible:
                return self._sentence(token.end)
            if self.previous_kind == "word":
                return self._cut(self.ends[-2], token.end, firm=True)
        if self.trusted or len(self.opening) > 2:
            return None
        return self._sentence(token.start) if self._is_sentence_opening(token) else None

    def _is_sentence_opening(self, token: Token) -> bool:
        piece = token.text
        word = token.kind == "word" and piece.upper() not in _CONTINUATION
        if not self.opening:
            return piece in ",.:!?" or piece.upper() in _CONTINUATION
        bare = [part for part in self.opening if part.isidentifier() and part.upper() not in _OPENING_WORDS]
        if len(bare) < len(self.opening):
            return False
        if len(self.opening) == 1:
            return token.kind == "string" or (word and bare[0].lower() in _DETERMINERS)
        return bare[1].upper() not in _CONTINUATION and piece.upper() != "FROM" and piece != ","

    def _advance(self, token: Token) -> None:
        piece, end, upper = token.text, token.end, token.text.upper()
        self.depth += (piece == "(") - (piece == ")")
        if token.kind in ("string", "quoted", "name") and not token.is_closed:
            # A quote that is never closed is no literal: a heading below it is not swallowed.
            broken = _BROKEN_END.search(piece)
            end = token.start + len((piece[: broken.start()] if broken else piece).rstrip())
        self.has_from |= token.is_word("FROM") and self.depth == 0
        if len(self.opening) < 3 and upper not in ("DISTINCT", "ALL"):
            self.opening.append(piece)
        if piece == ".":
            return  # a full stop belongs to the statement only when something follows it
        keyword = token.kind == "word" and (upper in _CONTINUATION | _OPENING_WORDS | _VALUE_WORDS or upper == "SELECT")
        self.ends = [self.ends[-1], end]
        self.previous_kind = "keyword" if keyword else token.kind
        self.previous = upper
