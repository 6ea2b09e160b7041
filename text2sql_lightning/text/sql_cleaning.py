"""From what a model wrote to one SQL statement.

Models wrap SQL in code fences and sentences, go on with a second statement or repeat the prompt's headings. A statement
is looked for at each SELECT and each WITH; one left-to-right pass over its tokens finds where it ends, or that it was
only a sentence with the word "select" in it.
"""

import re
from typing import Final

from text2sql_lightning.text.statement_reader import Cut, StatementReader

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


def ensure_sql_only(text: str) -> str:
    """Reduce a model's answer to one SQL statement.

    Code fences, prose before and after, a following `###` section and everything after the first top-level `;` go.
    What stands inside quotes is never altered. Applying it twice changes nothing, and it never raises.

    Args:
        text: What a model wrote, or a query of a data set.

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
    """Tell whether the statement has ended, so that generation may stop.

    Args:
        text: What a model wrote so far.

    Returns:
        True when `ensure_sql_only(text + more)` equals `ensure_sql_only(text)` for every `more`.
    """
    cut = _find_statement(text)[1]
    return cut is not None and cut.firm


def _find_statement(text: str) -> tuple[int, Cut | None]:
    lead = _LEAD.match(text)
    lead_end = lead.end() if lead else 0
    fallback: tuple[int, Cut] | None = None
    position, counted, fences = 0, 0, 0
    while match := _START.search(text, position):
        start = match.start()
        position = match.end()
        if (match[1] and not _WITH_HEAD.match(text, start)) or _is_quoted_word(text, match):
            continue
        fences += text.count("```", counted, start)
        counted = start
        reader = StatementReader(text, start, trusted=start == lead_end and match[0].isupper(), fenced=fences % 2 == 1)
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
    return start, StatementReader(text, start, trusted=True, fenced=True).read()._replace(firm=False)


def _is_quoted_word(text: str, match: re.Match[str]) -> bool:
    """Spot a sentence about the keyword: "select", `SELECT`, **SELECT**."""
    before = text[match.start() - 1 : match.start()] if match.start() else ""
    return before in ('"', "'", "`", "*") and text.startswith(before, match.end())
