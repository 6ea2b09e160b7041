"""Templates that join two tables and group: numbers per parent, parents by their number of children."""

from text2sql_lightning.sample.conditions import noun_phrase
from text2sql_lightning.sample.domain import Column
from text2sql_lightning.sample.english import article, plural, request
from text2sql_lightning.sample.pen import Draft, Link, Pen, columns_sql
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.ranking import AVERAGES, aggregate, extremes, functions
from text2sql_lightning.sample.templates.groups import bound_for, groupable
from text2sql_lightning.sample.templates.order import direction


def count_per_parent(pen: Pen) -> Draft:
    """`SELECT T2.name, COUNT(*) FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.id`."""
    link, label = _labelled_link(pen)
    conditions = [pen.condition(link.child)] if pen.chance(0.3) else []
    children = noun_phrase(pen.rng, plural(link.child.noun), conditions)
    parent, name, its = link.parent.noun, label.phrase, link.parent.its
    wordings = [
        f"For each {parent} {link.parent.who} has any, show the {name} and the number of {children}.",
        f"Show the {name} of each {parent} and {its} number of {children}.",
        f"How many {children} does each {parent} have? Show the {name} and the number.",
        f"Show the {name} of each {parent} together with the number of {children}.",
    ]
    if not conditions:
        wordings += [
            f"For every {parent} with {children}, give the {name} and the number of {children}.",
            f"Give the {plural(name)} of the {plural(parent)} with their number of {children}.",
            f"Count the {children} of each {parent}, and show the {name} of the {parent} with the count.",
        ]
    where = tuple(condition.on("T1") for condition in conditions)
    columns = (f"T2.{label.name}", "COUNT(*)")
    return Draft(pen.pick(wordings), Select(columns, link.source(), where=where, group=_key(link)))


def aggregate_per_parent(pen: Pen) -> Draft:
    """`SELECT T2.name, AVG(T1.a) FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.id`."""
    link, label = _labelled_link(pen)
    measure = pen.rankable(link.child)
    function = pen.pick(functions(measure))
    children, parent, name = plural(link.child.noun), link.parent.noun, label.phrase
    what = aggregate(pen.rng, function, measure)
    its = link.parent.its
    question = pen.say(
        f"For each {parent}, show the {name} and the {what} of {its} {children}.",
        f"Show the {name} of each {parent} and the {what} of {its} {children}.",
        f"What is the {what} of the {children} of each {parent}? Show the {name} and the result.",
        f"List the {name} of every {parent} together with the {what} of {its} {children}.",
        f"Give the {name} of each {parent} along with the {what} of {its} {children}.",
    )
    columns = (f"T2.{label.name}", f"{function}(T1.{measure.name})")
    return Draft(question, Select(columns, link.source(), group=_key(link)))


def count_per_parent_group(pen: Pen) -> Draft:
    """`SELECT T2.a, COUNT(*) FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.a`."""
    link, column = _grouped_link(pen)
    children, parent = plural(link.child.noun), link.parent.noun
    each = f"{column.phrase} of the {parent}"
    question = pen.say(
        f"How many {children} are there for each {each}?",
        f"For each {each}, how many {children} are there?",
        f"Show the number of {children} per {each}, with the {column.phrase} first.",
        f"Count the {children} for each {each}.",
        f"For every {each}, give the number of {children}.",
    )
    columns = (f"T2.{column.name}", "COUNT(*)")
    return Draft(question, Select(columns, link.source(), group=f"T2.{column.name}"))


def aggregate_per_parent_group(pen: Pen) -> Draft:
    """`SELECT T2.a, AVG(T1.b) FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.a`."""
    link, column = _grouped_link(pen)
    measure = pen.rankable(link.child)
    function = pen.pick(functions(measure))
    what = aggregate(pen.rng, function, measure)
    children, each = plural(link.child.noun), f"{column.phrase} of the {link.parent.noun}"
    question = pen.say(
        f"What is the {what} of the {children} for each {each}?",
        f"For each {each}, what is the {what} of the {children}?",
        f"Show the {what} of the {children} for every {each}.",
        f"Find the {what} of {children} by {each}.",
    )
    columns = (f"T2.{column.name}", f"{function}(T1.{measure.name})")
    return Draft(question, Select(columns, link.source(), group=f"T2.{column.name}"))


def parents_with_count(pen: Pen) -> Draft:
    """`SELECT T2.name FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.id HAVING COUNT(*) > 2`."""
    link, label = _labelled_link(pen)
    # No upper bound: "fewer than 3" would include parents without children, which the join leaves out.
    words, having = pen.pick((("more than {}", "COUNT(*) > {}"), ("at least {}", "COUNT(*) >= {}")))
    size = pen.rng.randint(2, 4)
    children = f"{words.format(size)} {plural(link.child.noun)}"
    parents, many, who = plural(link.parent.noun), plural(label.phrase), link.parent.who
    wanted = pen.say(
        f"the {many} of the {parents} {who} have {children}",
        f"the {many} of {parents} with {children}",
        f"the {many} of all {parents} with {children}",
    )
    question = request(pen.rng, wanted, many=True)
    if pen.chance(0.25):
        question = f"Which {parents} have {children}?"
    query = Select((f"T2.{label.name}",), link.source(), group=_key(link), having=having.format(size))
    return Draft(question, query)


def parents_with_average(pen: Pen) -> Draft:
    """`SELECT T2.name FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.id HAVING AVG(T1.a) > 10`."""
    link, label = _labelled_link(pen)
    measure = pen.pick([column for column in link.child.of_kind("number") if not column.nulls])
    function = pen.pick(("AVG", "SUM") if measure.sums else ("AVG",))
    per_parent = Select((f"{function}({measure.name})",), link.child.name, group=link.ref.name)
    bound = bound_for(pen, per_parent)
    word, way = pen.pick((("above", ">"), ("greater than", ">"), ("below", "<")))
    what = aggregate(pen.rng, function, measure)
    children, parents, many = plural(link.child.noun), plural(link.parent.noun), plural(label.phrase)
    wanted = pen.say(
        f"the {many} of the {parents} whose {children} have {article(what)} {word} {bound}",
        f"the {many} of {parents} for which the {what} of the {children} is {word} {bound}",
        f"the {many} of all {parents} where the {what} of their {children} is {word} {bound}",
    )
    having = f"{function}(T1.{measure.name}) {way} {bound}"
    query = Select((f"T2.{label.name}",), link.source(), group=_key(link), having=having)
    return Draft(request(pen.rng, wanted, many=True), query)


def parent_with_most(pen: Pen) -> Draft:
    """`SELECT T2.name FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.id ORDER BY COUNT(*) DESC LIMIT 1`."""
    link, label = _labelled_link(pen)
    conditions = [pen.condition(link.child)] if pen.chance(0.4) else []
    children = noun_phrase(pen.rng, plural(link.child.noun), conditions)
    parent, name = link.parent.noun, label.phrase
    size = pen.pick((1, 1, 1, 3))
    if size == 1:
        question = pen.say(
            f"Which {parent} has the most {children}?",
            f"What is the {name} of the {parent} with the most {children}?",
            f"Find the {name} of the {parent} {link.parent.who} has the most {children}.",
            f"Return the {name} of the {parent} with the largest number of {children}.",
            f"Show the {name} of the {parent} with the highest number of {children}.",
        )
    else:
        wanted = f"the {plural(name)} of the {size} {plural(parent)} with the most {children}"
        question = request(pen.rng, wanted, many=True)
    where = tuple(condition.on("T1") for condition in conditions)
    query = Select(
        (f"T2.{label.name}",), link.source(), where=where, group=_key(link), order="COUNT(*) DESC", limit=size
    )
    return Draft(question, query)


def parent_with_best(pen: Pen) -> Draft:
    """`SELECT T2.name FROM child AS T1 JOIN parent AS T2 ON ... GROUP BY T2.id ORDER BY AVG(T1.a) DESC LIMIT 1`."""
    link, label = _labelled_link(pen)
    measure = pen.pick([column for column in link.child.of_kind("number") if not column.nulls])
    function = pen.pick(("AVG", "SUM") if measure.sums else ("AVG",))
    descending = pen.chance(0.65)
    what = f"{extremes(measure, largest=descending)[0]} {pen.pick(AVERAGES[function])} {measure.phrase}"
    children, parent, its = plural(link.child.noun), link.parent.noun, link.parent.its
    question = pen.say(
        f"Which {parent} has the {what} of {children}?",
        f"What is the {label.phrase} of the {parent} whose {children} have the {what}?",
        f"Find the {label.phrase} of the {parent} with the {what} of {its} {children}.",
    )
    order = direction(f"{function}(T1.{measure.name})", descending)
    return Draft(question, Select((f"T2.{label.name}",), link.source(), group=_key(link), order=order, limit=1))


def count_including_none(pen: Pen) -> Draft:
    """`SELECT T1.name, COUNT(T2.id) FROM parent AS T1 LEFT JOIN child AS T2 ON ... GROUP BY T1.id`."""
    link, label = _labelled_link(pen)
    child, parent = link.child, link.parent
    children, noun, name = plural(child.noun), parent.noun, label.phrase
    question = pen.say(
        f"For every {noun}, including those without {children}, show the {name} and the number of {children}.",
        f"Show the {name} of every {noun} with {parent.its} number of {children}, also where it is zero.",
        f"List all {plural(noun)} by {name} with their number of {children}, including those with none.",
        f"Count the {children} of each {noun}, including {plural(noun)} with none. Show the {name} and the count.",
    )
    source = f"{parent.name} AS T1 LEFT JOIN {child.name} AS T2 ON T1.{parent.key.name} = T2.{link.ref.name}"
    columns = (f"T1.{label.name}", f"COUNT(T2.{child.key.name})")
    return Draft(question, Select(columns, source, group=f"T1.{parent.key.name}"))


def _labelled_link(pen: Pen) -> tuple[Link, Column]:
    link = pen.pick([link for link in pen.links() if link.parent.label])
    assert link.parent.label
    return link, link.parent.label


def _grouped_link(pen: Pen) -> tuple[Link, Column]:
    link = pen.pick([link for link in pen.links() if groupable(link.parent)])
    return link, pen.pick(groupable(link.parent))


def _key(link: Link) -> str:
    return columns_sql([link.parent.key], "T2")[0]
