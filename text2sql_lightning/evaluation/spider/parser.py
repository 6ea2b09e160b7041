"""Spider's restricted SQL grammar: the one that decides which queries exact set match can look at.

It is much smaller than SQL: one SELECT with JOIN ... ON, WHERE, GROUP BY, HAVING, ORDER BY and LIMIT, nested queries in
FROM and on the right of a condition, one set operator. It has no outer join, no list of values, no IS NULL, no EXISTS,
no CASE, no function but five aggregates, no alias of a column. And it is lenient where SQL is not: it ignores what
follows a complete query, and what follows a column on the right of a condition up to the next AND. Both are kept
here, for the verdicts follow from them (method: taoyds/test-suite-sql-eval at e97acc5).
"""

from typing import Final

from text2sql_lightning.evaluation.spider.grammar import (
    ColumnUnit,
    Condition,
    Conditions,
    GrammarError,
    Item,
    Ordering,
    Query,
    SpiderNames,
    Value,
    ValueUnit,
    spider_tokens,
)

_CLAUSES: Final = frozenset({"select", "from", "where", "group", "order", "limit", "intersect", "union", "except"})
_CLAUSE_END: Final = _CLAUSES | {")", ";"}
_CONDITIONS_END: Final = _CLAUSE_END | {"join", "on", "as"}
_VALUE_END: Final = _CLAUSES | {",", ")", "and", "join", "on", "as"}
_COMPARISONS: Final = frozenset({"not", "between", "=", ">", "<", ">=", "<=", "!=", "in", "like", "is", "exists"})
_OPERATORS: Final = frozenset({"none", "-", "+", "*", "/"})
_AGGREGATES: Final = frozenset({"none", "max", "min", "count", "sum", "avg"})
_SET_OPERATORS: Final = frozenset({"intersect", "union", "except"})

Tables = list[str]


def parse_query(sql: str, names: SpiderNames) -> Query:
    """Read a query by Spider's grammar.

    Args:
        sql: The query.
        names: The names of its schema; a column that is not among them makes the query unreadable.

    Returns:
        The query without aliases: every column is "table.column".

    Raises:
        GrammarError: When the grammar does not cover it, or a name is unknown.
    """
    try:
        return _Reader(spider_tokens(sql), names).query()
    except RecursionError as error:
        raise GrammarError("nested too deeply") from error


class _Reader:
    """Reads tokens from left to right; every method moves `_at` past what it read."""

    def __init__(self, tokens: list[str], names: SpiderNames) -> None:
        self._tokens = tokens
        self._names = names
        self._aliases = names.aliases(tokens)
        self._at = 0
        self._end = len(tokens)

    def query(self) -> Query:
        """Read a query with what its set operator adds."""
        bracket = self._take("(")
        start = self._at
        sources, joins, tables = self._sources()
        after, self._at = self._at, start
        distinct, select = self._select(tables)
        self._at = after
        where = self._conditions(tables) if self._take("where") else ()
        group = self._group(tables) if self._take("group") else ()
        having = self._conditions(tables) if self._take("having") else ()
        order = self._order(tables) if self._take("order") else None
        limited = self._limit()
        self._skip_semicolons()
        if bracket:
            self._expect(")")
            self._skip_semicolons()
        operator = self._next() if self._next() in _SET_OPERATORS else ""
        other = None
        if operator:
            self._at += 1
            other = self.query()
        return Query(distinct, select, sources, joins, where, group, having, order, limited, operator, other)

    def _next(self) -> str:
        """Return the token ahead, or an empty string at the end."""
        return self._tokens[self._at] if self._at < self._end else ""

    def _take(self, token: str) -> bool:
        found = self._next() == token
        self._at += found
        return found

    def _expect(self, token: str) -> None:
        if not self._take(token):
            raise GrammarError(f"{token!r} is missing before {self._next()!r}")

    def _skip_semicolons(self) -> None:
        while self._take(";"):
            pass

    def _sources(self) -> tuple[tuple[str | Query, ...], Conditions, Tables]:
        """Read the first FROM from here on: its sources, the conditions of its ONs, its tables by name."""
        try:
            self._at = self._tokens.index("from", self._at) + 1
        except ValueError as error:
            raise GrammarError("there is no FROM") from error
        sources: list[str | Query] = []
        joins: Conditions = ()
        tables: Tables = []
        while self._at < self._end:
            bracket = self._take("(")
            if self._next() == "select":
                sources.append(self.query())
            else:
                self._take("join")
                tables.append(self._table())
                sources.append(tables[-1])
            if self._take("on"):
                joins += (("and",) if joins else ()) + self._conditions(tables)
            if bracket:
                self._expect(")")
            if self._next() in _CLAUSE_END:
                break
        return tuple(sources), joins, tables

    def _table(self) -> str:
        table = self._aliases.get(self._next(), "")
        if table not in self._names.known:
            raise GrammarError(f"{self._next()!r} is no table")
        self._at += 1
        if self._next() == "as":
            self._at += 2
        return table

    def _select(self, tables: Tables) -> tuple[bool, tuple[Item, ...]]:
        self._expect("select")
        distinct = self._take("distinct")
        items: list[Item] = []
        while self._at < self._end and self._next() not in _CLAUSES:
            aggregate = self._aggregate()
            items.append(Item(aggregate, self._value_unit(tables)))
            self._take(",")
        return distinct, tuple(items)

    def _aggregate(self) -> str:
        word = self._next()
        if word not in _AGGREGATES:
            return "none"
        self._at += 1
        return word

    def _value_unit(self, tables: Tables) -> ValueUnit:
        bracket = self._take("(")
        left, operator, right = self._column_unit(tables), "none", None
        if self._next() in _OPERATORS:
            operator = self._next()
            self._at += 1
            right = self._column_unit(tables)
        if bracket:
            self._expect(")")
        return ValueUnit(operator, left, right)

    def _column_unit(self, tables: Tables) -> ColumnUnit:
        bracket = self._take("(")
        if self._next() in _AGGREGATES:
            aggregate = self._aggregate()
            self._expect("(")
            unit = ColumnUnit(aggregate, *self._distinct_column(tables))
            self._expect(")")
            return unit  # a bracket around an aggregate is left to whoever reads on
        unit = ColumnUnit("none", *self._distinct_column(tables))
        if bracket:
            self._expect(")")
        return unit

    def _distinct_column(self, tables: Tables) -> tuple[str, bool]:
        distinct = self._take("distinct")
        column = self._column(self._next(), tables)
        self._at += 1
        return column, distinct

    def _column(self, token: str, tables: Tables) -> str:
        """Resolve a column: by its alias, or else to the first table of this FROM that has it."""
        if token == "*":
            return token
        if "." in token:
            alias, _, column = token.partition(".")
            place = f"{self._aliases.get(alias, '')}.{column}"
            if "." not in column and place in self._names.known:
                return place
            raise GrammarError(f"{token!r} is no column")
        for table in tables:
            if table not in self._names.columns:
                break
            if token in self._names.columns[table]:
                return f"{table}.{token}"
        raise GrammarError(f"{token!r} is no column of {', '.join(tables)}")

    def _conditions(self, tables: Tables) -> Conditions:
        found: list[Condition | str] = []
        while self._at < self._end:
            found.append(self._condition(tables))
            word = self._next()
            if word in _CONDITIONS_END:
                break
            if word in ("and", "or"):
                found.append(word)
                self._at += 1
        return tuple(found)

    def _condition(self, tables: Tables) -> Condition:
        left = self._value_unit(tables)
        negated = self._take("not")
        operator = self._next()
        if operator not in _COMPARISONS:
            raise GrammarError(f"{operator!r} is no comparison")
        self._at += 1
        value, upper = self._value(tables), None
        if operator == "between":
            self._expect("and")
            upper = self._value(tables)
        return Condition(negated, operator, left, value, upper)

    def _value(self, tables: Tables) -> Value:
        start = self._at
        bracket = self._take("(")
        value: Value
        if self._next() == "select":
            value = self.query()
        elif '"' in self._next():
            value = self._next()
            self._at += 1
        else:
            try:
                value = float(self._next())
                self._at += 1
            except ValueError:
                value = self._column_value(start, tables)
        if bracket:
            self._expect(")")
        return value

    def _column_value(self, start: int, tables: Tables) -> ColumnUnit:
        """Read a column from `start`, bracket included, and skip whatever follows it up to the next separator."""
        end = self._at
        while end < self._end and self._tokens[end] not in _VALUE_END:
            end += 1
        whole, self._end, self._at = self._end, end, start
        unit = self._column_unit(tables)
        self._end, self._at = whole, end
        return unit

    def _group(self, tables: Tables) -> tuple[ColumnUnit, ...]:
        self._expect("by")
        units: list[ColumnUnit] = []
        while self._at < self._end and self._next() not in _CLAUSE_END:
            units.append(self._column_unit(tables))
            if not self._take(","):
                break
        return tuple(units)

    def _order(self, tables: Tables) -> Ordering:
        self._expect("by")
        units: list[ValueUnit] = []
        direction = "asc"
        while self._at < self._end and self._next() not in _CLAUSE_END:
            units.append(self._value_unit(tables))
            if self._next() in ("asc", "desc"):
                direction = self._next()
                self._at += 1
            if not self._take(","):
                break
        return Ordering(direction, tuple(units))

    def _limit(self) -> bool:
        if not self._take("limit"):
            return False
        if not self._next():
            raise GrammarError("LIMIT has no number")
        self._at += 1
        return True
