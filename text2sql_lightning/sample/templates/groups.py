"""Templates with GROUP BY on one table: numbers per group, HAVING, and the largest group."""

from typing import Final

from text2sql_lightning.sample.conditions import noun_phrase
from text2sql_lightning.sample.domain import Column, Table
from text2sql_lightning.sample.english import article, plural, request
from text2sql_lightning.sample.number_conditions import whole
from text2sql_lightning.sample.pen import Draft, Pen
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.ranking import AVERAGES, aggregate, extremes, functions
from text2sql_lightning.sample.templates.order import direction


def count_per_group(pen: Pen) -> Draft:
    """`SELECT a, COUNT(*) FROM t GROUP BY a`, with or without a condition, sorted or not."""
    table, column = _grouped(pen)
    conditions = [pen.condition(table, besides=[column])] if pen.chance(0.35) else []
    nouns, each = noun_phrase(pen.rng, plural(table.noun), conditions), column.phrase
    tail, extra, order = pen.pick(_COUNT_ORDERS) if pen.chance(0.25) else ("", "", "")
    question = pen.say(
        f"How many {nouns} are there for each {each}?{extra}",
        f"How many {nouns} are there per {each}?{extra}",
        f"For each {each}, how many {nouns} are there?{extra}",
        f"For every {each}, show the number of {nouns}{tail}.",
        f"Show each {each} with its number of {nouns}{tail}.",
        f"Count the {nouns} for each {each}{tail}.",
        f"Give the number of {nouns} per {each}{tail}.",
        f"List every {each} and the number of {nouns}{tail}.",
    )
    where = tuple(condition.on() for condition in conditions)
    columns = (column.name, "COUNT(*)")
    return Draft(question, Select(columns, table.name, where=where, group=column.name, order=order))


_COUNT_ORDERS: Final = (
    (", largest number first", " Sort by the number, largest first.", "COUNT(*) DESC"),
    (", from the most to the fewest", " Sort from the most to the fewest.", "COUNT(*) DESC"),
    (", in descending order of the number", " Sort by the number in descending order.", "COUNT(*) DESC"),
    (", smallest number first", " Sort by the number, smallest first.", "COUNT(*)"),
)
"""Wording behind the noun, as a sentence of its own, and the ORDER BY."""


def aggregate_per_group(pen: Pen) -> Draft:
    """`SELECT a, AVG(b) FROM t GROUP BY a`, with or without a condition."""
    table, column = _grouped(pen)
    measure = pen.rankable(table)
    function = pen.pick(functions(measure))
    conditions = [pen.condition(table, besides=[column, measure])] if pen.chance(0.3) else []
    nouns, each = noun_phrase(pen.rng, plural(table.noun), conditions), column.phrase
    what = aggregate(pen.rng, function, measure)
    question = pen.say(
        f"What is the {what} of the {nouns} for each {each}?",
        f"What is the {what} of {nouns} per {each}?",
        f"For each {each}, what is the {what} of the {nouns}?",
        f"For every {each}, show the {what} of the {nouns}.",
        f"Show the {what} of the {nouns} for each {each}.",
        f"Find the {what} of {nouns} in each {each}.",
        f"List every {each} with the {what} of its {nouns}.",
        f"Give the {what} of {nouns} by {each}.",
    )
    where = tuple(condition.on() for condition in conditions)
    columns = (column.name, f"{function}({measure.name})")
    return Draft(question, Select(columns, table.name, where=where, group=column.name))


def count_per_year(pen: Pen) -> Draft:
    """`SELECT strftime('%Y', a), COUNT(*) FROM t GROUP BY strftime('%Y', a)`."""
    table = pen.pick([table for table in pen.domain.tables if table.of_kind("date")])
    column = pen.pick([column for column in table.of_kind("date") if not column.nulls])
    nouns, phrase = plural(table.noun), column.phrase
    if column.verb:
        question = pen.say(
            f"How many {nouns} were {column.verb} in each year?",
            f"For each year, how many {nouns} were {column.verb}?",
            f"Show every year with the number of {nouns} {column.verb} in it.",
        )
    else:
        question = pen.say(
            f"How many {nouns} are there for each year of the {phrase}?",
            f"For each year of the {phrase}, how many {nouns} are there?",
            f"Count the {nouns} for each year of the {phrase}.",
        )
    by_year = f"strftime('%Y', {column.name})"
    return Draft(question, Select((by_year, "COUNT(*)"), table.name, group=by_year))


def groups_with_count(pen: Pen) -> Draft:
    """`SELECT a FROM t GROUP BY a HAVING COUNT(*) > 3`, with or without a condition."""
    table, column = _grouped(pen)
    conditions = [pen.condition(table, besides=[column])] if pen.chance(0.25) else []
    nouns, many = noun_phrase(pen.rng, plural(table.noun), conditions), plural(column.phrase)
    words, having = count_bound(pen, "COUNT(*)", pen.rng.randint(3, 8))
    question = pen.say(
        f"Which {many} have {words} {nouns}?",
        f"List the {many} that have {words} {nouns}.",
        f"Find the {many} with {words} {nouns}.",
        f"For which {many} are there {words} {nouns}?",
        f"Show the {many} shared by {words} {nouns}.",
        f"What are the {many} with {words} {nouns}?",
    )
    where = tuple(condition.on() for condition in conditions)
    return Draft(question, Select((column.name,), table.name, where=where, group=column.name, having=having))


def count_bound(pen: Pen, counted: str, size: int) -> tuple[str, str]:
    """A bound on a number of rows, in words and as an SQL condition."""
    words, way = pen.pick(
        (("more than", ">"), ("more than", ">"), ("at least", ">="), ("at least", ">="), ("fewer than", "<"))
    )
    return f"{words} {size}", f"{counted} {way} {size}"


def groups_with_average(pen: Pen) -> Draft:
    """`SELECT a FROM t GROUP BY a HAVING AVG(b) > 10`."""
    table, column = _grouped(pen)
    measure = pen.pick([measure for measure in table.of_kind("number") if not measure.nulls])
    function = pen.pick(("AVG", "AVG", "SUM") if measure.sums else ("AVG", "AVG", "MAX", "MIN"))
    bound = bound_for(pen, Select((f"{function}({measure.name})",), table.name, group=column.name))
    word, way = pen.pick((("above", ">"), ("greater than", ">"), ("below", "<"), ("of at least", ">=")))
    nouns, many = plural(table.noun), plural(column.phrase)
    what = aggregate(pen.rng, function, measure)
    a_what = article(what)
    question = pen.say(
        f"Which {many} have {nouns} with {a_what} {word} {bound}?",
        f"List the {many} whose {nouns} have {a_what} {word} {bound}.",
        f"Find the {many} for which the {what} of the {nouns} is {word.removeprefix('of ')} {bound}.",
        f"For which {many} is the {what} of the {nouns} {word.removeprefix('of ')} {bound}?",
    )
    having = f"{function}({measure.name}) {way} {bound}"
    return Draft(question, Select((column.name,), table.name, group=column.name, having=having))


def bound_for(pen: Pen, per_group: Select) -> int | float:
    """A bound that people would name, near the number of one of the groups."""
    value = float(str(pen.pick(pen.database.rows(per_group.text()))[0]))
    step = next((step for step in (1000, 100, 10, 5, 1) if abs(value) >= step * 12), 0)
    return int(value // step * step) if step else whole(round(value, 1))


def largest_group(pen: Pen) -> Draft:
    """`SELECT a FROM t GROUP BY a ORDER BY COUNT(*) DESC LIMIT 1`."""
    table, column = _grouped(pen)
    conditions = [pen.condition(table, besides=[column])] if pen.chance(0.25) else []
    nouns, value = noun_phrase(pen.rng, plural(table.noun), conditions), column.phrase
    descending = pen.chance(0.75)
    common, most = ("most", "most") if descending else ("least", "fewest")
    question = pen.say(
        f"Which {value} has the {most} {nouns}?",
        f"Which {value} is the {common} common among the {nouns}?",
        f"What is the {common} common {value} of the {nouns}?",
        f"What is the {common} frequent {value} among the {nouns}?",
        f"Find the {value} with the {most} {nouns}.",
        f"Show the {value} that has the {most} {nouns}.",
        f"Return the {common} common {value} among all {nouns}.",
    )
    where = tuple(condition.on() for condition in conditions)
    order = direction("COUNT(*)", descending)
    return Draft(question, Select((column.name,), table.name, where=where, group=column.name, order=order, limit=1))


def best_group(pen: Pen) -> Draft:
    """`SELECT a FROM t GROUP BY a ORDER BY AVG(b) DESC LIMIT 1`."""
    table, column = _grouped(pen)
    measure = pen.pick([measure for measure in table.of_kind("number") if not measure.nulls])
    function = pen.pick(("AVG", "SUM") if measure.sums else ("AVG",))
    descending = pen.chance(0.65)
    best, average = extremes(measure, largest=descending)[0], f"{pen.pick(AVERAGES[function])} {measure.phrase}"
    nouns, value = plural(table.noun), column.phrase
    question = pen.say(
        f"Which {value} has the {best} {average} of {nouns}?",
        f"Find the {value} whose {nouns} have the {best} {average}.",
        f"What is the {value} with the {best} {average} of {nouns}?",
        f"For which {value} is the {average} of the {nouns} the {best}?",
    )
    order = direction(f"{function}({measure.name})", descending)
    return Draft(question, Select((column.name,), table.name, group=column.name, order=order, limit=1))


def above_overall(pen: Pen) -> Draft:
    """`SELECT a FROM t GROUP BY a HAVING AVG(b) > (SELECT AVG(b) FROM t)`."""
    table, column = _grouped(pen)
    measure = pen.pick([measure for measure in table.of_kind("number") if not measure.nulls])
    above = pen.chance(0.6)
    word, nouns, many = "above" if above else "below", plural(table.noun), plural(column.phrase)
    wanted = pen.say(
        f"the {many} whose {nouns} have an average {measure.phrase} {word} the overall average",
        f"the {many} with an average {measure.phrase} {word} the average of all {nouns}",
        f"the {many} where the average {measure.phrase} of the {nouns} is {word} the overall average",
    )
    average = f"AVG({measure.name})"
    having = f"{average} {'>' if above else '<'} (SELECT {average} FROM {table.name})"
    return Draft(
        request(pen.rng, wanted, many=True), Select((column.name,), table.name, group=column.name, having=having)
    )


def _grouped(pen: Pen) -> tuple[Table, Column]:
    table = pen.pick([table for table in pen.domain.tables if groupable(table)])
    return table, pen.pick(groupable(table))


def groupable(table: Table) -> list[Column]:
    """The columns that rows can be grouped by: text with few values and no NULL."""
    return [column for column in table.of_kind("text") if not column.nulls]
