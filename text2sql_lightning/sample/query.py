"""A generated query in parts, so that it can be written out and also varied to see whether each part matters."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Select:
    """One SELECT statement; an empty clause is absent.

    Attributes:
        columns: The expressions after SELECT.
        source: The FROM clause: a table, or tables with their joins.
        where: The conditions, joined by AND.
        group: The GROUP BY key.
        having: The HAVING condition.
        order: The ORDER BY key with its direction.
        limit: Number of rows kept, 0 for all.
        distinct: Whether equal rows are shown once.
        either: Whether the conditions are joined by OR instead.
    """

    columns: tuple[str, ...]
    source: str
    where: tuple[str, ...] = ()
    group: str = ""
    having: str = ""
    order: str = ""
    limit: int = 0
    distinct: bool = False
    either: bool = False

    def text(self) -> str:
        """The SQL, on one line, without a semicolon."""
        parts = ["SELECT DISTINCT" if self.distinct else "SELECT", ", ".join(self.columns), "FROM", self.source]
        for keyword, clause in (
            ("WHERE", (" OR " if self.either else " AND ").join(self.where)),
            ("GROUP BY", self.group),
            ("HAVING", self.having),
            ("ORDER BY", self.order),
            ("LIMIT", str(self.limit or "")),
        ):
            if clause:
                parts += [keyword, clause]
        return " ".join(parts)

    def weaker(self) -> list["Select"]:
        """The same statement with one filtering part left out, for each such part."""
        variants = [replace(self, where=self.where[:i] + self.where[i + 1 :]) for i in range(len(self.where))]
        if self.having:
            variants.append(replace(self, having=""))
        if self.distinct:
            variants.append(replace(self, distinct=False))
        return variants

    def cut(self) -> "Select":
        """The ordering keys of the rows up to one beyond the LIMIT."""
        key = self.order.removesuffix(" DESC").removesuffix(" ASC")
        return replace(self, columns=(key,), limit=self.limit + 1)


@dataclass(frozen=True)
class SetOperation:
    """Two SELECT statements joined by UNION, INTERSECT or EXCEPT."""

    left: Select
    operator: str
    right: Select

    def text(self) -> str:
        """The SQL, on one line, without a semicolon."""
        return f"{self.left.text()} {self.operator} {self.right.text()}"


Query = Select | SetOperation
