"""Where SQLite looks for the name of a column: the tables of a SELECT, its aliases, and the queries around it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from sqlglot import exp

Columns: TypeAlias = frozenset[str] | None
"""Names in lower case; None where they are not known, and any name is taken."""

_ROWIDS: Final = frozenset({"rowid", "oid", "_rowid_"})


@dataclass(frozen=True)
class Source:
    """A table or a query in FROM, under the name by which columns refer to it (lower case)."""

    alias: str
    columns: Columns

    def has(self, name: str) -> bool:
        """Whether it has a column of this name (lower case)."""
        return self.columns is None or name in self.columns


@dataclass(eq=False)
class CommonTable:
    """A query of a WITH clause; it is looked at where it is first used, as SQLite does.

    Attributes:
        query: The query.
        tables: The common tables that it can see.
        columns: Its columns once they are known.
        is_read: Whether it was looked at, or is being looked at: from there on `columns` is what is known.
    """

    query: exp.Expr
    tables: "CommonTables"
    columns: Columns = None
    is_read: bool = False


CommonTables: TypeAlias = Mapping[str, CommonTable]


@dataclass(frozen=True)
class Scope:
    """What an expression can refer to.

    Attributes:
        sources: The tables and queries in FROM.
        aliases: Names of the result's columns, where they count: anywhere but in the result's own list.
        tables: The common tables.
        parent: The scope of the query around this one.
    """

    sources: tuple[Source, ...] = ()
    aliases: frozenset[str] = frozenset()
    tables: CommonTables = field(default_factory=dict)
    parent: "Scope | None" = None

    def resolves(self, name: str, qualifier: str) -> bool:
        """Whether a column (lower case) is found here or in a query around this one.

        Args:
            name: The column.
            qualifier: The table in front of it; empty where there is none.
        """
        scope: Scope | None = self
        while scope is not None:
            if scope._has(name, qualifier):
                return True
            scope = scope.parent
        return False

    def _has(self, name: str, qualifier: str) -> bool:
        sources = [source for source in self.sources if qualifier in ("", source.alias)]
        if any(source.has(name) for source in sources):
            return True
        if name in _ROWIDS and (len(sources) == 1 or (sources and qualifier)):
            return True
        return not qualifier and name in self.aliases
