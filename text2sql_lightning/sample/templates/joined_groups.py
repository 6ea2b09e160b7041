"""Templates that join two tables and group: numbers per parent, parents by their number of children."""

from text2sql_lightning.sample.domain import Column
from text2sql_lightning.sample.english import plural, request
from text2sql_lightning.sample.pen import Draft, Link, Pen
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.ranking import aggregate, functions
from text2sql_lightning.sample.templates.groups import count_bound


def count_per_parent(pen: Pen) -> Draft:
    """`SELECT T2.name, COUNT(*) FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.name`."""
    link, label = _labelled_link(pen)
    children, parent, name = plural(link.child.noun), link.parent.noun, label.phrase
    question = pen.say(
        f"Show the {name} of each {parent} and the number of {children}.",
        f"For each {parent}, show the {name} and the number of {children}.",
        f"How many {children} does each {parent} have? Show the {name} and the number.",
    )
    column = f"T2.{label.name}"
    return Draft(question, Select((column, "COUNT(*)"), link.source(), group=column))


def aggregate_per_parent(pen: Pen) -> Draft:
    """`SELECT T2.name, AVG(T1.a) FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.name`."""
    link, label = _labelled_link(pen)
    measure = pen.rankable(link.child)
    function = pen.pick(functions(measure))
    children, parent, name = plural(link.child.noun), link.parent.noun, label.phrase
    what = aggregate(pen.rng, function, measure)
    question = pen.say(
        f"Show the {name} of each {parent} and the {what} of the {children}.",
        f"For each {parent}, show the {name} and the {what} of the {children}.",
    )
    column = f"T2.{label.name}"
    return Draft(question, Select((column, f"{function}(T1.{measure.name})"), link.source(), group=column))


def parents_with_count(pen: Pen) -> Draft:
    """`SELECT T2.name FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.name HAVING COUNT(*) > 2`."""
    link, label = _labelled_link(pen)
    # No upper bound: "fewer than 3" would include parents without children, which the join leaves out.
    words, having = count_bound(pen, pen.rng.randint(2, 4))
    wanted = f"the {plural(label.phrase)} of the {plural(link.parent.noun)} with {words} {plural(link.child.noun)}"
    column = f"T2.{label.name}"
    return Draft(request(pen.rng, wanted, many=True), Select((column,), link.source(), group=column, having=having))


def parent_with_most(pen: Pen) -> Draft:
    """`SELECT T2.name FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.name ORDER BY COUNT(*) DESC LIMIT 1`."""
    link, label = _labelled_link(pen)
    wanted = f"the {label.phrase} of the {link.parent.noun} with the most {plural(link.child.noun)}"
    column = f"T2.{label.name}"
    query = Select((column,), link.source(), group=column, order="COUNT(*) DESC", limit=1)
    return Draft(request(pen.rng, wanted, many=False), query)


def count_including_none(pen: Pen) -> Draft:
    """`SELECT T1.name, COUNT(T2.id) FROM parent AS T1 LEFT JOIN child AS T2 ON ... GROUP BY T1.name`."""
    link, label = _labelled_link(pen)
    child, parent = link.child, link.parent
    children, noun, name = plural(child.noun), parent.noun, label.phrase
    nouns = plural(noun)
    question = f"Show the {name} of each {noun} and the number of {children}, including {nouns} without any {children}."
    source = f"{parent.name} AS T1 LEFT JOIN {child.name} AS T2 ON T1.{parent.key.name} = T2.{link.ref.name}"
    columns = (f"T1.{label.name}", f"COUNT(T2.{child.key.name})")
    return Draft(question, Select(columns, source, group=f"T1.{label.name}"))


def _labelled_link(pen: Pen) -> tuple[Link, Column]:
    link = pen.pick([link for link in pen.links() if link.parent.label])
    return link, pen.label(link.parent)
