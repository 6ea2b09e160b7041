"""Hardness of a query: by Spider's own reading where its grammar covers the query, by a full SQL parser's elsewhere."""

from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.sql.spider_hardness import Hardness, query_hardness
from text2sql_lightning.sql.spider_names import spider_names
from text2sql_lightning.sql.spider_parser import parse_query
from text2sql_lightning.sql.spider_tokens import GrammarError

__all__ = ["Hardness", "hardness"]


def hardness(sql: str, schema: Schema | None = None) -> Hardness:
    """Rate how hard a query is to write, by the rules of Spider's evaluation script.

    They count in the first SELECT only: clauses, joins, OR and LIKE; nested queries in conditions, and UNION,
    INTERSECT or EXCEPT; aggregates, columns and conditions beyond one.

    Args:
        sql: The query.
        schema: Its tables. With them the rating equals the official one wherever the official script has one; without,
            or where it has none, the rules are applied to the parse tree of a full SQL parser.

    Returns:
        The rating, "unknown" where the query cannot be parsed either way.
    """
    if schema is not None:
        try:
            return query_hardness(parse_query(sql, spider_names(schema)))
        except GrammarError:
            pass
    from text2sql_lightning.sql.tree_hardness import tree_hardness

    return tree_hardness(sql)
