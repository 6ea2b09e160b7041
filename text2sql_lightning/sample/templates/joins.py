"""Templates that join a table to one it refers to, and answer row by row or with one number."""

from text2sql_lightning.sample.conditions import Condition, noun_phrase
from text2sql_lightning.sample.domain import Column
from text2sql_lightning.sample.english import plural, request
from text2sql_lightning.sample.pen import Draft, Link, Pen, columns_sql, described, phrases, plural_phrases
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.ranking import aggregate, functions, sorting, superlative
from text2sql_lightning.sample.templates.numbers import ask_count
from text2sql_lightning.sample.templates.order import direction
from text2sql_lightning.sample.templates.rows import ask_columns, named


def child_with_parent(pen: Pen) -> Draft:
    """`SELECT T1.a, T2.b FROM child AS T1 JOIN parent AS T2 ON ...`, with or without a condition or an order."""
    link = pen.link()
    child, parent = link.child, link.parent
    conditions = [pen.condition(child)] if pen.chance(0.5) else []
    besides = [condition.column for condition in conditions]
    own = pen.shown(child, pen.pick((1, 1, 2)), besides=besides)
    other = parent.label if parent.label and pen.chance(0.75) else pen.pick(described(parent))
    noun = noun_phrase(pen.rng, child.noun, conditions)
    nouns = noun_phrase(pen.rng, plural(child.noun), conditions)
    tail, order = "", ""
    if not conditions and pen.chance(0.35):
        key, descending = pen.rankable(child), pen.chance(0.6)
        tail, order = f", {sorting(pen.rng, key, descending=descending)}", direction(f"T1.{key.name}", descending)
    of_parent = _its_parent(pen, link, other)
    wanted = pen.say(
        f"the {phrases(own)} of each {noun} together with {of_parent}{tail}",
        f"the {phrases(own)} of every {noun} along with {of_parent}{tail}",
        f"the {phrases(own)} of each {noun} and {of_parent}{tail}",
        f"the {plural_phrases(own)} of the {nouns}, each with {of_parent}{tail}",
    )
    question = request(pen.rng, wanted, many=True)
    if not tail and pen.chance(0.25):
        verb = pen.say("show", "list", "give")
        question = f"For each {noun}, {verb} the {phrases(own)} and {of_parent}."
    columns = (*columns_sql(own, "T1"), *columns_sql([other], "T2"))
    return Draft(question, Select(columns, link.source(), where=_where(conditions, "T1"), order=order))


def _its_parent(pen: Pen, link: Link, column: Column) -> str:
    return pen.say(
        f"the {column.phrase} of {link.child.its} {link.parent.noun}", f"the {column.phrase} of the {link.parent.noun}"
    )


def child_of_parents(pen: Pen) -> Draft:
    """`SELECT T1.a FROM child AS T1 JOIN parent AS T2 ON ... WHERE T2.b = 'x'`, perhaps with one more condition."""
    link = pen.link()
    conditions = [pen.condition(link.child)] if pen.chance(0.3) else []
    columns = pen.shown(link.child, pen.pick((1, 1, 2)), besides=[condition.column for condition in conditions])
    tail, where = _parent_phrase(pen, link)
    nouns = f"{noun_phrase(pen.rng, plural(link.child.noun), conditions)} {tail}"
    noun = f"{noun_phrase(pen.rng, link.child.noun, conditions)} {tail}"
    question = ask_columns(pen, columns, nouns, noun)
    where = (*_where(conditions, "T1"), where[0])
    return Draft(question, Select(columns_sql(columns, "T1"), link.source(), where=where))


def _parent_phrase(pen: Pen, link: Link) -> tuple[str, tuple[str, ...]]:
    """The parent behind the child's noun ("made by wineries in Italy") with its condition on T2."""
    parent = link.parent
    if parent.label and pen.chance(0.45):
        condition = pen.condition_on(parent, parent.label)
        return f"{link.ref.by} {named(pen, parent, condition)}", _where([condition], "T2")
    condition = pen.condition(parent)
    return f"{link.ref.by} {noun_phrase(pen.rng, plural(parent.noun), [condition])}", _where([condition], "T2")


def parent_of_child(pen: Pen) -> Draft:
    """`SELECT T2.a FROM child AS T1 JOIN parent AS T2 ON ... WHERE T1.name = 'X'`."""
    link = pen.pick([link for link in pen.links() if link.child.label])
    child, parent = link.child, link.parent
    condition = pen.condition_on(child, pen.label(child))
    columns = pen.shown(parent, pen.pick((1, 1, 2)))
    row = named(pen, child, condition)
    wanted = f"the {phrases(columns)} of the {parent.noun} of {row}"
    question = request(pen.rng, wanted, many=len(columns) > 1)
    return Draft(question, Select(columns_sql(columns, "T2"), link.source(), where=_where([condition], "T1")))


def distinct_parents(pen: Pen) -> Draft:
    """`SELECT DISTINCT T2.a FROM child AS T1 JOIN parent AS T2 ON ... WHERE T1.b = 'x'`."""
    link = pen.link()
    parent = link.parent
    column = parent.label if parent.label and pen.chance(0.6) else pen.column(parent, "text")
    condition = pen.condition(link.child)
    children = noun_phrase(pen.rng, plural(link.child.noun), [condition])
    wanted = pen.say(
        f"the different {plural(column.phrase)} of {plural(parent.noun)} {parent.who} have {children}",
        f"the distinct {plural(column.phrase)} of the {plural(parent.noun)} {parent.who} have {children}",
        f"the {plural(column.phrase)} of the {plural(parent.noun)} {parent.who} have {children}, each only once",
        f"the {plural(column.phrase)} of {plural(parent.noun)} with {children}, without repeats",
    )
    query = Select(columns_sql([column], "T2"), link.source(), where=_where([condition], "T1"), distinct=True)
    return Draft(request(pen.rng, wanted, many=True), query)


def count_children(pen: Pen) -> Draft:
    """`SELECT COUNT(*) FROM child AS T1 JOIN parent AS T2 ON ... WHERE T2.b = 'x'`."""
    link = pen.link()
    conditions = [pen.condition(link.child)] if pen.chance(0.3) else []
    tail, where = _parent_phrase(pen, link)
    nouns = f"{noun_phrase(pen.rng, plural(link.child.noun), conditions)} {tail}"
    where = (*_where(conditions, "T1"), *where)
    return Draft(ask_count(pen, nouns), Select(("COUNT(*)",), link.source(), where=where))


def aggregate_children(pen: Pen) -> Draft:
    """`SELECT AVG(T1.a) FROM child AS T1 JOIN parent AS T2 ON ... WHERE T2.b = 'x'`."""
    link = pen.link()
    measure = pen.rankable(link.child)
    function = pen.pick(functions(measure))
    tail, where = _parent_phrase(pen, link)
    what = aggregate(pen.rng, function, measure)
    wanted = f"the {what} of {pen.say('', 'the ', 'all ')}{plural(link.child.noun)} {tail}"
    query = Select((f"{function}(T1.{measure.name})",), link.source(), where=where)
    return Draft(request(pen.rng, wanted, many=False), query)


def parent_of_top_child(pen: Pen) -> Draft:
    """`SELECT T2.a FROM child AS T1 JOIN parent AS T2 ON ... ORDER BY T1.b DESC LIMIT 1`."""
    link = pen.link()
    child, parent = link.child, link.parent
    key, descending = pen.rankable(child), pen.chance(0.65)
    column = parent.label if parent.label and pen.chance(0.75) else pen.pick(described(parent))
    row = superlative(pen.rng, child.noun, key, descending=descending)
    wanted = pen.say(
        f"the {column.phrase} of the {parent.noun} {parent.who} has the {row}",
        f"the {column.phrase} of the {parent.noun} of the {row}",
    )
    query = Select(columns_sql([column], "T2"), link.source(), order=direction(f"T1.{key.name}", descending), limit=1)
    return Draft(request(pen.rng, wanted, many=False), query)


def top_children(pen: Pen) -> Draft:
    """`SELECT T1.a FROM child AS T1 JOIN parent AS T2 ON ... WHERE T2.b = 'x' ORDER BY T1.c DESC LIMIT 3`."""
    link = pen.link()
    child = link.child
    key, descending, size = pen.rankable(child), pen.chance(0.65), pen.pick((1, 1, 2, 3))
    columns = pen.shown(child, 1, besides=[key])
    tail, where = _parent_phrase(pen, link)
    best = superlative(pen.rng, plural(child.noun) if size > 1 else child.noun, key, descending=descending, behind=tail)
    what = phrases(columns) if size == 1 else plural_phrases(columns)
    wanted = f"the {what} of the {best}" if size == 1 else f"the {what} of the {size} {best}"
    order = direction(f"T1.{key.name}", descending)
    query = Select(columns_sql(columns, "T1"), link.source(), where=where, order=order, limit=size)
    return Draft(request(pen.rng, wanted, many=size > 1), query)


def _where(conditions: list[Condition], alias: str) -> tuple[str, ...]:
    return tuple(condition.on(alias) for condition in conditions)
