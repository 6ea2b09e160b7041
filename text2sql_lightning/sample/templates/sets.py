"""Templates with UNION, INTERSECT and EXCEPT."""

from text2sql_lightning.sample.conditions import Condition, noun_phrase
from text2sql_lightning.sample.domain import Column, Table
from text2sql_lightning.sample.english import plural
from text2sql_lightning.sample.pen import Draft, Pen
from text2sql_lightning.sample.query import Select, SetOperation
from text2sql_lightning.sample.templates.groups import grouped


def in_both(pen: Pen) -> Draft:
    """`SELECT a FROM t WHERE b = 'x' INTERSECT SELECT a FROM t WHERE b = 'y'`."""
    table, column, one, two = _two_conditions(pen)
    nouns, many = plural(table.noun), plural(column.phrase)
    first, second = noun_phrase(pen.rng, nouns, [one]), noun_phrase(pen.rng, nouns, [two])
    question = f"Which {many} have both {first} and {second}?"
    return Draft(question, SetOperation(_values(table, column, one), "INTERSECT", _values(table, column, two)))


def in_one_only(pen: Pen) -> Draft:
    """`SELECT a FROM t WHERE b = 'x' EXCEPT SELECT a FROM t WHERE b = 'y'`."""
    table, column, one, two = _two_conditions(pen)
    nouns, many = plural(table.noun), plural(column.phrase)
    first, second = noun_phrase(pen.rng, nouns, [one]), noun_phrase(pen.rng, nouns, [two])
    question = f"Which {many} have {first} but no {second}?"
    return Draft(question, SetOperation(_values(table, column, one), "EXCEPT", _values(table, column, two)))


def in_either(pen: Pen) -> Draft:
    """`SELECT name FROM s UNION SELECT name FROM t`: two tables in one list."""
    one, two = pen.pick_some([table for table in pen.domain.tables if table.label], 2)
    first, second = pen.label(one), pen.label(two)
    question = pen.say(
        f"List the {plural(first.phrase)} of all {plural(one.noun)} and "
        f"the {plural(second.phrase)} of all {plural(two.noun)} in one list."
    )
    return Draft(question, SetOperation(Select((first.name,), one.name), "UNION", Select((second.name,), two.name)))


def _two_conditions(pen: Pen) -> tuple[Table, Column, Condition, Condition]:
    table, column = grouped(pen)
    other = pen.pick([other for other in table.of_kind("text") if other != column and not other.nulls])
    return table, column, pen.condition_on(table, other), pen.condition_on(table, other)


def _values(table: Table, column: Column, condition: Condition) -> Select:
    return Select((column.name,), table.name, where=(condition.on(),))
