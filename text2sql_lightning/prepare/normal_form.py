"""One spelling for the many ways to write a query: for finding the same query again, not for running it.

What a reader would call the same query gets the same text: other order of conditions, of selected columns and of
joined tables; joins in FROM or in WHERE; brackets; sides of a comparison; `BETWEEN` or two comparisons. It is loose on
purpose. Which table a column is qualified with, the kind of a join and the nesting of AND and OR do not count, since
a query on the same tables, of the same columns and conditions is near enough to a test's to be kept out of training.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from text2sql_lightning.sql.tokens import Token, keywords, tokenize

_Item: TypeAlias = "str | list[_Item]"

_DEEPEST: Final = 50
_TREE_SET_WORDS: Final = keywords("except intersect union")
_TREE_CLAUSES: Final = keywords("select from where group having order limit")
_JOINS: Final = keywords("join left right full cross natural")
_OPENS_QUERY: Final = keywords("select with values")
_NOT_CALLS: Final = keywords(
    """all and as between by case distinct else end except exists from glob group having in intersect is join like limit
    not on or order over select then union using values when where with"""
)
_MIRRORED: Final = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_NEGATED: Final = {"=": "<>", "<>": "=", "<": ">=", ">": "<=", "<=": ">", ">=": "<"}


def canonical_form(words: Sequence[str]) -> str:
    """Give a query's one spelling.

    Args:
        words: The query's tokens in lower case, literals as `?`, without aliases, AS, ASC, INNER and `;`. They need
            not be a valid query.

    Returns:
        The spelling, words separated by spaces.
    """
    items = _nest(_without_qualifiers(words))
    return " ".join(words) if items is None else _query(items)


def _without_qualifiers(words: Sequence[str]) -> list[str]:
    """Write `t . a` as `a`."""
    return [word for at, word in enumerate(words) if word != "." and (at + 1 == len(words) or words[at + 1] != ".")]


def _nest(words: Sequence[str]) -> list[_Item] | None:
    """Make a list of each bracket; None where they are too deep for a recursion."""
    stack: list[list[_Item]] = [[]]
    for word in words:
        if word == "(":
            stack.append([])
            stack[-2].append(stack[-1])
        elif word != ")":
            stack[-1].append(word)
        elif len(stack) > 1:
            stack.pop()
        if len(stack) > _DEEPEST:
            return None
    return stack[0]


def _query(items: Sequence[_Item]) -> str:
    parts: list[list[_Item]] = [[]]
    operators: list[str] = []
    for item in items:
        if isinstance(item, str) and item in _TREE_SET_WORDS:
            operators.append(item)
            parts.append([])
        else:
            parts[-1].append(item)
    selects = [_select(_unwrapped(part)) for part in parts]
    if "except" not in operators:
        selects.sort()
    return " ".join(word for pair in zip(selects, [*sorted(operators), ""], strict=True) for word in pair if word)


def _unwrapped(items: list[_Item]) -> list[_Item]:
    while len(items) == 1 and isinstance(items[0], list):
        items = items[0]
    return items


def _select(items: Sequence[_Item]) -> str:
    clauses: dict[str, list[_Item]] = {}
    current = clauses.setdefault("", [])
    for item in items:
        if isinstance(item, str) and item in _TREE_CLAUSES:
            current = clauses.setdefault(item, [])
        elif item != "by":
            current.append(item)
    tables, conditions = _from(clauses.pop("from", []))
    conditions += _conditions(clauses.pop("where", []))
    parts = [("", [_text(clauses.pop("", []))]), ("select", sorted(_selected(clauses.pop("select", []))))]
    parts += [("from", sorted(tables)), ("where", sorted(conditions))]
    parts += [("group", sorted(_listed(clauses.pop("group", []))))]
    parts += [("having", sorted(_conditions(clauses.pop("having", []))))]
    parts += [(name, list(_listed(content))) for name, content in sorted(clauses.items(), reverse=True)]
    return " ".join(f"{name} {' , '.join(texts)}".strip() for name, texts in parts if texts != [""] and texts)


def _selected(items: Sequence[_Item]) -> Iterator[str]:
    """Yield what a SELECT list holds; DISTINCT and ALL are no part of its first column."""
    if items and items[0] in ("distinct", "all"):
        if items[0] == "distinct":
            yield "distinct"
        items = items[1:]
    yield from _listed(items)


def _listed(items: Sequence[_Item]) -> Iterator[str]:
    start = 0
    for at, item in enumerate([*items, ","]):
        if item == ",":
            yield _text(items[start:at])
            start = at + 1


def _from(items: Sequence[_Item]) -> tuple[list[str], list[str]]:
    """Return the tables of a FROM clause, and the conditions that join them."""
    tables: list[str] = []
    conditions: list[str] = []
    at = 0
    while at < len(items):
        item = items[at]
        end = at + 1
        if item == "on":
            while end < len(items) and not (isinstance(items[end], str) and items[end] in {*_JOINS, ","}):
                end += 1
            conditions += _conditions(items[at + 1 : end])
        elif item == "using":
            conditions += [f"{name} = {name}" for name in _listed(_group(items, end))]
            end += 1
        elif isinstance(item, list) and not _is_query(item):
            more_tables, more_conditions = _from(item)
            tables += more_tables
            conditions += more_conditions
        elif isinstance(item, list) or item not in {*_JOINS, ","}:
            tables.append(_text([item]))
        at = end
    return tables, conditions


def _group(items: Sequence[_Item], at: int) -> list[_Item]:
    item = items[at] if at < len(items) else []
    return item if isinstance(item, list) else [item]


def _conditions(items: Sequence[_Item]) -> list[str]:
    """Return the comparisons of a condition, and an `or` for each OR."""
    found: list[str] = []
    atom: list[_Item] = []
    for at, item in enumerate([*items, "and"]):
        following = items[at + 1] if at + 1 < len(items) else "and"
        if item in ("and", "or") and not (item == "and" and "between" in atom and "and" not in atom):
            found += _comparisons(atom)
            found += ["or"] * (item == "or")
            atom = []
        elif isinstance(item, list) and not _is_query(item) and not atom and following in ("and", "or"):
            found += _conditions(item)
        else:
            atom.append(item)
    return found


def _comparisons(atom: Sequence[_Item]) -> list[str]:
    if not atom:
        return []
    negated = atom[0] == "not" and len(atom) > 1
    atom = atom[1:] if negated else atom
    between = [at for at, item in enumerate(atom) if item == "between"]
    if between and "and" in atom[between[0] :] and "not" not in atom and not negated:
        return _between(atom, between[0])
    for at, item in enumerate(atom):
        if isinstance(item, str) and item in _MIRRORED:
            operator = _NEGATED[item] if negated else item
            return [_comparison(_text(atom[:at]), operator, _text(atom[at + 1 :]))]
    return [f"not {_text(atom)}" if negated else _text(atom)]


def _between(atom: Sequence[_Item], at: int) -> list[str]:
    end = atom.index("and", at)
    value = _text(atom[:at])
    return [
        _comparison(value, ">=", _text(atom[at + 1 : end])),
        _comparison(value, "<=", _text(atom[end + 1 :])),
    ]


def _comparison(left: str, operator: str, right: str) -> str:
    """Put the literal last, else the sides in the order of the alphabet."""
    if (left == "?", left) > (right == "?", right):
        left, operator, right = right, _MIRRORED[operator], left
    return f"{left} {operator} {right}"


def _text(items: Sequence[_Item]) -> str:
    """Write an expression; brackets stay where they make a call, a list or a query."""
    words: list[str] = []
    for item in items:
        if isinstance(item, str):
            words.append(item)
        elif _is_query(item):
            words.append(f"( {_query(item)} )")
        elif words and words[-1] == "in":
            words[-1:] = _list_of_values(item)
        elif words and words[-1] not in _NOT_CALLS and words[-1][:1].isalpha():
            inner = _text(item)
            words.append("( * )" if words[-1] == "count" and inner == "?" else f"( {inner} )")
        else:
            words.append(_text(item))
    return " ".join(words)


def _list_of_values(items: Sequence[_Item]) -> list[str]:
    values = [item for item in items if item != ","]
    if values != ["?"] * len(values):
        return ["in", f"( {_text(items)} )"]
    return ["=", "?"] if len(values) == 1 else ["in", "?"]


def _is_query(items: Sequence[_Item]) -> bool:
    first = items[0] if items else ""
    return first in _OPENS_QUERY if isinstance(first, str) else _is_query(first)


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
