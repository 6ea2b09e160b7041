"""Templates that join a table to one it refers to, and answer row by row or with one number."""

from text2sql_lightning.sample.conditions import noun_phrase
from text2sql_lightning.sample.english import article, plural, request
from text2sql_lightning.sample.pen import Draft, Link, Pen, columns_sql, described, phrases
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.ranking import aggregate, functions, superlative
from text2sql_lightning.sample.templates.numbers import ask_count
from text2sql_lightning.sample.templates.order import direction
from text2sql_lightning.sample.templates.rows import ask_columns, named


def child_with_parent(pen: Pen) -> Draft:
    """`SELECT T1.a, T2.b FROM child AS T1 JOIN parent AS T2 ON ...`."""
    link = pen.link()
    child, parent = link.child, link.parent
    own = pen.shown(child, 1)
    other = parent.label if parent.label and pen.chance(0.75) else pen.pick(described(parent))
    wanted = f"the {phrases(own)} of each {child.noun} and the {other.phrase} of the {parent.noun}"
    columns = (*columns_sql(own, "T1"), *columns_sql([other], "T2"))
    return Draft(request(pen.rng, wanted, many=True), Select(columns, link.source()))


def child_of_parents(pen: Pen) -> Draft:
    """`SELECT T1.a FROM child AS T1 JOIN parent AS T2 ON ... WHERE T2.b = 'x'`."""
    link = pen.link()
    columns = pen.shown(link.child, pen.pick((1, 1, 1, 1, 2)))
    tail, where = _parent_phrase(pen, link)
    question = ask_columns(pen, columns, f"{plural(link.child.noun)} {tail}", f"{link.child.noun} {tail}")
    return Draft(question, Select(columns_sql(columns, "T1"), link.source(), where=where))


def _parent_phrase(pen: Pen, link: Link) -> tuple[str, tuple[str, ...]]:
    """The parent behind the child's noun ("of the winery named Old Hill") with its condition on T2."""
    parent = link.parent
    if parent.label and pen.chance(0.45):
        condition = pen.condition_on(parent, parent.label)
        return f"of the {named(pen, parent, condition)}", (condition.on("T2"),)
    condition = pen.condition(parent)
    if condition.having and pen.chance(0.4):
        return f"whose {parent.noun} has {pen.pick(condition.having)}", (condition.on("T2"),)
    return f"of {noun_phrase(pen.rng, plural(parent.noun), [condition])}", (condition.on("T2"),)


def parent_of_child(pen: Pen) -> Draft:
    """`SELECT T2.a FROM child AS T1 JOIN parent AS T2 ON ... WHERE T1.name = 'X'`."""
    link = pen.pick([link for link in pen.links() if link.child.label])
    child, parent = link.child, link.parent
    condition = pen.condition_on(child, pen.label(child))
    columns = pen.shown(parent, 1)
    wanted = f"the {phrases(columns)} of the {parent.noun} of the {named(pen, child, condition)}"
    query = Select(columns_sql(columns, "T2"), link.source(), where=(condition.on("T1"),))
    return Draft(request(pen.rng, wanted, many=False), query)


def count_children(pen: Pen) -> Draft:
    """`SELECT COUNT(*) FROM child AS T1 JOIN parent AS T2 ON ... WHERE T2.b = 'x'`."""
    link = pen.link()
    tail, where = _parent_phrase(pen, link)
    question = ask_count(pen, f"{plural(link.child.noun)} {tail}")
    return Draft(question, Select(("COUNT(*)",), link.source(), where=where))


def aggregate_children(pen: Pen) -> Draft:
    """`SELECT AVG(T1.a) FROM child AS T1 JOIN parent AS T2 ON ... WHERE T2.b = 'x'`."""
    link = pen.link()
    measure = pen.rankable(link.child)
    function = pen.pick(functions(measure))
    tail, where = _parent_phrase(pen, link)
    wanted = f"the {aggregate(pen.rng, function, measure)} of the {plural(link.child.noun)} {tail}"
    query = Select((f"{function}(T1.{measure.name})",), link.source(), where=where)
    return Draft(request(pen.rng, wanted, many=False), query)


def distinct_parents(pen: Pen) -> Draft:
    """`SELECT DISTINCT T2.a FROM child AS T1 JOIN parent AS T2 ON ... WHERE T1.b = 'x'`."""
    link = pen.link()
    parent = link.parent
    column = parent.label or pen.column(parent, "text")
    condition = pen.condition(link.child)
    child = article(noun_phrase(pen.rng, link.child.noun, [condition]))
    wanted = f"the different {plural(column.phrase)} of the {plural(parent.noun)} that have {child}"
    query = Select(columns_sql([column], "T2"), link.source(), where=(condition.on("T1"),), distinct=True)
    return Draft(request(pen.rng, wanted, many=True), query)


def parent_of_top_child(pen: Pen) -> Draft:
    """`SELECT T2.a FROM child AS T1 JOIN parent AS T2 ON ... ORDER BY T1.b DESC LIMIT 1`."""
    link = pen.link()
    child, parent = link.child, link.parent
    key, descending = pen.rankable(child), pen.chance(0.65)
    column = parent.label or pen.pick(described(parent))
    row = superlative(pen.rng, child.noun, key, descending=descending)
    wanted = f"the {column.phrase} of the {parent.noun} of the {row}"
    query = Select(columns_sql([column], "T2"), link.source(), order=direction(f"T1.{key.name}", descending), limit=1)
    return Draft(request(pen.rng, wanted, many=False), query)
