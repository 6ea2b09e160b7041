"""Templates with a subquery in WHERE or FROM."""

from text2sql_lightning.sample.conditions import articled, noun_phrase, quote
from text2sql_lightning.sample.english import article, plural, request
from text2sql_lightning.sample.pen import Draft, Pen, columns_sql
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.templates.numbers import ask_count
from text2sql_lightning.sample.templates.rows import ask_columns


def against_average(pen: Pen) -> Draft:
    """`SELECT a FROM t WHERE b > (SELECT AVG(b) FROM t)`, the rows or their number."""
    table = pen.table()
    measure = pen.pick([measure for measure in table.of_kind("number") if not measure.nulls])
    above = pen.chance(0.6)
    word, phrase, a_phrase = "above" if above else "below", measure.phrase, articled(measure)
    tail = pen.say(
        f"with {a_phrase} {word} the average",
        f"whose {phrase} is {word} the average",
        f"whose {phrase} is {word} the average {phrase}",
        f"with {a_phrase} {'higher' if above else 'lower'} than the average {phrase}",
        f"whose {phrase} is {'greater' if above else 'less'} than the average {phrase} of all {plural(table.noun)}",
    )
    where = (f"{measure.name} {'>' if above else '<'} (SELECT AVG({measure.name}) FROM {table.name})",)
    if pen.chance(0.35):
        return Draft(ask_count(pen, f"{plural(table.noun)} {tail}"), Select(("COUNT(*)",), table.name, where=where))
    columns = pen.shown(table, pen.pick((1, 1, 2)), besides=[measure])
    question = ask_columns(pen, columns, f"{plural(table.noun)} {tail}", f"{table.noun} {tail}")
    return Draft(question, Select(columns_sql(columns), table.name, where=where))


def against_row(pen: Pen) -> Draft:
    """`SELECT a FROM t WHERE b > (SELECT b FROM t WHERE name = 'X')`."""
    table = pen.labelled_table()
    label = pen.label(table)
    measure = pen.pick([measure for measure in table.of_kind("number", "year") if not measure.nulls])
    name = pen.pick(pen.values(table, label))
    above = pen.chance(0.6)
    words = ("later", "earlier") if measure.kind == "year" else ("higher", "lower")
    word = words[0] if above else words[1]
    compared = f"{word} {measure.phrase}"
    tail = pen.say(
        f"with {compared if measure.mass else article(compared)} than {name}",
        f"whose {measure.phrase} is {word} than that of {name}",
        f"whose {measure.phrase} is {word} than the {measure.phrase} of {name}",
    )
    columns = pen.shown(table, pen.pick((1, 1, 2)), besides=[measure])
    question = ask_columns(pen, columns, f"{plural(table.noun)} {tail}", f"{table.noun} {tail}")
    inner = f"(SELECT {measure.name} FROM {table.name} WHERE {label.name} = {quote(name)})"
    where = (f"{measure.name} {'>' if above else '<'} {inner}",)
    return Draft(question, Select(columns_sql(columns), table.name, where=where))


def same_as_row(pen: Pen) -> Draft:
    """`SELECT a FROM t WHERE b = (SELECT b FROM t WHERE name = 'X')`."""
    table = pen.labelled_table()
    label = pen.label(table)
    column = pen.pick([column for column in table.of_kind("text") if not column.nulls])
    name = pen.pick(pen.values(table, label))
    tail = pen.say(f"with the same {column.phrase} as {name}", f"{table.who} share the {column.phrase} of {name}")
    columns = pen.shown(table, pen.pick((1, 2)), besides=[column])
    wanted = f"the {plural(columns[0].phrase)}" if len(columns) == 1 else ""
    nouns = f"{plural(table.noun)} {tail}"
    inner = f"(SELECT {column.name} FROM {table.name} WHERE {label.name} = {quote(name)})"
    query = Select(columns_sql(columns), table.name, where=(f"{column.name} = {inner}",))
    if wanted:
        return Draft(request(pen.rng, f"{wanted} of all {nouns}", many=True), query)
    many = " and ".join(plural(shown.phrase) for shown in columns)
    return Draft(request(pen.rng, f"the {many} of the {nouns}", many=True), query)


def without_children(pen: Pen) -> Draft:
    """`SELECT a FROM parent WHERE id NOT IN (SELECT parent_id FROM child)`, the rows or their number."""
    link = pen.pick([link for link in pen.links() if link.parent.label])
    children, parent = plural(link.child.noun), link.parent
    conditions = [pen.condition(link.child)] if pen.chance(0.3) else []
    children = noun_phrase(pen.rng, children, conditions)
    tail = pen.say(
        f"without any {children}",
        f"with no {children}",
        f"{parent.who} do not have any {children}",
    )
    inner = Select((link.ref.name,), link.child.name, where=tuple(condition.on() for condition in conditions))
    where = (f"{parent.key.name} NOT IN ({inner.text()})",)
    nouns = f"{plural(parent.noun)} {tail}"
    if pen.chance(0.3):
        return Draft(ask_count(pen, nouns), Select(("COUNT(*)",), parent.name, where=where))
    columns = pen.shown(parent, pen.pick((1, 1, 2)))
    many = " and ".join(plural(column.phrase) for column in columns)
    wanted = pen.say(f"the {many} of the {nouns}", f"the {many} of all {nouns}", f"the {many} of {nouns}")
    return Draft(request(pen.rng, wanted, many=True), Select(columns_sql(columns), parent.name, where=where))


def with_some_child(pen: Pen) -> Draft:
    """`SELECT a FROM parent WHERE id IN (SELECT parent_id FROM child WHERE b = 'x')`."""
    link = pen.pick([link for link in pen.links() if link.parent.label])
    parent = link.parent
    condition = pen.condition(link.child)
    child = noun_phrase(pen.rng, link.child.noun, [condition])
    inner = Select((link.ref.name,), link.child.name, where=(condition.on(),))
    where = (f"{parent.key.name} IN ({inner.text()})",)
    nouns = f"{plural(parent.noun)} {parent.who} have at least one {child}"
    if pen.chance(0.3):
        return Draft(ask_count(pen, nouns), Select(("COUNT(*)",), parent.name, where=where))
    columns = pen.shown(parent, pen.pick((1, 1, 2)))
    many = " and ".join(plural(column.phrase) for column in columns)
    wanted = pen.say(f"the {many} of the {nouns}", f"the {many} of all {nouns}", f"the {many} of {nouns}")
    return Draft(request(pen.rng, wanted, many=True), Select(columns_sql(columns), parent.name, where=where))


def average_count(pen: Pen) -> Draft:
    """`SELECT AVG(n) FROM (SELECT COUNT(*) AS n FROM child GROUP BY parent_id)`."""
    link = pen.link()
    children, parent, who = plural(link.child.noun), link.parent.noun, link.parent.who
    function, word = pen.pick((("AVG", "average"), ("AVG", "average"), ("MAX", "highest"), ("MIN", "lowest")))
    question = pen.say(
        f"What is the {word} number of {children} per {parent}, counting only {plural(parent)} {who} have any?",
        f"Among {plural(parent)} {who} have {children}, what is the {word} number of {children} per {parent}?",
        f"Find the {word} number of {children} per {parent} among the {plural(parent)} with at least one.",
    )
    inner = Select(("COUNT(*) AS n",), link.child.name, group=link.ref.name)
    return Draft(question, Select((f"{function}(n)",), f"({inner.text()})"))
