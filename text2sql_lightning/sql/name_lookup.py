"""Looks up the names of a parsed query in a schema: scope by scope, each column in its own table."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from sqlglot import exp

from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.sql.scopes import Columns, CommonTable, CommonTables, Scope, Source

_JSON_COLUMNS: Final = frozenset(["key", "value", "type", "atom", "id", "parent", "fullkey", "path", "json", "root"])
_CLAUSES: Final = ("where", "group", "having", "order")


class NameLookup:
    """Goes through a query and keeps the names that it cannot find.

    Args:
        sql: The query's text.
        schema: The tables that it may use.
    """

    def __init__(self, sql: str, schema: Schema) -> None:
        self._sql = sql
        self._tables = {t.name.lower(): frozenset(c.name.lower() for c in t.columns) for t in schema.tables}
        self.unknown_tables: dict[str, None] = {}
        self.unknown_columns: dict[str, None] = {}

    def read_query(self, query: exp.Expr, outer: Scope) -> tuple[Columns, list[Scope]]:
        """Look up a query's names.

        Args:
            query: A SELECT, or what can stand in its place.
            outer: The scope around it.

        Returns:
            The columns of its result, and the scopes of its SELECTs.
        """
        outer = replace(outer, tables=_with(query, outer.tables))
        if isinstance(query, exp.Select):
            return self._read_select(query, outer)
        if isinstance(query, exp.Values):
            self._read(query.expressions, outer)
            width = max((len(row.expressions) for row in query.expressions), default=0)
            return frozenset(f"column{i}" for i in range(1, width + 1)), []
        columns, scopes = self.read_query(query.this, outer)
        if isinstance(query, exp.SetOperation):
            others, more = self.read_query(query.expression, outer)
            scopes = scopes + more
            self._read_compound_order(query, None if columns is None or others is None else columns | others, scopes)
        else:
            self._read_compound_order(query, columns, scopes)
        self._read_limit(query, outer)
        return columns, scopes

    def _read_select(self, select: exp.Select, outer: Scope) -> tuple[Columns, list[Scope]]:
        sources: tuple[Source, ...] = ()
        clause = select.args.get("from_")
        if clause is not None:
            sources = self._join(select, self._read_source(clause.this, outer, ()), outer)
        own = Scope(sources, frozenset(), outer.tables, outer)
        self._read(select.expressions, own)
        aliases = frozenset(part.alias.lower() for part in select.expressions if isinstance(part, exp.Alias))
        visible = replace(own, aliases=aliases)
        self._read([select.args.get(name) for name in _CLAUSES], visible)
        self._read(select.args.get("windows") or [], visible)
        self._read([join.args.get("on") for join in select.args.get("joins") or []], visible)
        self._read_limit(select, outer)
        return _result_columns(select.expressions, sources), [visible]

    def _join(self, node: exp.Expr, sources: tuple[Source, ...], outer: Scope) -> tuple[Source, ...]:
        """Add what is joined to the sources so far; the columns of USING have to be on both sides."""
        for join in node.args.get("joins") or []:
            right = self._read_source(join.this, outer, sources)
            for name in join.args.get("using") or []:
                for side in (sources, right):
                    if not any(source.has(name.name.lower()) for source in side):
                        self._miss(name)
            sources += right
        return sources

    def _read_source(self, node: exp.Expr, outer: Scope, before: tuple[Source, ...]) -> tuple[Source, ...]:
        """Return the sources behind one entry of FROM.

        Args:
            node: The entry.
            outer: The scope around the query; a query in FROM sees that and not its neighbours.
            before: The entries to its left, which a table-valued function sees.
        """
        alias = node.alias.lower()
        if isinstance(node, exp.Table):
            columns = self._table_columns(node, outer, before)
            # Joins that hang on a table stand in brackets together with it.
            return self._join(node, (Source(alias or node.name.lower(), columns),), outer)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table | exp.Subquery) and not alias:
            return self._join(node, self._read_source(node.this, outer, before), outer)
        if isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table):
            return (Source(alias, _united(self._read_source(node.this, outer, before))),)
        return self._join(node, (Source(alias, self.read_query(node, outer)[0]),), outer)

    def _table_columns(self, table: exp.Table, outer: Scope, before: tuple[Source, ...]) -> Columns:
        if not isinstance(table.this, exp.Identifier):
            return self._function_columns(table.this, Scope(before, frozenset(), outer.tables, outer))
        name, database = table.name.lower(), table.db.lower()
        common = outer.tables.get(name) if not database else None
        if common is not None:
            return self._common_columns(common, outer)
        if name not in self._tables or database not in ("", "main"):
            self.unknown_tables[_written(self._sql, table.this)] = None
            return None
        return self._tables[name]

    def _function_columns(self, function: exp.Expr, scope: Scope) -> Columns:
        """Return the columns of a table-valued function; those of SQLite's pragma functions may be any."""
        self._read([function], scope)
        name = function.name.lower()
        if name in ("json_each", "json_tree"):
            return _JSON_COLUMNS
        if not name.startswith("pragma_"):
            self.unknown_tables[function.name] = None
        return None

    def _common_columns(self, common: CommonTable, outer: Scope) -> Columns:
        if not common.is_read:
            common.is_read = True
            scope = replace(outer, tables=common.tables)
            query = common.query
            if common.columns is None and isinstance(query, exp.SetOperation):
                common.columns = self.read_query(query.this, scope)[0]  # a recursive query's columns
            columns = self.read_query(query, scope)[0]
            common.columns = columns if common.columns is None else common.columns
        return common.columns

    def _read(self, expressions: Iterable[exp.Expr | None], scope: Scope) -> None:
        """Look up the columns of expressions, and of the queries in them."""
        stack = [expression for expression in expressions if expression is not None]
        while stack:
            part = stack.pop()
            if isinstance(part, exp.Query | exp.Values):
                self.read_query(part, scope)
            elif isinstance(part, exp.Column):
                self._read_column(part, scope)
            elif isinstance(part, exp.Dot):
                raise ValueError("a table's name in single quotes, which the parser takes for a text")
            elif isinstance(part, exp.In) and isinstance(part.args.get("field"), exp.Column):
                stack.append(part.this)
                field = part.args["field"]
                self._table_columns(exp.Table(this=field.this, db=field.args.get("table")), scope, ())
            else:
                stack.extend(part.iter_expressions())

    def _read_column(self, column: exp.Column, scope: Scope) -> None:
        name, qualifier = column.name.lower(), column.table.lower()
        if isinstance(column.this, exp.Star):
            if not any(source.alias == qualifier for source in scope.sources):
                self.unknown_tables[_written(self._sql, column.args["table"])] = None
        elif not scope.resolves(name, qualifier) and (qualifier or not self._is_text(column.this)):
            self._miss(*column.parts)

    def _read_compound_order(self, query: exp.Expr, columns: Columns, scopes: list[Scope]) -> None:
        """Look up ORDER BY behind a set operation: names of the result, or what one of its SELECTs can refer to."""
        order = query.args.get("order")
        for term in order.expressions if order is not None else ():
            known = self.unknown_columns
            attempts: list[dict[str, None]] = []
            for scope in scopes:
                self.unknown_columns = {}
                named = (Source("", columns), *scope.sources)
                self._read([term], replace(scope, sources=named))
                attempts.append(self.unknown_columns)
            self.unknown_columns = known | min(attempts, key=len, default={})

    def _read_limit(self, query: exp.Expr, outer: Scope) -> None:
        self._read([query.args.get("limit"), query.args.get("offset")], Scope(tables=outer.tables))

    def _is_text(self, name: exp.Identifier) -> bool:
        """Whether a name that no column has is text: one in double quotes."""
        start = name.meta.get("start")
        return bool(name.args.get("quoted")) and (start is None or self._sql[start] == '"')

    def _miss(self, *names: exp.Expr) -> None:
        self.unknown_columns[".".join(_written(self._sql, name) for name in names)] = None


def _with(query: exp.Expr, tables: CommonTables) -> CommonTables:
    """Return the common tables that a query can use: its own and those from around it."""
    clause = query.args.get("with_")
    if clause is None:
        return tables
    known = dict(tables)
    for table in clause.expressions:
        names = [name.name.lower() for name in table.args["alias"].args.get("columns") or []]
        known[table.alias.lower()] = CommonTable(table.this, known, frozenset(names) if names else None)
    return known


def _result_columns(projections: Iterable[exp.Expr], sources: tuple[Source, ...]) -> Columns:
    names: set[str] = set()
    for part in projections:
        if not part.is_star or isinstance(part, exp.Alias):
            names.add((part.alias_or_name or part.sql(dialect="sqlite")).lower())
            continue
        table = part.table.lower() if isinstance(part, exp.Column) else ""
        columns = _united(source for source in sources if table in ("", source.alias))
        if columns is None:
            return None
        names |= columns
    return frozenset(names)


def _united(sources: Iterable[Source]) -> Columns:
    names: set[str] = set()
    for source in sources:
        if source.columns is None:
            return None
        names |= source.columns
    return frozenset(names)


def _written(sql: str, name: exp.Expr) -> str:
    """Return a name as it stands in the query."""
    meta = name.meta
    return sql[meta["start"] : meta["end"] + 1] if "start" in meta else name.name
