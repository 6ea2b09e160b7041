"""Templates that join a table to one it refers to, row by row or grouped, or two tables through a third."""

from sample.aggregates import ask_count, count_bound
from sample.chooser import Chooser, Draft, Link, columns_sql, described, phrases
from sample.conditions import noun_phrase
from sample.database import Select
from sample.english import aggregate, article, functions, plural, request, superlative
from sample.rows import ask_columns, direction, named
from sample.schema import Column


def child_with_parent(choose: Chooser) -> Draft:
    """`SELECT T1.a, T2.b FROM child AS T1 JOIN parent AS T2 ON ...`."""
    link = choose.link()
    child, parent = link.child, link.parent
    own = choose.shown(child, 1)
    other = parent.label if parent.label and choose.chance(0.75) else choose.one(described(parent))
    wanted = f"the {phrases(own)} of each {child.noun} and the {other.phrase} of the {parent.noun}"
    columns = (*columns_sql(own, "T1"), *columns_sql([other], "T2"))
    return Draft(request(choose.rng, wanted, many=True), Select(columns, link.source()))


def child_of_parents(choose: Chooser) -> Draft:
    """`SELECT T1.a FROM child AS T1 JOIN parent AS T2 ON ... WHERE T2.b = 'x'`."""
    link = choose.link()
    columns = choose.shown(link.child, choose.one((1, 1, 1, 1, 2)))
    tail, where = _parent_phrase(choose, link)
    question = ask_columns(choose, columns, f"{plural(link.child.noun)} {tail}", f"{link.child.noun} {tail}")
    return Draft(question, Select(columns_sql(columns, "T1"), link.source(), where=where))


def _parent_phrase(choose: Chooser, link: Link) -> tuple[str, tuple[str, ...]]:
    """The parent behind the child's noun ("of the winery named Old Hill") with its condition on T2."""
    parent = link.parent
    if parent.label and choose.chance(0.45):
        condition = choose.condition_on(parent, parent.label)
        return f"of the {named(choose, parent, condition)}", (condition.on("T2"),)
    condition = choose.condition(parent)
    if condition.having and choose.chance(0.4):
        return f"whose {parent.noun} has {choose.one(condition.having)}", (condition.on("T2"),)
    return f"of {noun_phrase(choose.rng, plural(parent.noun), [condition])}", (condition.on("T2"),)


def parent_of_child(choose: Chooser) -> Draft:
    """`SELECT T2.a FROM child AS T1 JOIN parent AS T2 ON ... WHERE T1.name = 'X'`."""
    link = choose.one([link for link in choose.links() if link.child.label])
    child, parent = link.child, link.parent
    condition = choose.condition_on(child, choose.label(child))
    columns = choose.shown(parent, 1)
    wanted = f"the {phrases(columns)} of the {parent.noun} of the {named(choose, child, condition)}"
    query = Select(columns_sql(columns, "T2"), link.source(), where=(condition.on("T1"),))
    return Draft(request(choose.rng, wanted, many=False), query)


def count_children(choose: Chooser) -> Draft:
    """`SELECT COUNT(*) FROM child AS T1 JOIN parent AS T2 ON ... WHERE T2.b = 'x'`."""
    link = choose.link()
    tail, where = _parent_phrase(choose, link)
    question = ask_count(choose, f"{plural(link.child.noun)} {tail}")
    return Draft(question, Select(("COUNT(*)",), link.source(), where=where))


def aggregate_children(choose: Chooser) -> Draft:
    """`SELECT AVG(T1.a) FROM child AS T1 JOIN parent AS T2 ON ... WHERE T2.b = 'x'`."""
    link = choose.link()
    measure = choose.rankable(link.child)
    function = choose.one(functions(measure))
    tail, where = _parent_phrase(choose, link)
    wanted = f"the {aggregate(choose.rng, function, measure)} of the {plural(link.child.noun)} {tail}"
    query = Select((f"{function}(T1.{measure.name})",), link.source(), where=where)
    return Draft(request(choose.rng, wanted, many=False), query)


def distinct_parents(choose: Chooser) -> Draft:
    """`SELECT DISTINCT T2.a FROM child AS T1 JOIN parent AS T2 ON ... WHERE T1.b = 'x'`."""
    link = choose.link()
    parent = link.parent
    column = parent.label or choose.column(parent, "text")
    condition = choose.condition(link.child)
    child = article(noun_phrase(choose.rng, link.child.noun, [condition]))
    wanted = f"the different {plural(column.phrase)} of the {plural(parent.noun)} that have {child}"
    query = Select(columns_sql([column], "T2"), link.source(), where=(condition.on("T1"),), distinct=True)
    return Draft(request(choose.rng, wanted, many=True), query)


def parent_of_top_child(choose: Chooser) -> Draft:
    """`SELECT T2.a FROM child AS T1 JOIN parent AS T2 ON ... ORDER BY T1.b DESC LIMIT 1`."""
    link = choose.link()
    child, parent = link.child, link.parent
    key, descending = choose.rankable(child), choose.chance(0.65)
    column = parent.label or choose.one(described(parent))
    row = superlative(choose.rng, child.noun, key, descending=descending)
    wanted = f"the {column.phrase} of the {parent.noun} of the {row}"
    query = Select(columns_sql([column], "T2"), link.source(), order=direction(f"T1.{key.name}", descending), limit=1)
    return Draft(request(choose.rng, wanted, many=False), query)


def count_per_parent(choose: Chooser) -> Draft:
    """`SELECT T2.name, COUNT(*) FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.name`."""
    link, label = _labelled_link(choose)
    children, parent, name = plural(link.child.noun), link.parent.noun, label.phrase
    question = choose.wording(
        f"Show the {name} of each {parent} and the number of {children}.",
        f"For each {parent}, show the {name} and the number of {children}.",
        f"How many {children} does each {parent} have? Show the {name} and the number.",
    )
    column = f"T2.{label.name}"
    return Draft(question, Select((column, "COUNT(*)"), link.source(), group=column))


def aggregate_per_parent(choose: Chooser) -> Draft:
    """`SELECT T2.name, AVG(T1.a) FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.name`."""
    link, label = _labelled_link(choose)
    measure = choose.rankable(link.child)
    function = choose.one(functions(measure))
    children, parent, name = plural(link.child.noun), link.parent.noun, label.phrase
    what = aggregate(choose.rng, function, measure)
    question = choose.wording(
        f"Show the {name} of each {parent} and the {what} of the {children}.",
        f"For each {parent}, show the {name} and the {what} of the {children}.",
    )
    column = f"T2.{label.name}"
    return Draft(question, Select((column, f"{function}(T1.{measure.name})"), link.source(), group=column))


def parents_with_count(choose: Chooser) -> Draft:
    """`SELECT T2.name FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.name HAVING COUNT(*) > 2`."""
    link, label = _labelled_link(choose)
    # No upper bound: "fewer than 3" would include parents without children, which the join leaves out.
    words, having = count_bound(choose, choose.rng.randint(2, 4))
    wanted = f"the {plural(label.phrase)} of the {plural(link.parent.noun)} with {words} {plural(link.child.noun)}"
    column = f"T2.{label.name}"
    return Draft(request(choose.rng, wanted, many=True), Select((column,), link.source(), group=column, having=having))


def parent_with_most(choose: Chooser) -> Draft:
    """`SELECT T2.name FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.name ORDER BY COUNT(*) DESC LIMIT 1`."""
    link, label = _labelled_link(choose)
    wanted = f"the {label.phrase} of the {link.parent.noun} with the most {plural(link.child.noun)}"
    column = f"T2.{label.name}"
    query = Select((column,), link.source(), group=column, order="COUNT(*) DESC", limit=1)
    return Draft(request(choose.rng, wanted, many=False), query)


def count_including_none(choose: Chooser) -> Draft:
    """`SELECT T1.name, COUNT(T2.id) FROM parent AS T1 LEFT JOIN child AS T2 ON ... GROUP BY T1.name`."""
    link, label = _labelled_link(choose)
    child, parent = link.child, link.parent
    children, noun, name = plural(child.noun), parent.noun, label.phrase
    nouns = plural(noun)
    question = f"Show the {name} of each {noun} and the number of {children}, including {nouns} without any {children}."
    source = f"{parent.name} AS T1 LEFT JOIN {child.name} AS T2 ON T1.{parent.key.name} = T2.{link.ref.name}"
    columns = (f"T1.{label.name}", f"COUNT(T2.{child.key.name})")
    return Draft(question, Select(columns, source, group=f"T1.{label.name}"))


def _labelled_link(choose: Chooser) -> tuple[Link, Column]:
    link = choose.one([link for link in choose.links() if link.parent.label])
    return link, choose.label(link.parent)


def through_bridge(choose: Chooser) -> Draft:
    """`SELECT T2.name FROM link AS T1 JOIN a AS T2 ON ... JOIN b AS T3 ON ... WHERE T3.name = 'X'`."""
    one, other, by = _bridge(choose)
    columns = choose.shown(one.parent, 1)
    condition = choose.condition_on(other.parent, choose.label(other.parent))
    tail = f"{by} the {named(choose, other.parent, condition)}"
    query = Select(columns_sql(columns, "T2"), one.source(other), where=(condition.on("T3"),))
    return Draft(ask_columns(choose, columns, f"{plural(one.parent.noun)} {tail}", f"{one.parent.noun} {tail}"), query)


def _bridge(choose: Chooser) -> tuple[Link, Link, str]:
    """Two links of one table, with the words from the first parent to the second."""
    table = choose.one([table for table in choose.domain.tables if table.bridge])
    links = {link.parent.name: link for link in choose.links() if link.child == table}
    (left, left_by), (right, right_by) = table.bridge
    if choose.chance(0.5):
        return links[left], links[right], left_by
    return links[right], links[left], right_by
