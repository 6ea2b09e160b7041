"""Templates that answer with numbers of one table: counts, aggregates, and both for each group."""

from sample.chooser import Chooser, Draft
from sample.conditions import Condition, noun_phrase
from sample.database import Select
from sample.english import aggregate, extreme, functions, plural, request
from sample.schema import Column, Table


def count(choose: Chooser) -> Draft:
    """`SELECT COUNT(*) FROM t`."""
    table = choose.one(choose.domain.tables)
    return Draft(ask_count(choose, plural(table.noun)), Select(("COUNT(*)",), table.name))


def count_filtered(choose: Chooser) -> Draft:
    """`SELECT COUNT(*) FROM t WHERE a = 'x'`."""
    table = choose.table()
    return _counted(choose, table, [choose.condition(table)])


def count_filtered_twice(choose: Chooser) -> Draft:
    """`SELECT COUNT(*) FROM t WHERE a = 'x' AND b > 1`."""
    table = choose.table()
    one = choose.condition(table)
    return _counted(choose, table, [one, choose.condition(table, besides=[one.column])])


def _counted(choose: Chooser, table: Table, conditions: list[Condition]) -> Draft:
    nouns = noun_phrase(choose.rng, plural(table.noun), conditions)
    where = tuple(condition.on() for condition in conditions)
    return Draft(ask_count(choose, nouns), Select(("COUNT(*)",), table.name, where=where))


def ask_count(choose: Chooser, nouns: str) -> str:
    """A question for the number of rows."""
    return choose.wording(
        f"How many {nouns} are there?",
        f"How many {nouns} are there?",
        f"Count the {nouns}.",
        f"What is the number of {nouns}?",
    )


def count_distinct(choose: Chooser) -> Draft:
    """`SELECT COUNT(DISTINCT a) FROM t`."""
    table = choose.table()
    column = choose.column(table, "text")
    nouns, many = plural(table.noun), plural(column.phrase)
    question = choose.wording(
        f"How many different {many} do the {nouns} have?",
        f"How many distinct {many} are there among the {nouns}?",
        f"What is the number of different {many} of the {nouns}?",
    )
    return Draft(question, Select((f"COUNT(DISTINCT {column.name})",), table.name))


def one_aggregate(choose: Chooser) -> Draft:
    """`SELECT AVG(a) FROM t`."""
    table = choose.table()
    column = choose.rankable(table)
    function = choose.one(functions(column))
    return _aggregated(choose, table, column, function, [])


def aggregate_filtered(choose: Chooser) -> Draft:
    """`SELECT AVG(a) FROM t WHERE b = 'x'`."""
    table = choose.table()
    column = choose.rankable(table)
    function = choose.one(functions(column))
    return _aggregated(choose, table, column, function, [choose.condition(table, besides=[column])])


def _aggregated(choose: Chooser, table: Table, column: Column, function: str, conditions: list[Condition]) -> Draft:
    nouns = noun_phrase(choose.rng, plural(table.noun), conditions)
    wanted = f"the {aggregate(choose.rng, function, column)} of {choose.wording('the', 'all')} {nouns}"
    where = tuple(condition.on() for condition in conditions)
    return Draft(
        request(choose.rng, wanted, many=False), Select((f"{function}({column.name})",), table.name, where=where)
    )


def two_aggregates(choose: Chooser) -> Draft:
    """`SELECT MIN(a), MAX(a) FROM t`: the smaller one first, in the question as in the query."""
    table = choose.table()
    column = choose.rankable(table)
    first, second = extreme(column, largest=False), extreme(column, largest=True)
    if column.kind == "number" and choose.chance(0.5):
        first, second = "minimum", "maximum"
    wanted = f"the {first} and {second} {column.phrase} of {choose.wording('the', 'all')} {plural(table.noun)}"
    columns = (f"MIN({column.name})", f"MAX({column.name})")
    return Draft(request(choose.rng, wanted, many=True), Select(columns, table.name))


def count_per_group(choose: Chooser) -> Draft:
    """`SELECT a, COUNT(*) FROM t GROUP BY a`."""
    table, column = grouped(choose)
    nouns, each = plural(table.noun), column.phrase
    question = choose.wording(
        f"How many {nouns} are there for each {each}?",
        f"For each {each}, how many {nouns} are there?",
        f"Show each {each} and the number of {nouns}.",
    )
    return Draft(question, Select((column.name, "COUNT(*)"), table.name, group=column.name))


def aggregate_per_group(choose: Chooser) -> Draft:
    """`SELECT a, AVG(b) FROM t GROUP BY a`."""
    table, column = grouped(choose)
    measure = choose.rankable(table)
    function = choose.one(functions(measure))
    nouns, each = plural(table.noun), column.phrase
    what = aggregate(choose.rng, function, measure)
    question = choose.wording(
        f"What is the {what} of the {nouns} for each {each}?",
        f"For each {each}, what is the {what} of the {nouns}?",
        f"Show each {each} and the {what} of the {nouns}.",
    )
    columns = (column.name, f"{function}({measure.name})")
    return Draft(question, Select(columns, table.name, group=column.name))


def groups_with_count(choose: Chooser) -> Draft:
    """`SELECT a FROM t GROUP BY a HAVING COUNT(*) > 3`."""
    table, column = grouped(choose)
    nouns, many = plural(table.noun), plural(column.phrase)
    words, having = count_bound(choose, choose.rng.randint(3, 9))
    question = choose.wording(
        f"Which {many} have {words} {nouns}?",
        f"Find the {many} with {words} {nouns}.",
        f"List the {many} that have {words} {nouns}.",
    )
    return Draft(question, Select((column.name,), table.name, group=column.name, having=having))


def count_bound(choose: Chooser, size: int) -> tuple[str, str]:
    """A lower bound on a number of rows, in words and as an SQL condition."""
    words, way = choose.one((("more than", ">"), ("at least", ">=")))
    return f"{words} {size}", f"COUNT(*) {way} {size}"


def largest_group(choose: Chooser) -> Draft:
    """`SELECT a FROM t GROUP BY a ORDER BY COUNT(*) DESC LIMIT 1`."""
    table, column = grouped(choose)
    nouns, value = plural(table.noun), column.phrase
    question = choose.wording(
        f"Which {value} has the most {nouns}?",
        f"What is the {value} with the most {nouns}?",
        f"Find the {value} that has the most {nouns}.",
    )
    return Draft(question, Select((column.name,), table.name, group=column.name, order="COUNT(*) DESC", limit=1))


def grouped(choose: Chooser) -> tuple[Table, Column]:
    """A table and a column to group it by."""
    table = choose.one([table for table in choose.domain.tables if groupable(table)])
    return table, choose.one(groupable(table))


def groupable(table: Table) -> list[Column]:
    """The columns that rows can be grouped by: text with few values and no NULL."""
    return [column for column in table.of_kind("text") if not column.nulls]
