"""Which constructs of SQL a query uses, for the figures of a report."""

from itertools import pairwise
from typing import Final

from text2sql_lightning.sql.tokens import keywords, tokenize

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


def constructs(sql: str) -> tuple[str, ...]:
    """Tell which constructs a query uses, anywhere in it.

    Args:
        sql: The query.

    Returns:
        Those of `CONSTRUCTS`, in their order.
    """
    tokens = tokenize(sql)
    words = {token.text.upper() for token in tokens if token.kind == "word"}
    found = {name for name, members in _WORDS.items() if words & members}
    for token, following in pairwise(tokens):
        if following.text == "(" and token.is_word(*_AGGREGATES):
            found.add("aggregate")
        if token.text == "(" and following.is_word("SELECT", "WITH"):
            found.add("subquery")
    return tuple(name for name in CONSTRUCTS if name in found)
