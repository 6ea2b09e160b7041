"""Templates that join three tables: through a table that links two others."""

from text2sql_lightning.sample.english import plural
from text2sql_lightning.sample.pen import Draft, Link, Pen, columns_sql
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.templates.rows import ask_columns, named


def through_bridge(pen: Pen) -> Draft:
    """`SELECT T2.name FROM link AS T1 JOIN a AS T2 ON ... JOIN b AS T3 ON ... WHERE T3.name = 'X'`."""
    one, other, by = _bridge(pen)
    columns = pen.shown(one.parent, 1)
    condition = pen.condition_on(other.parent, pen.label(other.parent))
    tail = f"{by} the {named(pen, other.parent, condition)}"
    query = Select(columns_sql(columns, "T2"), one.source(other), where=(condition.on("T3"),))
    return Draft(ask_columns(pen, columns, f"{plural(one.parent.noun)} {tail}", f"{one.parent.noun} {tail}"), query)


def _bridge(pen: Pen) -> tuple[Link, Link, str]:
    table = pen.pick([table for table in pen.domain.tables if table.bridge])
    assert table.bridge
    links = {link.parent.name: link for link in pen.links() if link.child == table}
    left, right = links[table.bridge.left], links[table.bridge.right]
    if pen.chance(0.5):
        return left, right, table.bridge.left_by
    return right, left, table.bridge.right_by
