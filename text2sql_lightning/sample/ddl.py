"""A domain as CREATE TABLE text, in one line."""

from text2sql_lightning.sample.domain import Column, Domain, Table


def create_table_text(domain: Domain) -> str:
    """The context of every row of this domain."""
    return "; ".join(_statement(domain, table) for table in domain.tables)


def _statement(domain: Domain, table: Table) -> str:
    parts = [_column(domain, column) for column in table.columns]
    if domain.fk_clause:
        parts += [f"FOREIGN KEY ({ref.name}) REFERENCES {_target(domain, ref)}" for ref in table.refs]
    return f"CREATE TABLE {table.name} ({', '.join(parts)})"


def _column(domain: Domain, column: Column) -> str:
    parts = [column.name, domain.text_type if column.sql_type == "TEXT" else column.sql_type]
    if column.kind == "key":
        parts.append("PRIMARY KEY")
    if column.kind == "ref" and not domain.fk_clause:
        parts.append(f"REFERENCES {_target(domain, column)}")
    if column.comment:
        parts.append(f"/* {column.comment} */")
    return " ".join(parts)


def _target(domain: Domain, ref: Column) -> str:
    target = domain.table(ref.target)
    return f"{target.name} ({target.key.name})"
