"""Templates that answer with one number, or two: counts and aggregates of one table."""

from text2sql_lightning.sample.conditions import Condition, noun_phrase
from text2sql_lightning.sample.domain import Column, Table
from text2sql_lightning.sample.english import plural, request
from text2sql_lightning.sample.pen import Draft, Pen
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.ranking import aggregate, extreme, functions


def count(pen: Pen) -> Draft:
    """`SELECT COUNT(*) FROM t`."""
    table = pen.pick(pen.domain.tables)
    return Draft(ask_count(pen, plural(table.noun)), Select(("COUNT(*)",), table.name))


def count_filtered(pen: Pen) -> Draft:
    """`SELECT COUNT(*) FROM t WHERE a = 'x'`."""
    table = pen.table()
    return _counted(pen, table, [pen.condition(table)])


def count_filtered_twice(pen: Pen) -> Draft:
    """`SELECT COUNT(*) FROM t WHERE a = 'x' AND b > 1`."""
    table = pen.table()
    one = pen.condition(table)
    return _counted(pen, table, [one, pen.condition(table, besides=[one.column])])


def _counted(pen: Pen, table: Table, conditions: list[Condition]) -> Draft:
    nouns = noun_phrase(pen.rng, plural(table.noun), conditions)
    where = tuple(condition.on() for condition in conditions)
    return Draft(ask_count(pen, nouns), Select(("COUNT(*)",), table.name, where=where))


def ask_count(pen: Pen, nouns: str) -> str:
    """A question for the number of rows."""
    return pen.say(
        f"How many {nouns} are there?",
        f"How many {nouns} are there?",
        f"Count the {nouns}.",
        f"What is the number of {nouns}?",
    )


def count_distinct(pen: Pen) -> Draft:
    """`SELECT COUNT(DISTINCT a) FROM t`."""
    table = pen.table()
    column = pen.column(table, "text")
    nouns, many = plural(table.noun), plural(column.phrase)
    question = pen.say(
        f"How many different {many} do the {nouns} have?",
        f"How many distinct {many} are there among the {nouns}?",
        f"What is the number of different {many} of the {nouns}?",
    )
    return Draft(question, Select((f"COUNT(DISTINCT {column.name})",), table.name))


def one_aggregate(pen: Pen) -> Draft:
    """`SELECT AVG(a) FROM t`."""
    table = pen.table()
    column = pen.rankable(table)
    function = pen.pick(functions(column))
    return _aggregated(pen, table, column, function, [])


def aggregate_filtered(pen: Pen) -> Draft:
    """`SELECT AVG(a) FROM t WHERE b = 'x'`."""
    table = pen.table()
    column = pen.rankable(table)
    function = pen.pick(functions(column))
    return _aggregated(pen, table, column, function, [pen.condition(table, besides=[column])])


def _aggregated(pen: Pen, table: Table, column: Column, function: str, conditions: list[Condition]) -> Draft:
    nouns = noun_phrase(pen.rng, plural(table.noun), conditions)
    wanted = f"the {aggregate(pen.rng, function, column)} of {pen.say('the', 'all')} {nouns}"
    where = tuple(condition.on() for condition in conditions)
    return Draft(request(pen.rng, wanted, many=False), Select((f"{function}({column.name})",), table.name, where=where))


def two_aggregates(pen: Pen) -> Draft:
    """`SELECT MIN(a), MAX(a) FROM t`: the smaller one first, in the question as in the query."""
    table = pen.table()
    column = pen.rankable(table)
    first, second = extreme(column, largest=False), extreme(column, largest=True)
    if column.kind == "number" and pen.chance(0.5):
        first, second = "minimum", "maximum"
    wanted = f"the {first} and {second} {column.phrase} of {pen.say('the', 'all')} {plural(table.noun)}"
    columns = (f"MIN({column.name})", f"MAX({column.name})")
    return Draft(request(pen.rng, wanted, many=True), Select(columns, table.name))
