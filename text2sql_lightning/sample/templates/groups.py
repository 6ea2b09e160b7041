"""Templates with GROUP BY on one table: the group stands first, then the number."""

from text2sql_lightning.sample.domain import Column, Table
from text2sql_lightning.sample.english import plural
from text2sql_lightning.sample.pen import Draft, Pen
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.ranking import aggregate, functions


def count_per_group(pen: Pen) -> Draft:
    """`SELECT a, COUNT(*) FROM t GROUP BY a`."""
    table, column = grouped(pen)
    nouns, each = plural(table.noun), column.phrase
    question = pen.say(
        f"How many {nouns} are there for each {each}?",
        f"For each {each}, how many {nouns} are there?",
        f"Show each {each} and the number of {nouns}.",
    )
    return Draft(question, Select((column.name, "COUNT(*)"), table.name, group=column.name))


def aggregate_per_group(pen: Pen) -> Draft:
    """`SELECT a, AVG(b) FROM t GROUP BY a`."""
    table, column = grouped(pen)
    measure = pen.rankable(table)
    function = pen.pick(functions(measure))
    nouns, each = plural(table.noun), column.phrase
    what = aggregate(pen.rng, function, measure)
    question = pen.say(
        f"What is the {what} of the {nouns} for each {each}?",
        f"For each {each}, what is the {what} of the {nouns}?",
        f"Show each {each} and the {what} of the {nouns}.",
    )
    columns = (column.name, f"{function}({measure.name})")
    return Draft(question, Select(columns, table.name, group=column.name))


def groups_with_count(pen: Pen) -> Draft:
    """`SELECT a FROM t GROUP BY a HAVING COUNT(*) > 3`."""
    table, column = grouped(pen)
    nouns, many = plural(table.noun), plural(column.phrase)
    words, having = count_bound(pen, pen.rng.randint(3, 9))
    question = pen.say(
        f"Which {many} have {words} {nouns}?",
        f"Find the {many} with {words} {nouns}.",
        f"List the {many} that have {words} {nouns}.",
    )
    return Draft(question, Select((column.name,), table.name, group=column.name, having=having))


def count_bound(pen: Pen, size: int) -> tuple[str, str]:
    """A lower bound on a number of rows, in words and as an SQL condition."""
    words, way = pen.pick((("more than", ">"), ("at least", ">=")))
    return f"{words} {size}", f"COUNT(*) {way} {size}"


def largest_group(pen: Pen) -> Draft:
    """`SELECT a FROM t GROUP BY a ORDER BY COUNT(*) DESC LIMIT 1`."""
    table, column = grouped(pen)
    nouns, value = plural(table.noun), column.phrase
    question = pen.say(
        f"Which {value} has the most {nouns}?",
        f"What is the {value} with the most {nouns}?",
        f"Find the {value} that has the most {nouns}.",
    )
    return Draft(question, Select((column.name,), table.name, group=column.name, order="COUNT(*) DESC", limit=1))


def grouped(pen: Pen) -> tuple[Table, Column]:
    """A table and a column to group it by."""
    table = pen.pick([table for table in pen.domain.tables if groupable(table)])
    return table, pen.pick(groupable(table))


def groupable(table: Table) -> list[Column]:
    """The columns that rows can be grouped by: text with few values and no NULL."""
    return [column for column in table.of_kind("text") if not column.nulls]
