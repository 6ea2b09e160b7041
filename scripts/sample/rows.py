"""Templates that show rows of one table: everything, a lookup, filters of all kinds, sorted rows and the first few."""

from sample.chooser import Chooser, Draft, columns_sql, phrases, plural_phrases
from sample.conditions import Condition, between, differs, in_year, like, missing, noun_phrase, one_of
from sample.database import Select
from sample.english import plural, request, sorting, superlative
from sample.schema import Column, Table


def everything(choose: Chooser) -> Draft:
    """`SELECT a, b FROM t`."""
    table = choose.table()
    columns = choose.shown(table, choose.one((1, 2, 2, 3)))
    return Draft(ask_rows(choose, table, columns), Select(columns_sql(columns), table.name))


def lookup(choose: Chooser) -> Draft:
    """`SELECT a FROM t WHERE name = 'X'`."""
    table = choose.labelled_table()
    label = choose.label(table)
    columns = choose.shown(table, choose.one((1, 1, 2)), besides=[label])
    condition = choose.condition_on(table, label)
    row = f"the {named(choose, table, condition)}"
    question = request(choose.rng, f"the {phrases(columns)} of {row}", many=len(columns) > 1)
    return Draft(question, Select(columns_sql(columns), table.name, where=(condition.on(),)))


def named(choose: Chooser, table: Table, condition: Condition) -> str:
    """One row by its name, without article: `wine named Silver Oak`, `book with the title Winter Road`."""
    tails = [f"whose {condition.whose[0]}", f"with {condition.having[0]}"]
    if condition.column.name.lower() == "name":
        tails += [f"named {condition.having[0].removeprefix('the name ')}"] * 2
    return f"{table.noun} {choose.one(tails)}"


def filtered(choose: Chooser) -> Draft:
    """`SELECT a FROM t WHERE b > 1`."""
    table = choose.table()
    return _with_conditions(choose, table, [choose.condition(table)])


def filtered_columns(choose: Chooser) -> Draft:
    """`SELECT a, b FROM t WHERE c > 1`."""
    table = choose.table()
    return _with_conditions(choose, table, [choose.condition(table)], size=2)


def filtered_twice(choose: Chooser) -> Draft:
    """`... WHERE b > 1 AND c = 'x'`."""
    table = choose.table()
    one = choose.condition(table)
    return _with_conditions(choose, table, [one, choose.condition(table, besides=[one.column])])


def filtered_either(choose: Chooser) -> Draft:
    """`... WHERE b > 1 OR c = 'x'`."""
    table = choose.table()
    columns = table.of_kind("text", "number", "year", "date")
    one, two = (choose.condition_on(table, column) for column in choose.some(columns, 2))
    return _with_conditions(choose, table, [one, two], joiner="or")


def filtered_one_of(choose: Chooser) -> Draft:
    """`... WHERE b IN ('x', 'y')`."""
    table = choose.table()
    column = choose.column(table, "text")
    return _with_conditions(choose, table, [one_of(choose.rng, column, choose.values(table, column))])


def filtered_like(choose: Chooser) -> Draft:
    """`... WHERE name LIKE 'S%'`."""
    table = choose.labelled_table()
    column = choose.label(table)
    return _with_conditions(choose, table, [like(choose.rng, column, choose.values(table, column))], besides=())


def filtered_between(choose: Chooser) -> Draft:
    """`... WHERE b BETWEEN 1 AND 5`."""
    table = choose.table()
    column = choose.column(table, "number", "year")
    return _with_conditions(choose, table, [between(choose.rng, column, choose.values(table, column))])


def filtered_not(choose: Chooser) -> Draft:
    """`... WHERE b != 'x'`."""
    table = choose.table()
    column = choose.one([column for column in table.of_kind("text") if not column.nulls])
    return _with_conditions(choose, table, [differs(choose.rng, column, choose.values(table, column))])


def filtered_missing(choose: Chooser) -> Draft:
    """`... WHERE b IS NULL` and `... IS NOT NULL`."""
    table = choose.one([table for table in choose.domain.tables if any(column.nulls for column in table.columns)])
    column = choose.one([column for column in table.columns if column.nulls])
    return _with_conditions(choose, table, [missing(choose.rng, column)])


def filtered_in_year(choose: Chooser) -> Draft:
    """`... WHERE strftime('%Y', b) = '2021'`."""
    table = choose.one([table for table in choose.domain.tables if table.of_kind("date")])
    column = choose.column(table, "date")
    return _with_conditions(choose, table, [in_year(choose.rng, column, choose.values(table, column))])


def distinct(choose: Chooser) -> Draft:
    """`SELECT DISTINCT a FROM t`."""
    table = choose.table()
    column = choose.column(table, "text")
    many, nouns = plural(column.phrase), plural(table.noun)
    wanted = choose.wording(f"the different {many} of the {nouns}", f"the distinct {many} of the {nouns}")
    return Draft(request(choose.rng, wanted, many=True), Select(columns_sql([column]), table.name, distinct=True))


def _with_conditions(
    choose: Chooser,
    table: Table,
    conditions: list[Condition],
    joiner: str = "and",
    besides: tuple[Column, ...] | None = None,
    size: int = 1,
) -> Draft:
    used = [condition.column for condition in conditions] if besides is None else list(besides)
    columns = choose.shown(table, size, besides=used)
    where = tuple(condition.on() for condition in conditions)
    query = Select(columns_sql(columns), table.name, where=where, either=joiner == "or")
    return Draft(ask_rows(choose, table, columns, conditions, joiner), query)


def ask_rows(
    choose: Chooser,
    table: Table,
    columns: list[Column],
    conditions: list[Condition] | None = None,
    joiner: str = "and",
    tail: str = "",
) -> str:
    """A question for some columns of the rows that meet the conditions."""
    conditions = conditions or []
    nouns = noun_phrase(choose.rng, plural(table.noun), conditions, joiner)
    noun = noun_phrase(choose.rng, table.noun, conditions, joiner)
    return ask_columns(choose, columns, nouns, noun, tail)


def ask_columns(choose: Chooser, columns: list[Column], nouns: str, noun: str, tail: str = "") -> str:
    """A question for some columns of `nouns` (many rows) or of each `noun`."""
    many, one = plural_phrases(columns), phrases(columns)
    tail = f", {tail}" if tail else ""
    wanted, is_many = choose.one(
        (
            (f"the {many} of all {nouns}{tail}", True),
            (f"the {many} of the {nouns}{tail}", True),
            (f"the {one} of each {noun}{tail}", len(columns) > 1),
        )
    )
    return request(choose.rng, wanted, many=is_many)


def sorted_rows(choose: Chooser) -> Draft:
    """`SELECT a, b FROM t ORDER BY b DESC`."""
    table = choose.table()
    key = choose.rankable(table) if choose.chance(0.8) else choose.column(table, "label")
    columns = choose.shown(table, choose.one((1, 2)), besides=[] if key.kind == "label" else [key])
    descending = choose.chance(0.5) if key.kind != "label" else False
    question = ask_rows(choose, table, columns, tail=sorting(choose.rng, key, descending=descending))
    return Draft(question, Select(columns_sql(columns), table.name, order=direction(key.name, descending)))


def top_row(choose: Chooser) -> Draft:
    """`SELECT a FROM t ORDER BY b DESC LIMIT 1`."""
    table = choose.table()
    key, descending = choose.rankable(table), choose.chance(0.6)
    columns = choose.shown(table, 1, besides=[key])
    row = superlative(choose.rng, table.noun, key, descending=descending)
    question = request(choose.rng, f"the {phrases(columns)} of the {row}", many=False)
    order = direction(key.name, descending)
    return Draft(question, Select(columns_sql(columns), table.name, order=order, limit=1))


def top_filtered_row(choose: Chooser) -> Draft:
    """`SELECT a FROM t WHERE c = 'x' ORDER BY b DESC LIMIT 1`."""
    table = choose.table()
    key, descending = choose.rankable(table), choose.chance(0.6)
    condition = choose.condition(table, besides=[key])
    columns = choose.shown(table, 1, besides=[key, condition.column])
    nouns = noun_phrase(choose.rng, plural(table.noun), [condition])
    row = superlative(choose.rng, table.noun, key, descending=descending)
    question = f"Among the {nouns}, what is the {phrases(columns)} of the {row}?"
    order = direction(key.name, descending)
    return Draft(question, Select(columns_sql(columns), table.name, where=(condition.on(),), order=order, limit=1))


def top_rows(choose: Chooser) -> Draft:
    """`SELECT a FROM t ORDER BY b DESC LIMIT 3`."""
    table = choose.table()
    key, descending, size = choose.rankable(table), choose.chance(0.6), choose.one((2, 3, 3, 4, 5, 5))
    columns = choose.shown(table, 1, besides=[key])
    rows = superlative(choose.rng, plural(table.noun), key, descending=descending)
    question = request(choose.rng, f"the {plural_phrases(columns)} of the {size} {rows}", many=True)
    order = direction(key.name, descending)
    return Draft(question, Select(columns_sql(columns), table.name, order=order, limit=size))


def direction(key: str, descending: bool) -> str:
    """The ORDER BY key with DESC where it descends; ascending is left unsaid."""
    return f"{key} DESC" if descending else key
