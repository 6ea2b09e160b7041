"""Templates with a subquery in WHERE or FROM."""

from text2sql_lightning.sample.conditions import noun_phrase
from text2sql_lightning.sample.domain import Table
from text2sql_lightning.sample.english import article, plural, request
from text2sql_lightning.sample.pen import Draft, Pen, columns_sql, plural_phrases
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.templates.rows import ask_columns


def against_average(pen: Pen) -> Draft:
    """`SELECT a FROM t WHERE b > (SELECT AVG(b) FROM t)`."""
    table = pen.table()
    measure = pen.pick([measure for measure in table.of_kind("number") if not measure.nulls])
    above, phrase = pen.chance(0.6), measure.phrase
    word = "above" if above else "below"
    tail = pen.say(f"with {article(phrase)} {word} the average", f"whose {phrase} is {word} the average {phrase}")
    where = (f"{measure.name} {'>' if above else '<'} (SELECT AVG({measure.name}) FROM {table.name})",)
    columns = pen.shown(table, 1, besides=[measure])
    question = ask_columns(pen, columns, f"{plural(table.noun)} {tail}", f"{table.noun} {tail}")
    return Draft(question, Select(columns_sql(columns), table.name, where=where))


def without_children(pen: Pen) -> Draft:
    """`SELECT a FROM parent WHERE id NOT IN (SELECT parent_id FROM child)`."""
    link = pen.link()
    inner = Select((link.ref.name,), link.child.name)
    where = f"{link.parent.key.name} NOT IN ({inner.text()})"
    return _parents(pen, link.parent, f"without any {plural(link.child.noun)}", where)


def with_some_child(pen: Pen) -> Draft:
    """`SELECT a FROM parent WHERE id IN (SELECT parent_id FROM child WHERE b = 'x')`."""
    link = pen.link()
    condition = pen.condition(link.child)
    child = noun_phrase(pen.rng, link.child.noun, [condition])
    inner = Select((link.ref.name,), link.child.name, where=(condition.on(),))
    where = f"{link.parent.key.name} IN ({inner.text()})"
    return _parents(pen, link.parent, f"with at least one {child}", where)


def _parents(pen: Pen, parent: Table, tail: str, where: str) -> Draft:
    columns = pen.shown(parent, 1)
    wanted = f"the {plural_phrases(columns)} of the {plural(parent.noun)} {tail}"
    return Draft(request(pen.rng, wanted, many=True), Select(columns_sql(columns), parent.name, where=(where,)))


def average_count(pen: Pen) -> Draft:
    """`SELECT AVG(n) FROM (SELECT COUNT(*) AS n FROM child GROUP BY parent_id)`."""
    link = pen.link()
    children, parent = plural(link.child.noun), link.parent.noun
    question = f"What is the average number of {children} per {parent} among the {plural(parent)} with {children}?"
    inner = Select(("COUNT(*) AS n",), link.child.name, group=link.ref.name)
    return Draft(question, Select(("AVG(n)",), f"({inner.text()})"))
