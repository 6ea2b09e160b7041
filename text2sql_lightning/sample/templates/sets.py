"""Templates with UNION, INTERSECT and EXCEPT."""

from text2sql_lightning.sample.conditions import Condition, noun_phrase
from text2sql_lightning.sample.domain import Column, Table
from text2sql_lightning.sample.english import plural
from text2sql_lightning.sample.pen import Draft, Pen
from text2sql_lightning.sample.query import Select, SetOperation
from text2sql_lightning.sample.templates.groups import groupable


def in_both(pen: Pen) -> Draft:
    """`SELECT a FROM t WHERE b = 'x' INTERSECT SELECT a FROM t WHERE b = 'y'`."""
    table, column, one, two = _two_conditions(pen)
    nouns, many = plural(table.noun), plural(column.phrase)
    first, second = noun_phrase(pen.rng, nouns, [one]), noun_phrase(pen.rng, nouns, [two])
    question = pen.say(
        f"Which {many} have both {first} and {second}?",
        f"List the {many} that have both {first} and {second}.",
        f"Find the {many} shared by {first} and {second}.",
        f"What {many} are common to {first} and {second}?",
        f"Show the {many} that occur among both {first} and {second}.",
    )
    return Draft(question, SetOperation(_values(table, column, one), "INTERSECT", _values(table, column, two)))


def in_one_only(pen: Pen) -> Draft:
    """`SELECT a FROM t WHERE b = 'x' EXCEPT SELECT a FROM t WHERE b = 'y'`."""
    table, column, one, two = _two_conditions(pen)
    nouns, many = plural(table.noun), plural(column.phrase)
    first, second = noun_phrase(pen.rng, nouns, [one]), noun_phrase(pen.rng, nouns, [two])
    question = pen.say(
        f"Which {many} have {first} but no {second}?",
        f"List the {many} that have {first} but not {second}.",
        f"Find the {many} of {first} that are not also {many} of {second}.",
        f"Show the {many} that occur among {first} but not among {second}.",
        f"What are the {many} with {first} but without {second}?",
    )
    return Draft(question, SetOperation(_values(table, column, one), "EXCEPT", _values(table, column, two)))


def in_either(pen: Pen) -> Draft:
    """`SELECT name FROM s UNION SELECT name FROM t`: two tables in one list."""
    tables = [table for table in pen.domain.tables if table.label]
    one, two = pen.pick_some(tables, 2)
    assert one.label
    assert two.label
    conditions = [pen.condition(table) if pen.chance(0.4) else None for table in (one, two)]
    first, second = (
        f"the {plural(table.label.phrase)} of all {_nouns(pen, table, condition)}"
        for table, condition in zip((one, two), conditions, strict=True)
        if table.label
    )
    question = pen.say(
        f"List {first} together with {second} in one list.",
        f"Show {first} and {second} in a single list.",
        f"Give me one list with {first} and {second}.",
        f"Combine {first} and {second} into one list.",
        f"Return {first} as well as {second} in a single list without duplicates.",
    )
    left, right = (
        Select((table.label.name,), table.name, where=(condition.on(),) if condition else ())
        for table, condition in zip((one, two), conditions, strict=True)
        if table.label
    )
    return Draft(question, SetOperation(left, "UNION", right))


def _nouns(pen: Pen, table: Table, condition: Condition | None) -> str:
    return noun_phrase(pen.rng, plural(table.noun), [condition] if condition else [])


def _two_conditions(pen: Pen) -> tuple[Table, Column, Condition, Condition]:
    table = pen.pick([table for table in pen.domain.tables if groupable(table)])
    column = pen.pick(groupable(table))
    others = [other for other in table.of_kind("text", "number", "year") if other != column and not other.nulls]
    other = pen.pick(others)
    one = pen.condition_on(table, other)
    again = other if other.kind == "text" or pen.chance(0.6) else pen.pick(others)
    two = pen.condition_on(table, again)
    return table, column, one, two


def _values(table: Table, column: Column, condition: Condition) -> Select:
    return Select((column.name,), table.name, where=(condition.on(),))
