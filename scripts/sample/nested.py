"""Templates with a subquery, or with UNION, INTERSECT and EXCEPT."""

from sample.aggregates import grouped
from sample.chooser import Chooser, Draft, columns_sql, plural_phrases
from sample.conditions import Condition, noun_phrase
from sample.database import Select, SetOperation
from sample.english import article, plural, request
from sample.rows import ask_columns
from sample.schema import Column, Table


def against_average(choose: Chooser) -> Draft:
    """`SELECT a FROM t WHERE b > (SELECT AVG(b) FROM t)`."""
    table = choose.table()
    measure = choose.one([measure for measure in table.of_kind("number") if not measure.nulls])
    above, phrase = choose.chance(0.6), measure.phrase
    word = "above" if above else "below"
    tail = choose.wording(
        f"with {article(phrase)} {word} the average", f"whose {phrase} is {word} the average {phrase}"
    )
    where = (f"{measure.name} {'>' if above else '<'} (SELECT AVG({measure.name}) FROM {table.name})",)
    columns = choose.shown(table, 1, besides=[measure])
    question = ask_columns(choose, columns, f"{plural(table.noun)} {tail}", f"{table.noun} {tail}")
    return Draft(question, Select(columns_sql(columns), table.name, where=where))


def without_children(choose: Chooser) -> Draft:
    """`SELECT a FROM parent WHERE id NOT IN (SELECT parent_id FROM child)`."""
    link = choose.link()
    inner = Select((link.ref.name,), link.child.name)
    where = f"{link.parent.key.name} NOT IN ({inner.text()})"
    return _parents(choose, link.parent, f"without any {plural(link.child.noun)}", where)


def with_some_child(choose: Chooser) -> Draft:
    """`SELECT a FROM parent WHERE id IN (SELECT parent_id FROM child WHERE b = 'x')`."""
    link = choose.link()
    condition = choose.condition(link.child)
    child = noun_phrase(choose.rng, link.child.noun, [condition])
    inner = Select((link.ref.name,), link.child.name, where=(condition.on(),))
    where = f"{link.parent.key.name} IN ({inner.text()})"
    return _parents(choose, link.parent, f"with at least one {child}", where)


def _parents(choose: Chooser, parent: Table, tail: str, where: str) -> Draft:
    columns = choose.shown(parent, 1)
    wanted = f"the {plural_phrases(columns)} of the {plural(parent.noun)} {tail}"
    return Draft(request(choose.rng, wanted, many=True), Select(columns_sql(columns), parent.name, where=(where,)))


def average_count(choose: Chooser) -> Draft:
    """`SELECT AVG(n) FROM (SELECT COUNT(*) AS n FROM child GROUP BY parent_id)`."""
    link = choose.link()
    children, parent = plural(link.child.noun), link.parent.noun
    question = f"What is the average number of {children} per {parent} among the {plural(parent)} with {children}?"
    inner = Select(("COUNT(*) AS n",), link.child.name, group=link.ref.name)
    return Draft(question, Select(("AVG(n)",), f"({inner.text()})"))


def in_both(choose: Chooser) -> Draft:
    """`SELECT a FROM t WHERE b = 'x' INTERSECT SELECT a FROM t WHERE b = 'y'`."""
    table, column, one, two = _two_conditions(choose)
    nouns, many = plural(table.noun), plural(column.phrase)
    first, second = noun_phrase(choose.rng, nouns, [one]), noun_phrase(choose.rng, nouns, [two])
    question = f"Which {many} have both {first} and {second}?"
    return Draft(question, SetOperation(_values(table, column, one), "INTERSECT", _values(table, column, two)))


def in_one_only(choose: Chooser) -> Draft:
    """`SELECT a FROM t WHERE b = 'x' EXCEPT SELECT a FROM t WHERE b = 'y'`."""
    table, column, one, two = _two_conditions(choose)
    nouns, many = plural(table.noun), plural(column.phrase)
    first, second = noun_phrase(choose.rng, nouns, [one]), noun_phrase(choose.rng, nouns, [two])
    question = f"Which {many} have {first} but no {second}?"
    return Draft(question, SetOperation(_values(table, column, one), "EXCEPT", _values(table, column, two)))


def in_either(choose: Chooser) -> Draft:
    """`SELECT name FROM s UNION SELECT name FROM t`: two tables in one list."""
    one, two = choose.some([table for table in choose.domain.tables if table.label], 2)
    first, second = choose.label(one), choose.label(two)
    question = choose.wording(
        f"List the {plural(first.phrase)} of all {plural(one.noun)} and "
        f"the {plural(second.phrase)} of all {plural(two.noun)} in one list."
    )
    return Draft(question, SetOperation(Select((first.name,), one.name), "UNION", Select((second.name,), two.name)))


def _two_conditions(choose: Chooser) -> tuple[Table, Column, Condition, Condition]:
    table, column = grouped(choose)
    other = choose.one([other for other in table.of_kind("text") if other != column and not other.nulls])
    return table, column, choose.condition_on(table, other), choose.condition_on(table, other)


def _values(table: Table, column: Column, condition: Condition) -> Select:
    return Select((column.name,), table.name, where=(condition.on(),))
