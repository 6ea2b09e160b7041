"""Spell a query's text literals as the question does, where only letter case differs.

In `b-mc2/sql-create-context` the letter case of literals is noise: half of its queries hold every literal in lower case
whatever the question says. A model can only copy what it is asked, so the question's spelling is the learnable one.
"""

import re
from collections.abc import Collection, Sequence
from typing import Final

from text2sql_lightning.sql.tokens import Token, keywords, tokenize

_COMPARISONS: Final = frozenset(["=", "==", "<>", "!=", "<", ">", "<=", ">="])
_COMPARING_WORDS: Final = keywords("LIKE GLOB BETWEEN IS NOT")


def match_literal_case(sql: str, question: str, names: Collection[str]) -> str:
    """Give the text literals of a query the question's letter case.

    Only literals that are compared with something change, never names in double quotes, never anything but the case
    of letters. A literal that stands in the question as it is stays, and so does one that is not in it.

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
    """Tell whether the token is an operand of a comparison, of LIKE or BETWEEN, or in the list of an IN."""
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
    """Find a text in a question, ignoring letter case.

    Whole words only: "no" is not spelled by "NOvember", nor 'm' by "I'm".

    Args:
        text: At least one character.
        question: The question.

    Returns:
        The text in the question's spelling, as often as it stands there.
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
    """Tell whether no word begins before a piece of the question and goes on in it, or goes on behind it."""
    if question[start].isalnum() and (
        _is_in_word(question[start - 1 : start])
        or (question[start - 1 : start] == "'" and _is_in_word(question[max(start - 2, 0) : start - 1]))
    ):
        return False
    return not (question[end - 1].isalnum() and _is_in_word(question[end : end + 1]))


def _is_in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
