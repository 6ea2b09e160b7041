"""Templates that show rows of one table: everything, a lookup, and filters of all kinds."""

from text2sql_lightning.sample.conditions import Condition, noun_phrase
from text2sql_lightning.sample.domain import Column, Table
from text2sql_lightning.sample.english import plural, request
from text2sql_lightning.sample.number_conditions import between, in_year
from text2sql_lightning.sample.pen import Draft, Pen, columns_sql, phrases, plural_phrases
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.text_conditions import differs, like, missing, one_of


def everything(pen: Pen) -> Draft:
    """`SELECT a, b FROM t`."""
    table = pen.table()
    columns = pen.shown(table, pen.pick((1, 2, 2, 3)))
    return Draft(ask_rows(pen, table, columns), Select(columns_sql(columns), table.name))


def lookup(pen: Pen) -> Draft:
    """`SELECT a FROM t WHERE name = 'X'`."""
    table = pen.labelled_table()
    label = pen.label(table)
    columns = pen.shown(table, pen.pick((1, 1, 2)), besides=[label])
    condition = pen.condition_on(table, label)
    row = f"the {named(pen, table, condition)}"
    question = request(pen.rng, f"the {phrases(columns)} of {row}", many=len(columns) > 1)
    return Draft(question, Select(columns_sql(columns), table.name, where=(condition.on(),)))


def named(pen: Pen, table: Table, condition: Condition) -> str:
    """One row by its name, without article: `wine named Silver Oak`, `book with the title Winter Road`."""
    tails = [f"whose {condition.whose[0]}", f"with {condition.having[0]}"]
    if condition.column.name.lower() == "name":
        tails += [f"named {condition.having[0].removeprefix('the name ')}"] * 2
    return f"{table.noun} {pen.pick(tails)}"


def filtered(pen: Pen) -> Draft:
    """`SELECT a FROM t WHERE b > 1`."""
    table = pen.table()
    return _with_conditions(pen, table, [pen.condition(table)])


def filtered_columns(pen: Pen) -> Draft:
    """`SELECT a, b FROM t WHERE c > 1`."""
    table = pen.table()
    return _with_conditions(pen, table, [pen.condition(table)], size=2)


def filtered_twice(pen: Pen) -> Draft:
    """`... WHERE b > 1 AND c = 'x'`."""
    table = pen.table()
    one = pen.condition(table)
    return _with_conditions(pen, table, [one, pen.condition(table, besides=[one.column])])


def filtered_either(pen: Pen) -> Draft:
    """`... WHERE b > 1 OR c = 'x'`."""
    table = pen.table()
    columns = table.of_kind("text", "number", "year", "date")
    one, two = (pen.condition_on(table, column) for column in pen.pick_some(columns, 2))
    return _with_conditions(pen, table, [one, two], joiner="or")


def filtered_one_of(pen: Pen) -> Draft:
    """`... WHERE b IN ('x', 'y')`."""
    table = pen.table()
    column = pen.column(table, "text")
    return _with_conditions(pen, table, [one_of(pen.rng, column, pen.values(table, column))])


def filtered_like(pen: Pen) -> Draft:
    """`... WHERE name LIKE 'S%'`."""
    table = pen.labelled_table()
    column = pen.label(table)
    return _with_conditions(pen, table, [like(pen.rng, column, pen.values(table, column))], besides=())


def filtered_between(pen: Pen) -> Draft:
    """`... WHERE b BETWEEN 1 AND 5`."""
    table = pen.table()
    column = pen.column(table, "number", "year")
    return _with_conditions(pen, table, [between(pen.rng, column, pen.values(table, column))])


def filtered_not(pen: Pen) -> Draft:
    """`... WHERE b != 'x'`."""
    table = pen.table()
    column = pen.pick([column for column in table.of_kind("text") if not column.nulls])
    return _with_conditions(pen, table, [differs(pen.rng, column, pen.values(table, column))])


def filtered_missing(pen: Pen) -> Draft:
    """`... WHERE b IS NULL` and `... IS NOT NULL`."""
    table = pen.pick([table for table in pen.domain.tables if any(column.nulls for column in table.columns)])
    column = pen.pick([column for column in table.columns if column.nulls])
    return _with_conditions(pen, table, [missing(pen.rng, column)])


def filtered_in_year(pen: Pen) -> Draft:
    """`... WHERE strftime('%Y', b) = '2021'`."""
    table = pen.pick([table for table in pen.domain.tables if table.of_kind("date")])
    column = pen.column(table, "date")
    return _with_conditions(pen, table, [in_year(pen.rng, column, pen.values(table, column))])


def distinct(pen: Pen) -> Draft:
    """`SELECT DISTINCT a FROM t`."""
    table = pen.table()
    column = pen.column(table, "text")
    many, nouns = plural(column.phrase), plural(table.noun)
    wanted = pen.say(f"the different {many} of the {nouns}", f"the distinct {many} of the {nouns}")
    return Draft(request(pen.rng, wanted, many=True), Select(columns_sql([column]), table.name, distinct=True))


def _with_conditions(
    pen: Pen,
    table: Table,
    conditions: list[Condition],
    joiner: str = "and",
    besides: tuple[Column, ...] | None = None,
    size: int = 1,
) -> Draft:
    used = [condition.column for condition in conditions] if besides is None else list(besides)
    columns = pen.shown(table, size, besides=used)
    where = tuple(condition.on() for condition in conditions)
    query = Select(columns_sql(columns), table.name, where=where, either=joiner == "or")
    return Draft(ask_rows(pen, table, columns, conditions, joiner), query)


def ask_rows(
    pen: Pen,
    table: Table,
    columns: list[Column],
    conditions: list[Condition] | None = None,
    joiner: str = "and",
    tail: str = "",
) -> str:
    """A question for some columns of the rows that meet the conditions."""
    conditions = conditions or []
    nouns = noun_phrase(pen.rng, plural(table.noun), conditions, joiner)
    noun = noun_phrase(pen.rng, table.noun, conditions, joiner)
    return ask_columns(pen, columns, nouns, noun, tail)


def ask_columns(pen: Pen, columns: list[Column], nouns: str, noun: str, tail: str = "") -> str:
    """A question for some columns of `nouns` (many rows) or of each `noun`."""
    many, one = plural_phrases(columns), phrases(columns)
    tail = f", {tail}" if tail else ""
    wanted, is_many = pen.pick(
        (
            (f"the {many} of all {nouns}{tail}", True),
            (f"the {many} of the {nouns}{tail}", True),
            (f"the {one} of each {noun}{tail}", len(columns) > 1),
        )
    )
    return request(pen.rng, wanted, many=is_many)
