"""One spelling for the many ways to write a query: for finding the same query again, not for running it.

What a reader would call the same query gets the same text: other order of conditions, of selected columns and of
joined tables; joins in FROM or in WHERE; brackets; sides of a comparison; `BETWEEN` or two comparisons. It is loose on
purpose. Which table a column is qualified with, the kind of a join and the nesting of AND and OR do not count, since
a query on the same tables, of the same columns and conditions is near enough to a test's to be kept out of training.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from sqlglot import exp

from text2sql_lightning.sql.dialects import parse_sqlite
from text2sql_lightning.text.sql_tokens import keywords, tokenize

_WORD: Final = re.compile(r"[^\W_]+")
_OPENING: Final = re.compile(r"[\s(]*(\w*)")
_QUERY_STARTS: Final = keywords("SELECT VALUES WITH")
_LITERALS: Final = ("string", "quoted", "number")
_OPERATORS: Final[dict[type[exp.Expr], str]] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.GT: ">", exp.LTE: "<=", exp.GTE: ">=",
}  # fmt: skip
_MIRRORED: Final = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_NEGATED: Final = {"=": "<>", "<>": "=", "<": ">=", ">": "<=", "<=": ">", ">=": "<"}
_SILENT: Final = frozenset(["_type", "alias", "big_int", "nulls_first", "over", "to"])
"""Parts of nodes that do not count: notes of the parser, and the type of a CAST, whose name depends on the release."""


def question_words(text: str) -> list[str]:
    """Return the words of a question in lower case, without punctuation."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def question_key(text: str) -> str:
    """Return a question's letters and digits: equal for questions that differ in case, punctuation and spaces alone."""
    return "".join(question_words(text))


class NormalQuery(NamedTuple):
    """A query's normal form.

    Attributes:
        tables: Names of its tables in lower case, sorted.
        canonical: Its one spelling, in lower case, with `?` for every literal.
        skeleton: The same with `_` for every name; empty where the query cannot be parsed.
        literal_words: The words of its text literals, to find them in the question.
    """

    tables: tuple[str, ...]
    canonical: str
    skeleton: str
    literal_words: frozenset[str]


def normal_query(sql: str) -> NormalQuery:
    """Reduce a query to its normal form.

    Args:
        sql: One statement. It need not be valid: where it cannot be parsed, its tokens are its form.

    Returns:
        The normal form; equal for queries that differ in literals, aliases and formatting alone.
    """
    opening = _OPENING.match(sql)
    tree = parse_sqlite(sql) if opening is not None and opening[1].upper() in _QUERY_STARTS else None
    if tree is None:
        return _of_tokens(sql)
    writer, masked = _Writer(), _Writer(masked=True)
    try:
        canonical, skeleton = writer.query(tree), masked.query(tree)
    except RecursionError:
        return _of_tokens(sql)
    return NormalQuery(tuple(sorted(writer.tables)), canonical, skeleton, frozenset(writer.literal_words))


def _of_tokens(sql: str) -> NormalQuery:
    tokens = [token for token in tokenize(sql) if token.text != ";"]
    literals = [token for token in tokens if token.kind in _LITERALS]
    words = ("?" if token.kind in _LITERALS else token.value.lower() for token in tokens)
    named = (name for opening, name in pairwise(tokens) if opening.is_word("FROM", "JOIN") and name.kind != "symbol")
    return NormalQuery(
        tables=tuple(sorted({token.value.lower() for token in named})),
        canonical=" ".join(words),
        skeleton="",
        literal_words=frozenset(word for token in literals for word in question_words(token.value)),
    )


class _Writer:
    """Writes a tree in its one spelling, with `_` for names where these are masked; collects tables and literals."""

    def __init__(self, *, masked: bool = False) -> None:
        self.tables: set[str] = set()
        self.literal_words: set[str] = set()
        self._masked = masked

    def query(self, node: exp.Expr) -> str:
        node = node.unnest()
        if isinstance(node, exp.Select):
            return self._select(node)
        if not isinstance(node, exp.SetOperation):
            return self._expression(node)
        parts, operators = self._parts(node)
        if "except" not in operators:
            parts.sort()
        pairs = zip(parts, [*sorted(operators), ""], strict=True)
        return " ".join([*(word for pair in pairs for word in pair if word), *self._endings(node)])

    def _parts(self, node: exp.Expr) -> tuple[list[str], list[str]]:
        """Return the queries of a chain of UNION, INTERSECT and EXCEPT, and these words."""
        if not isinstance(node, exp.SetOperation):
            return [self.query(node)], []
        parts, operators = self._parts(node.this)
        more, others = self._parts(node.expression)
        return parts + more, [*operators, node.key + " all" * (node.args.get("distinct") is False), *others]

    def _select(self, node: exp.Select) -> str:
        tables, conditions = self._sources([node.args.get("from_"), *node.args.get("joins", ())])
        conditions += self._conditions(node.args.get("where"))
        group, made = node.args.get("group"), node.args.get("with_")
        clauses = {
            "select distinct" if node.args.get("distinct") else "select": sorted(map(self.text, node.expressions)),
            "from": sorted(tables),
            "where": sorted(conditions),
            "group": sorted(map(self.text, group.expressions)) if group else [],
            "having": sorted(self._conditions(node.args.get("having"))),
        }
        written = [f"{name} {' , '.join(texts)}" for name, texts in clauses.items() if texts]
        return " ".join([*([self.text(made)] if made else []), *written, *self._endings(node)])

    def _endings(self, node: exp.Expr) -> Iterator[str]:
        if order := node.args.get("order"):
            yield f"order {' , '.join(map(self.text, order.expressions))}"
        for clause in ("limit", "offset"):
            if ending := node.args.get(clause):
                yield f"{clause} {self.text(ending.expression)}"

    def _sources(self, nodes: list[exp.Expr | None]) -> tuple[list[str], list[str]]:
        """Return the tables of parts of a FROM clause, and the conditions that join them."""
        tables: list[str] = []
        conditions: list[str] = []
        for node in filter(None, nodes):
            source, on = node.this, node.args.get("on")
            if isinstance(source, exp.Subquery) and isinstance(source.this, exp.Table):
                inner: list[exp.Expr | None] = [source, *source.this.args.get("joins", ())]
                more_tables, more_conditions = self._sources(inner)
                tables += more_tables
                conditions += more_conditions
            else:
                tables.append(self.text(source))
            if on is not None and not isinstance(on, exp.Boolean):  # TRUE is sqlglot's word for no condition
                conditions += self._conditions(node, "on")
            conditions += [f"{name} = {name}" for name in map(self.text, node.args.get("using") or ())]
        return tables, conditions

    def _conditions(self, clause: exp.Expr | None, place: str = "this") -> list[str]:
        """Return the comparisons of a condition, and an `or` for each OR."""
        if clause is None:
            return []
        node = clause.args[place].unnest()
        if isinstance(node, exp.And | exp.Or):
            both = self._conditions(node) + self._conditions(node, "expression")
            return [*both, "or"] if isinstance(node, exp.Or) else both
        if isinstance(node, exp.Between):
            value, low, high = (self.text(node.args[name]) for name in ("this", "low", "high"))
            return [_comparison(value, ">=", low), _comparison(value, "<=", high)]
        return [self.text(node)]

    def text(self, node: exp.Expr) -> str:
        """Write an expression."""
        if isinstance(node, exp.Paren | exp.Alias):
            return self.text(node.this)
        if _is_literal(node):
            self.literal_words.update(question_words(node.name))
            return "?"
        if isinstance(node, exp.Query):
            return f"( {self.query(node)} )"
        if isinstance(node, exp.Column | exp.Table):
            return self._named(node)
        if isinstance(node, exp.Identifier):
            return "_" if self._masked else node.name.lower()
        return self._expression(node)

    def _named(self, node: exp.Column | exp.Table) -> str:
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            self.tables.add(node.name.lower())
        return self.text(node.this)

    def _expression(self, node: exp.Expr) -> str:
        if isinstance(node, exp.Star):
            return "*"
        if isinstance(node, exp.Not):
            return self._negation(node.this.unnest())
        if operator := _OPERATORS.get(type(node)):
            return _comparison(self.text(node.this), operator, self.text(node.expression))
        if isinstance(node, exp.Count) and isinstance(node.this, exp.Literal):
            return "count ( * )"
        if isinstance(node, exp.In) and node.expressions:
            values = {self.text(value) for value in node.expressions}
            if values == {"?"}:
                return f"{self.text(node.this)} {'in' if len(node.expressions) > 1 else '='} ?"
        return self._call(node)

    def _negation(self, node: exp.Expr) -> str:
        if operator := _OPERATORS.get(type(node)):
            return _comparison(self.text(node.this), _NEGATED[operator], self.text(node.expression))
        return f"not {self.text(node)}"

    def _call(self, node: exp.Expr) -> str:
        """Write what has no spelling above by its name in sqlglot and its parts."""
        words = []
        for name, value in node.args.items():
            if isinstance(value, list):
                words += [self.text(one) if isinstance(one, exp.Expr) else str(one) for one in value]
            elif isinstance(value, exp.Expr) and name not in _SILENT:
                words.append(self.text(value))
            elif value and name not in {*_SILENT, "negate"}:
                words.append(name if value is True else str(value).lower())
        return f"{'not ' if node.args.get('negate') else ''}{node.key} ( {' , '.join(words)} )"


def _is_literal(node: exp.Expr) -> bool:
    """Return whether it is a text: without a schema, double quotes on the right side of a comparison hold one."""
    if not isinstance(node, exp.Column):
        return isinstance(node, exp.Literal)
    if node.table or not isinstance(node.this, exp.Identifier) or not node.this.quoted:
        return False
    inner: exp.Expr = node
    while inner.parent and not isinstance(inner.parent, exp.Predicate | exp.Query | exp.Join):
        inner = inner.parent
    return isinstance(inner.parent, exp.Predicate) and inner.arg_key != "this"


def _comparison(left: str, operator: str, right: str) -> str:
    """Put the literal last, else the sides in the order of the alphabet."""
    if (left == "?", left) > (right == "?", right):
        left, operator, right = right, _MIRRORED[operator], left
    return f"{left} {operator} {right}"
