"""Templates that answer with one number, or two: counts and aggregates of one table."""

from text2sql_lightning.sample.conditions import Condition, noun_phrase
from text2sql_lightning.sample.domain import Table
from text2sql_lightning.sample.english import plural, request
from text2sql_lightning.sample.pen import Draft, Pen
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.ranking import aggregate, aggregate_pair, functions


def count(pen: Pen) -> Draft:
    """`SELECT COUNT(*) FROM t`."""
    table = pen.pick(pen.domain.tables)
    return Draft(ask_count(pen, plural(table.noun)), Select(("COUNT(*)",), table.name))


def count_filtered(pen: Pen) -> Draft:
    """`SELECT COUNT(*) FROM t WHERE a = 'x'`, with one condition or two."""
    table = pen.table()
    conditions = _conditions(pen, table, pen.pick((1, 1, 2)))
    nouns = noun_phrase(pen.rng, plural(table.noun), conditions)
    where = tuple(condition.on() for condition in conditions)
    return Draft(ask_count(pen, nouns), Select(("COUNT(*)",), table.name, where=where))


def ask_count(pen: Pen, nouns: str) -> str:
    """A question for the number of rows."""
    return pen.say(
        f"How many {nouns} are there?",
        f"How many {nouns} are there?",
        f"How many {nouns} do we have?",
        f"How many {nouns} exist?",
        f"Count the {nouns}.",
        f"Count all {nouns}.",
        f"What is the number of {nouns}?",
        f"Give the number of {nouns}.",
        f"Find the total number of {nouns}.",
        f"Can you tell me how many {nouns} there are?",
        f"I want to know how many {nouns} there are.",
    )


def count_distinct(pen: Pen) -> Draft:
    """`SELECT COUNT(DISTINCT a) FROM t`, with or without a condition."""
    table = pen.table()
    column = pen.column(table, "text")
    conditions = _conditions(pen, table, int(pen.chance(0.35)), column.name)
    nouns, many = noun_phrase(pen.rng, plural(table.noun), conditions), plural(column.phrase)
    question = pen.say(
        f"How many different {many} are there among the {nouns}?",
        f"How many distinct {many} do the {nouns} have?",
        f"How many unique {many} are there among {nouns}?",
        f"Count the different {many} of the {nouns}.",
        f"What is the number of distinct {many} of the {nouns}?",
        f"Find the number of different {many} among the {nouns}.",
        f"Across all {nouns}, how many different {many} occur?",
    )
    where = tuple(condition.on() for condition in conditions)
    return Draft(question, Select((f"COUNT(DISTINCT {column.name})",), table.name, where=where))


def one_aggregate(pen: Pen) -> Draft:
    """`SELECT AVG(a) FROM t`, with or without a condition."""
    table = pen.table()
    column = pen.rankable(table)
    function = pen.pick(functions(column))
    conditions = _conditions(pen, table, int(pen.chance(0.6)), column.name)
    nouns = noun_phrase(pen.rng, plural(table.noun), conditions)
    wanted = f"the {aggregate(pen.rng, function, column)} {_of(pen, nouns)}"
    where = tuple(condition.on() for condition in conditions)
    return Draft(request(pen.rng, wanted, many=False), Select((f"{function}({column.name})",), table.name, where=where))


def two_aggregates(pen: Pen) -> Draft:
    """`SELECT MIN(a), MAX(a) FROM t`, with or without a condition."""
    table = pen.table()
    column = pen.rankable(table)
    pairs = [("MIN", "MAX"), ("MAX", "MIN")]
    if column.kind == "number":
        pairs += [("AVG", "MAX"), ("MIN", "AVG"), ("AVG", "MIN")]
        pairs += [("SUM", "AVG"), ("AVG", "SUM")] if column.sums else []
    one, two = pen.pick(pairs)
    conditions = _conditions(pen, table, int(pen.chance(0.4)), column.name)
    nouns = noun_phrase(pen.rng, plural(table.noun), conditions)
    wanted = f"the {aggregate_pair(pen.rng, one, two, column)} {_of(pen, nouns)}"
    columns = (f"{one}({column.name})", f"{two}({column.name})")
    where = tuple(condition.on() for condition in conditions)
    return Draft(request(pen.rng, wanted, many=True), Select(columns, table.name, where=where))


def count_and_average(pen: Pen) -> Draft:
    """`SELECT COUNT(*), AVG(a) FROM t WHERE b = 'x'`."""
    table = pen.table()
    column = pen.rankable(table)
    function = pen.pick(functions(column))
    conditions = _conditions(pen, table, 1, column.name)
    nouns = noun_phrase(pen.rng, plural(table.noun), conditions)
    what = aggregate(pen.rng, function, column)
    question = pen.say(
        f"How many {nouns} are there, and what is their {what}?",
        f"Give the number of {nouns} and their {what}.",
        f"Count the {nouns} and find their {what}.",
        f"Show the number of {nouns} together with their {what}.",
    )
    columns = ("COUNT(*)", f"{function}({column.name})")
    return Draft(question, Select(columns, table.name, where=(conditions[0].on(),)))


def spread(pen: Pen) -> Draft:
    """`SELECT MAX(a) - MIN(a) FROM t`."""
    table = pen.table()
    column = pen.pick([column for column in table.of_kind("number") if not column.nulls])
    conditions = _conditions(pen, table, int(pen.chance(0.4)), column.name)
    nouns = noun_phrase(pen.rng, plural(table.noun), conditions)
    wanted = pen.say(
        f"the difference between the highest and the lowest {column.phrase} of the {nouns}",
        f"the difference between the maximum and minimum {column.phrase} of the {nouns}",
        f"the gap between the largest and the smallest {column.phrase} among the {nouns}",
    )
    columns = (f"MAX({column.name}) - MIN({column.name})",)
    where = tuple(condition.on() for condition in conditions)
    return Draft(request(pen.rng, wanted, many=False), Select(columns, table.name, where=where))


def _conditions(pen: Pen, table: Table, size: int, besides: str = "") -> list[Condition]:
    used = [column for column in table.columns if column.name == besides]
    conditions: list[Condition] = []
    for _ in range(size):
        conditions.append(pen.condition(table, besides=used))
        used.append(conditions[-1].column)
    return conditions


def _of(pen: Pen, nouns: str) -> str:
    return pen.say(f"of the {nouns}", f"of all {nouns}", f"of {nouns}", f"among the {nouns}", f"across all {nouns}")
