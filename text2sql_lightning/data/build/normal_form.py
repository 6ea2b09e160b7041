"""Questions and queries without what does not matter, to find the same one twice.

Of a question the words are left. Of a query the literals go, aliases become their tables, and formatting goes, which
includes the several ways to write one thing (`!=` and `<>`, `NOT a IN` and `a NOT IN`, `LIMIT 1, 2`).
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from text2sql_lightning.data.build.canonical_query import canonical_form
from text2sql_lightning.sql.tokens import Token, keywords, tokenize

_WORD: Final = re.compile(r"[^\W_]+")
_KEYWORDS: Final = keywords(
    """ALL AND AS ASC BETWEEN BY CASE CAST COLLATE CROSS DESC DISTINCT ELSE END EXCEPT EXISTS FROM FULL GLOB GROUP
    HAVING IN INNER INTERSECT IS ISNULL JOIN LEFT LIKE LIMIT NATURAL NOT NOTNULL NULL OFFSET ON OR ORDER OUTER OVER
    PARTITION RIGHT SELECT THEN UNION USING VALUES WHEN WHERE WINDOW WITH"""
)
_FROM_ENDS: Final = keywords("EXCEPT GROUP HAVING INTERSECT LIMIT ON ORDER SELECT UNION USING WHERE WINDOW")
_CLAUSES: Final = keywords("FROM GROUP HAVING LIMIT ON ORDER SELECT WHERE")
_CLAUSES_OF_NAMES: Final = keywords("FROM GROUP ORDER SELECT")
_SET_WORDS: Final = keywords("EXCEPT INTERSECT UNION")
_SILENT: Final = keywords("AS ASC INNER OUTER")
_COMPARISONS: Final = frozenset(["=", "==", "<>", "!=", "<", ">", "<=", ">="])
_BEFORE_NAME: Final = keywords("AS BY DISTINCT FROM JOIN ON SELECT")
_SPELLINGS: Final = {"!=": "<>", "==": "=", "offset": ","}
_LITERAL: Final = "?"


def question_words(text: str) -> list[str]:
    """Reduce a question to its words.

    Args:
        text: The question.

    Returns:
        The words in lower case, without punctuation.
    """
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def question_key(text: str) -> str:
    """Reduce a question to its letters and digits.

    Args:
        text: The question.

    Returns:
        A key that is equal for questions that differ in case, punctuation and white space alone.
    """
    return "".join(question_words(text))


@dataclass(frozen=True)
class NormalQuery:
    """A query's normal form.

    Attributes:
        tables: Names of its tables in lower case, sorted.
        columns: Names of its columns in lower case, sorted.
        canonical: The query in the spelling of `canonical_query`, in lower case, with `?` for every literal.
        skeleton: The same with `_` for every name.
        literal_words: The words of its text literals, to find them in the question.
    """

    tables: tuple[str, ...]
    columns: tuple[str, ...]
    canonical: str
    skeleton: str
    literal_words: frozenset[str]


def normal_query(sql: str) -> NormalQuery:
    """Reduce a query to its normal form.

    Args:
        sql: One statement. It need not be valid.

    Returns:
        The normal form; equal for queries that differ in literals, aliases and formatting alone.
    """
    tokens = tokenize(sql)
    scopes = _find_scopes(tokens)
    pieces = _move_not([piece for at, scope in enumerate(scopes) for piece in _pieces(tokens, at, scope)])
    tables = {table for scope in scopes for table in scope.tables}
    return NormalQuery(
        tables=tuple(sorted(tables)),
        columns=tuple(sorted({piece.text for piece in pieces if piece.is_name} - tables)),
        canonical=canonical_form([_unmistakable(piece) for piece in pieces]),
        skeleton=canonical_form(["_" if piece.is_name else piece.text for piece in pieces]),
        literal_words=frozenset(word for piece in pieces for word in question_words(piece.literal)),
    )


def _unmistakable(piece: "_Piece") -> str:
    """Keep a column that is called `order` apart from the keyword."""
    return f'"{piece.text}"' if piece.is_name and piece.text.upper() in _KEYWORDS else piece.text


@dataclass
class _Scope:
    """What one SELECT can see: its own tables, and its parent's."""

    parent: "_Scope | None"
    in_from: bool = False
    tables: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    hidden: set[int] = field(default_factory=set)  # positions of alias declarations
    clause: str = ""
    names: set[int] = field(default_factory=set)  # positions where double quotes hold a name

    def qualifier(self, name: str) -> str:
        """Return the table that a qualifier means, or nothing where there is only one it can be."""
        scope: _Scope | None = self
        while scope is not None and name not in scope.aliases and name not in scope.tables:
            scope = scope.parent
        if scope is None:
            return name
        return "" if scope is self and len(self.tables) == 1 else scope.aliases.get(name, name)


class _Piece(NamedTuple):
    text: str
    is_name: bool = False
    literal: str = ""


def _find_scopes(tokens: Sequence[Token]) -> list[_Scope]:
    """Give every token its scope; aliases are declared behind their first use, so this needs a pass of its own."""
    stack = [_Scope(None)]
    scopes = []
    for at, token in enumerate(tokens):
        if token.text == "(":
            opens_query = at + 1 < len(tokens) and tokens[at + 1].is_word("SELECT", "WITH", "VALUES")
            stack.append(_Scope(stack[-1]) if opens_query else stack[-1])
        elif token.text == ")" and len(stack) > 1:
            stack.pop()
        elif token.is_word(*_SET_WORDS):
            stack[-1] = _Scope(stack[-1].parent)
        scopes.append(stack[-1])
        _declare(tokens, at, stack[-1])
    return scopes


def _declare(tokens: Sequence[Token], at: int, scope: _Scope) -> None:
    """Note the table and the alias that follow a FROM, a JOIN, a comma or a subquery."""
    token = tokens[at]
    if token.is_word(*_CLAUSES):
        scope.clause = token.text.upper()
    elif token.kind == "quoted" and scope.clause in _CLAUSES_OF_NAMES:
        scope.names.add(at)
    if token.is_word("FROM", "JOIN"):
        scope.in_from = True
    elif token.is_word(*_FROM_ENDS):
        scope.in_from = False
    if not scope.in_from:
        return
    if token.is_word("FROM", "JOIN") or token.text == ",":
        _declare_table(tokens, at + 1, scope)
    elif token.text == ")":
        _declare_alias(tokens, at + 1, "", scope)


def _declare_table(tokens: Sequence[Token], at: int, scope: _Scope) -> None:
    if at >= len(tokens) or tokens[at].text == "(" or tokens[at].is_word(*_KEYWORDS):
        return
    while at + 2 < len(tokens) and tokens[at + 1].text == ".":  # database.table
        at += 2
    table = tokens[at].value.lower()
    scope.tables.append(table)
    _declare_alias(tokens, at + 1, table, scope)


def _declare_alias(tokens: Sequence[Token], at: int, table: str, scope: _Scope) -> None:
    if at < len(tokens) and tokens[at].is_word("AS"):
        at += 1
    if at < len(tokens) and tokens[at].kind in ("word", "quoted", "name") and not tokens[at].is_word(*_KEYWORDS):
        scope.aliases[tokens[at].value.lower()] = table
        scope.hidden.add(at)


def _pieces(tokens: Sequence[Token], at: int, scope: _Scope) -> list[_Piece]:
    """Write one token in its normal form: usually one piece, none where it says nothing."""
    token = tokens[at]
    before = tokens[at - 1] if at else None
    after = tokens[at + 1].text if at + 1 < len(tokens) else ""
    named_output = before is not None and before.is_word("AS") and token.kind != "symbol" and after != "("
    if named_output or at in scope.hidden or token.text == ";" or token.is_word(*_SILENT):
        return []
    if token.kind in ("string", "number"):
        return [_Piece(_LITERAL, literal=token.value)]
    if token.kind == "quoted" and not _is_quoted_name(before, after, at in scope.names):
        return [_Piece(_LITERAL, literal=token.value)]
    text = token.value.lower()
    if token.kind == "symbol" and token.text == "." and before is not None:
        return [_Piece(".")] if scope.qualifier(before.value.lower()) else []
    if token.kind == "symbol" or token.is_word(*_KEYWORDS) or (token.kind == "word" and after == "("):
        return [_Piece(_SPELLINGS.get(text, text))]
    name = scope.qualifier(text) if after == "." else text
    return [_Piece(name, is_name=True)] if name else []


def _is_quoted_name(before: Token | None, after: str, among_names: bool) -> bool:
    """Tell a name in double quotes from a text; without a schema the place decides."""
    if before is None or after == "." or before.text == ".":
        return True
    if among_names and before.text not in _COMPARISONS:
        return True
    return before.is_word(*_BEFORE_NAME) or (after in _COMPARISONS and before.text not in _COMPARISONS)


def _move_not(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Write `NOT a IN (...)` as `a NOT IN (...)`, and the same for LIKE, BETWEEN and IS."""
    moved: list[_Piece] = []
    at = 0
    while at < len(pieces):
        end = at + 2  # where the operand behind a NOT ends
        while end + 1 < len(pieces) and pieces[end].text == ".":
            end += 2
        if pieces[at].text == "not" and end < len(pieces) and pieces[at + 1].is_name:
            predicate = pieces[end].text
            if predicate in ("in", "like", "between", "is"):
                negated = [pieces[end], pieces[at]] if predicate == "is" else [pieces[at], pieces[end]]
                moved += [*pieces[at + 1 : end], *negated]
                at = end + 1
                continue
        moved.append(pieces[at])
        at += 1
    return moved
