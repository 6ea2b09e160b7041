"""Gold queries that were spoiled when the source was made: repaired where that is certain, else recognised.

`b-mc2/sql-create-context` was written through a SQL formatter that took names and values apart: "14,485" became
`14 OFFSET 485`, the score "70-68=138" a subtraction, the column `1st_leg` the constant `1 AS st_leg`.
"""

import re
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import Final

from text2sql_lightning.sql.repair import repair_query
from text2sql_lightning.text.sql_tokens import Token, keywords, tokenize

CONSTRUCTS: Final = (
    "filter", "aggregate", "GROUP BY", "HAVING", "ORDER BY", "LIMIT", "join", "subquery", "set operation", "LIKE",
    "BETWEEN", "DISTINCT", "NULL",
)  # fmt: skip
_WORDS: Final = {
    "filter": keywords("WHERE"),
    "GROUP BY": keywords("GROUP"),
    "HAVING": keywords("HAVING"),
    "ORDER BY": keywords("ORDER"),
    "LIMIT": keywords("LIMIT"),
    "join": keywords("JOIN"),
    "set operation": keywords("UNION INTERSECT EXCEPT"),
    "LIKE": keywords("LIKE GLOB"),
    "BETWEEN": keywords("BETWEEN"),
    "DISTINCT": keywords("DISTINCT"),
    "NULL": keywords("NULL ISNULL NOTNULL"),
}
_AGGREGATES: Final = keywords("AVG COUNT GROUP_CONCAT MAX MIN SUM TOTAL")
_THOUSANDS_FIRST: Final = re.compile(r"\d{1,3}")
_THOUSANDS_NEXT: Final = re.compile(r"\d{3}(?:\.\d+)?")
_PART_OF_NAME: Final = re.compile(r"_|(?:st|nd|rd|th)_")
_BEFORE_CONDITION: Final = keywords("WHERE AND OR HAVING")
_COMPARISONS: Final = frozenset(["=", "==", "<>", "!=", "<", ">", "<=", ">="])
_COMPARING_WORDS: Final = keywords("LIKE GLOB BETWEEN IS NOT")


def constructs(sql: str) -> tuple[str, ...]:
    """Return which of `CONSTRUCTS` a query uses, anywhere in it, in their order."""
    tokens = tokenize(sql)
    words = {token.text.upper() for token in tokens if token.kind == "word"}
    found = {name for name, members in _WORDS.items() if words & members}
    for token, following in pairwise(tokens):
        if following.text == "(" and token.is_word(*_AGGREGATES):
            found.add("aggregate")
        if token.text == "(" and following.is_word("SELECT", "WITH"):
            found.add("subquery")
    return tuple(name for name in CONSTRUCTS if name in found)


def repair_gold(sql: str, context: str, question: str) -> tuple[str, tuple[str, ...]]:
    """Repair a gold query with the help of its schema (CREATE TABLE text that runs) and its question.

    Returns:
        The statement, and what was done to it.
    """
    joined, numbers = _join_thousands(sql, question)
    scored, values = _quote_scores(joined, question)
    quoted = repair_query(scored, context)
    done = [f"joined number {number}" for number in numbers] + [f"quoted value {value}" for value in values]
    if quoted != scored:
        done.append("quoted names in the query")
    return quoted, tuple(done)


def is_mangled(sql: str) -> bool:
    """Recognise a query that runs although a column of it became a number.

    Such are `SELECT 1 AS st_leg`, `SELECT 2009 FROM t`, `SELECT MAX(2009) FROM t` and `WHERE 2012 = "1r"`.
    """
    tokens = tokenize(sql)
    return _selects_number(tokens) or any(
        token.kind == "number" and (_has_piece_of_name(tokens, at) or _is_condition(tokens, at))
        for at, token in enumerate(tokens)
    )


def _selects_number(tokens: Sequence[Token]) -> bool:
    """Only for the outermost SELECT: `EXISTS (SELECT 1 FROM t)` is as it should be, and so is COUNT(1)."""
    head = [token for token in tokens[:6] if not token.is_word("DISTINCT")]
    words, kinds = [token.text.upper() for token in head], [token.kind for token in head]
    if kinds[1:2] == ["number"]:
        return words[2:3] == ["FROM"]
    is_aggregate = words[1:2] in (["MIN"], ["MAX"], ["SUM"], ["AVG"], ["COUNT"])
    return is_aggregate and kinds[3:4] == ["number"] and words[3] != "1" and words[4:5] == [")"]


def _has_piece_of_name(tokens: Sequence[Token], at: int) -> bool:
    following = tokens[at + 1 : at + 3]
    return len(following) == 2 and following[0].is_word("AS") and _PART_OF_NAME.match(following[1].text) is not None


def _is_condition(tokens: Sequence[Token], at: int) -> bool:
    if not at or at + 1 >= len(tokens) or tokens[at + 1].text not in _COMPARISONS:
        return False
    between = at >= 3 and tokens[at - 1].is_word("AND") and tokens[at - 3].is_word("BETWEEN")
    return tokens[at - 1].is_word(*_BEFORE_CONDITION) and not between


def _join_thousands(sql: str, question: str) -> tuple[str, list[str]]:
    """Undo a comma between thousands that was taken for the one of LIMIT: `< 14 OFFSET 485` for "14,485"."""
    tokens = tokenize(sql)
    numbers: list[str] = []
    at = len(tokens) - 1
    while at >= 2:
        first = _start_of_number(tokens, at)
        digits = [token.text for token in tokens[first : at + 1 : 2]]
        written = ",".join(digits)
        if first < at and _has_number(question, written):
            sql = f"{sql[: tokens[first].start]}{''.join(digits)}{sql[tokens[at].end :]}"
            numbers.insert(0, written)
        at = first - 1
    return sql, numbers


def _start_of_number(tokens: Sequence[Token], last: int) -> int:
    """Return where a chain `1 OFFSET 234 OFFSET 567` that ends at `last` begins; `last` itself when there is none."""
    at = last
    while at >= 2 and _THOUSANDS_NEXT.fullmatch(tokens[at].text) and tokens[at - 1].is_word("OFFSET"):
        at -= 2
    begins = _THOUSANDS_FIRST.fullmatch(tokens[at].text) and not (at and tokens[at - 1].is_word("LIMIT"))
    return at if begins else last


def _quote_scores(sql: str, question: str) -> tuple[str, list[str]]:
    """Make a text of a value that was taken for arithmetic: `= 70 - 68 = 138` for "70-68=138"."""
    tokens = tokenize(sql)
    values: list[str] = []
    at = len(tokens) - 1
    while at >= 3:
        first = at
        while first >= 2 and _is_arithmetic(tokens[first - 2 : first + 1]):
            first -= 2
        written = "".join(token.text for token in tokens[first : at + 1])
        if first < at and tokens[first - 1].text == "=" and _has_number(question, written):
            quote = "'" if "'" in sql else '"'
            sql = f"{sql[: tokens[first].start]}{quote}{written}{quote}{sql[tokens[at].end :]}"
            values.insert(0, written)
        at = first - 1
    return sql, values


def _is_arithmetic(tokens: Sequence[Token]) -> bool:
    left, operator, right = tokens
    return left.kind == right.kind == "number" and operator.text in ("-", "/", "=")


def _has_number(question: str, written: str) -> bool:
    return re.search(rf"(?<![\d.,/-]){re.escape(written)}(?![\d]|[.,/-]\d)", question) is not None


def match_literal_case(sql: str, question: str, names: Collection[str]) -> str:
    """Write the text literals of a query in the case that the question has them in.

    Only literals that are compared with something change, never names in double quotes, never anything but the case
    of letters. A literal that is in the question as it is stays, and so does one that is not in it.

    Args:
        sql: One statement.
        question: The question that it answers.
        names: The schema's table and column names in lower case: in double quotes these are no literals.

    Returns:
        The statement, of the same length.
    """
    tokens = tokenize(sql)
    for at in reversed(range(len(tokens))):
        token = tokens[at]
        if not _is_text(token, names) or not _is_compared(tokens, at):
            continue
        body = token.text[1:-1]
        spelled = _as_in_question(body, question, quote=token.text[0])
        if spelled != body:
            sql = f"{sql[: token.start + 1]}{spelled}{sql[token.end - 1 :]}"
    return sql


def _is_text(token: Token, names: Collection[str]) -> bool:
    closed = len(token.text) > 2 and token.text[-1] == token.text[0]
    return closed and (token.kind == "string" or (token.kind == "quoted" and token.value.lower() not in names))


def _is_compared(tokens: Sequence[Token], at: int) -> bool:
    """Return whether the token is an operand of a comparison, of LIKE or BETWEEN, or in the list of an IN."""
    before, after = _text(tokens, at - 1), _text(tokens, at + 1)
    if before == "." or after == ".":
        return False
    if before in _COMPARISONS or after in _COMPARISONS or before.upper() in _COMPARING_WORDS:
        return True
    if before.upper() == "AND" and _text(tokens, at - 3).upper() == "BETWEEN":
        return True
    while _text(tokens, at - 1) == "," and tokens[at - 2].kind in ("string", "quoted", "number"):
        at -= 2
    return _text(tokens, at - 1) == "(" and _text(tokens, at - 2).upper() == "IN"


def _text(tokens: Sequence[Token], at: int) -> str:
    return tokens[at].text if 0 <= at < len(tokens) else ""


def _as_in_question(body: str, question: str, quote: str) -> str:
    """Return the literal's text in the question's spelling; `body` is in SQL's spelling, with doubled quotes."""
    value = body.replace(quote * 2, quote)
    core = value.strip("%")
    if not core:
        return body
    found = occurrences(core, question)
    if not found or core in found or len(found[0]) != len(core) or found[0].casefold() != core.casefold():
        return body
    return value.replace(core, found[0]).replace(quote, quote * 2)


def occurrences(text: str, question: str) -> list[str]:
    """Return a text (at least one character) in a question's spelling, as often as it occurs there.

    The search is case-insensitive and for whole words: "no" is not spelled by "NOvember", nor 'm' by "I'm".
    """
    if not (text.isascii() and question.isascii()):
        start = r"(?<!\w)(?<!\w['\u2019])" if text[0].isalnum() else ""
        end = r"(?!\w)" if text[-1].isalnum() else ""
        return re.findall(f"{start}{re.escape(text)}{end}", question, re.IGNORECASE)
    # The same without a pattern: compiling one for each literal takes longer than everything else here.
    found: list[str] = []
    folded, wanted = question.lower(), text.lower()
    at = folded.find(wanted)
    while at >= 0:
        whole = _is_whole(question, at, at + len(text))
        if whole:
            found.append(question[at : at + len(text)])
        at = folded.find(wanted, at + (len(text) if whole else 1))
    return found


def _is_whole(question: str, start: int, end: int) -> bool:
    """Return whether no word begins before a part of the question and goes on in it, or goes on behind it."""
    before = question[max(start - 2, 0) : start].removesuffix("'")[-1:] if question[start].isalnum() else ""
    after = question[end : end + 1] if question[end - 1].isalnum() else ""
    return not any(character.isalnum() or character == "_" for character in (before, after))
