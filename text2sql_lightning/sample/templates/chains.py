"""Templates that join three tables: along a chain of references, or through a table that links two others."""

from text2sql_lightning.sample.conditions import Condition, noun_phrase
from text2sql_lightning.sample.domain import Table
from text2sql_lightning.sample.english import plural, request
from text2sql_lightning.sample.pen import Draft, Link, Pen, columns_sql
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.templates.numbers import ask_count
from text2sql_lightning.sample.templates.rows import ask_columns, named


def through_bridge(pen: Pen) -> Draft:
    """`SELECT T2.name FROM link AS T1 JOIN a AS T2 ON ... JOIN b AS T3 ON ... WHERE T3.name = 'X'`."""
    one, other, by = _bridge(pen)
    columns = pen.shown(one.parent, pen.pick((1, 1, 2)))
    condition = _condition(pen, other.parent)
    tail = f"{by} {_nouns(pen, other.parent, condition)}"
    distinct = condition.column.kind != "label"
    nouns, noun = f"{plural(one.parent.noun)} {tail}", f"{one.parent.noun} {tail}"
    where = (condition.on("T3"),)
    query = Select(columns_sql(columns, "T2"), one.source(other), where=where, distinct=distinct)
    if distinct:
        many = " and ".join(plural(column.phrase) for column in columns)
        wanted = pen.say(f"the different {many} of {nouns}", f"the {many} of the {nouns}, each only once")
        return Draft(request(pen.rng, wanted, many=True), query)
    return Draft(ask_columns(pen, columns, nouns, noun), query)


def bridge_listing(pen: Pen) -> Draft:
    """`SELECT T2.name, T3.name FROM link AS T1 JOIN a AS T2 ON ... JOIN b AS T3 ON ...`, with a condition."""
    one, other, _ = _bridge(pen)
    link = one.child
    one_label, other_label = pen.label(one.parent), pen.label(other.parent)
    condition = pen.condition(link)
    noun = noun_phrase(pen.rng, link.noun, [condition])
    first = f"the {one_label.phrase} of the {one.parent.noun}"
    second = f"the {other_label.phrase} of the {other.parent.noun}"
    question = pen.say(
        f"For each {noun}, show {first} and {second}.",
        f"For every {noun}, list {first} and {second}.",
        f"Show {first} and {second} for each {noun}.",
        f"Give {first} and {second} for every {noun}.",
    )
    columns = (f"T2.{one_label.name}", f"T3.{other_label.name}")
    return Draft(question, Select(columns, one.source(other), where=(condition.on("T1"),)))


def along_chain(pen: Pen) -> Draft:
    """`SELECT T1.a FROM c AS T1 JOIN b AS T2 ON ... JOIN a AS T3 ON ... WHERE T3.b = 'x'`, the rows or their number."""
    one, other = _chain(pen)
    condition = _condition(pen, other.parent)
    tail = f"{one.ref.by} {plural(one.parent.noun)} {other.ref.by} {_nouns(pen, other.parent, condition)}"
    nouns, noun = f"{plural(one.child.noun)} {tail}", f"{one.child.noun} {tail}"
    where = (condition.on("T3"),)
    if pen.chance(0.35):
        return Draft(ask_count(pen, nouns), Select(("COUNT(*)",), one.source(other), where=where))
    columns = pen.shown(one.child, pen.pick((1, 1, 2)))
    query = Select(columns_sql(columns, "T1"), one.source(other), where=where)
    return Draft(ask_columns(pen, columns, nouns, noun), query)


def count_along_chain(pen: Pen) -> Draft:
    """`SELECT T3.name, COUNT(*) FROM c AS T1 JOIN b AS T2 ON ... JOIN a AS T3 ON ... GROUP BY T3.id`."""
    one, other = _chain(pen)
    label = pen.label(other.parent)
    children, middle, top = plural(one.child.noun), plural(one.parent.noun), other.parent.noun
    name, its = label.phrase, other.parent.its
    question = pen.say(
        f"For each {top}, show the {name} and the number of {children} of {its} {middle}.",
        f"Show the {name} of each {top} and how many {children} {its} {middle} have.",
        f"How many {children} do the {middle} of each {top} have? Show the {name} and the number.",
    )
    columns = (f"T3.{label.name}", "COUNT(*)")
    return Draft(question, Select(columns, one.source(other), group=f"T3.{other.parent.key.name}"))


def _chain(pen: Pen) -> tuple[Link, Link]:
    links = pen.links()
    return pen.pick([(one, two) for one in links for two in links if one.parent == two.child])


def _bridge(pen: Pen) -> tuple[Link, Link, str]:
    table = pen.pick([table for table in pen.domain.tables if table.bridge])
    assert table.bridge
    links = {link.parent.name: link for link in pen.links() if link.child == table}
    left, right = links[table.bridge.left], links[table.bridge.right]
    if pen.chance(0.5):
        return left, right, table.bridge.left_by
    return right, left, table.bridge.right_by


def _condition(pen: Pen, table: Table) -> Condition:
    if table.label and pen.chance(0.5):
        return pen.condition_on(table, table.label)
    return pen.condition(table)


def _nouns(pen: Pen, table: Table, condition: Condition) -> str:
    if condition.column.kind == "label":
        return named(pen, table, condition)
    return noun_phrase(pen.rng, plural(table.noun), [condition])
