"""Templates with ORDER BY: sorted rows, the first few, and the one at the top."""

from text2sql_lightning.sample.conditions import Condition, noun_phrase
from text2sql_lightning.sample.domain import Column, Table
from text2sql_lightning.sample.english import plural, request
from text2sql_lightning.sample.pen import Draft, Pen, columns_sql, phrases, plural_phrases
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.ranking import extremes, sorting, superlative
from text2sql_lightning.sample.templates.rows import ask_rows


def sorted_rows(pen: Pen) -> Draft:
    """`SELECT a FROM t ORDER BY b DESC`, with or without a condition."""
    table = pen.table()
    key = pen.rankable(table) if pen.chance(0.75) else pen.column(table, "label")
    conditions = [pen.condition(table, besides=[key])] if pen.chance(0.5) else []
    shown_key = key.kind == "label" or pen.chance(0.4)
    besides = [condition.column for condition in conditions] + ([] if shown_key else [key])
    columns = pen.shown(table, pen.pick((1, 1, 2)), besides=besides)
    descending = pen.chance(0.6) if key.kind != "label" else pen.chance(0.25)
    question = ask_rows(pen, table, columns, conditions, tail=sorting(pen.rng, key, descending=descending))
    where = tuple(condition.on() for condition in conditions)
    order = direction(key.name, descending)
    return Draft(question, Select(columns_sql(columns), table.name, where=where, order=order))


def top_row(pen: Pen) -> Draft:
    """`SELECT a FROM t ORDER BY b DESC LIMIT 1`, with or without a condition."""
    table = pen.table()
    key, descending = pen.rankable(table), pen.chance(0.6)
    conditions = [pen.condition(table, besides=[key])] if pen.chance(0.35) else []
    besides = [key, *(condition.column for condition in conditions)]
    columns = pen.shown(table, pen.pick((1, 1, 1, 2)), besides=besides)
    row = _superlative(pen, table.noun, key, descending, conditions)
    question = request(pen.rng, f"the {phrases(columns)} of the {row}", many=len(columns) > 1)
    if columns == [table.label] and pen.chance(0.35):
        question = _which(pen, table, key, descending, conditions)
    return Draft(question, _top(table, columns, conditions, direction(key.name, descending), 1))


def top_rows(pen: Pen) -> Draft:
    """`SELECT a FROM t ORDER BY b DESC LIMIT 3`, with or without a condition."""
    table = pen.table()
    key, descending, size = pen.rankable(table), pen.chance(0.6), pen.pick((2, 3, 3, 4, 5, 5))
    conditions = [pen.condition(table, besides=[key])] if pen.chance(0.3) else []
    besides = [key, *(condition.column for condition in conditions)]
    columns = pen.shown(table, pen.pick((1, 1, 2)), besides=besides)
    rows = _superlative(pen, plural(table.noun), key, descending, conditions)
    wanted = f"the {plural_phrases(columns)} of the {size} {rows}"
    return Draft(
        request(pen.rng, wanted, many=True), _top(table, columns, conditions, direction(key.name, descending), size)
    )


def _superlative(pen: Pen, noun: str, key: Column, descending: bool, conditions: list[Condition]) -> str:
    if not conditions:
        return superlative(pen.rng, noun, key, descending=descending)
    # "wine from Italy with the highest price": the condition must not separate the noun from what ranks it,
    # so it stands directly behind the noun only where it reads well there.
    condition = conditions[0]
    if condition.before:
        return superlative(pen.rng, f"{condition.before[0]} {noun}", key, descending=descending)
    if condition.behind:
        return superlative(pen.rng, noun, key, descending=descending, behind=pen.pick(condition.behind))
    return f"{superlative(pen.rng, noun, key, descending=descending)} among those {pen.pick(condition.tails())}"


def _which(pen: Pen, table: Table, key: Column, descending: bool, conditions: list[Condition]) -> str:
    noun = noun_phrase(pen.rng, table.noun, conditions)
    if key.counted:
        end = f"has the {'most' if descending else 'fewest'} {key.counted}"
    else:
        end = f"has the {extremes(key, largest=descending)[0]} {key.phrase}"
    own = key.most if descending else key.least
    return f"Which {noun} is the {own}?" if own and pen.chance(0.6) else f"Which {noun} {end}?"


def _top(table: Table, columns: list[Column], conditions: list[Condition], order: str, limit: int) -> Select:
    where = tuple(condition.on() for condition in conditions)
    return Select(columns_sql(columns), table.name, where=where, order=order, limit=limit)


def direction(key: str, descending: bool) -> str:
    """The ORDER BY key with DESC where it descends; ascending is left unsaid."""
    return f"{key} DESC" if descending else key
