"""Templates with ORDER BY: sorted rows, the first few, and the one at the top."""

from text2sql_lightning.sample.conditions import noun_phrase
from text2sql_lightning.sample.english import plural, request
from text2sql_lightning.sample.pen import Draft, Pen, columns_sql, phrases, plural_phrases
from text2sql_lightning.sample.query import Select
from text2sql_lightning.sample.ranking import sorting, superlative
from text2sql_lightning.sample.templates.rows import ask_rows


def sorted_rows(pen: Pen) -> Draft:
    """`SELECT a, b FROM t ORDER BY b DESC`."""
    table = pen.table()
    key = pen.rankable(table) if pen.chance(0.8) else pen.column(table, "label")
    columns = pen.shown(table, pen.pick((1, 2)), besides=[] if key.kind == "label" else [key])
    descending = pen.chance(0.5) if key.kind != "label" else False
    question = ask_rows(pen, table, columns, tail=sorting(pen.rng, key, descending=descending))
    return Draft(question, Select(columns_sql(columns), table.name, order=direction(key.name, descending)))


def top_row(pen: Pen) -> Draft:
    """`SELECT a FROM t ORDER BY b DESC LIMIT 1`."""
    table = pen.table()
    key, descending = pen.rankable(table), pen.chance(0.6)
    columns = pen.shown(table, 1, besides=[key])
    row = superlative(pen.rng, table.noun, key, descending=descending)
    question = request(pen.rng, f"the {phrases(columns)} of the {row}", many=False)
    order = direction(key.name, descending)
    return Draft(question, Select(columns_sql(columns), table.name, order=order, limit=1))


def top_filtered_row(pen: Pen) -> Draft:
    """`SELECT a FROM t WHERE c = 'x' ORDER BY b DESC LIMIT 1`."""
    table = pen.table()
    key, descending = pen.rankable(table), pen.chance(0.6)
    condition = pen.condition(table, besides=[key])
    columns = pen.shown(table, 1, besides=[key, condition.column])
    nouns = noun_phrase(pen.rng, plural(table.noun), [condition])
    row = superlative(pen.rng, table.noun, key, descending=descending)
    question = f"Among the {nouns}, what is the {phrases(columns)} of the {row}?"
    order = direction(key.name, descending)
    return Draft(question, Select(columns_sql(columns), table.name, where=(condition.on(),), order=order, limit=1))


def top_rows(pen: Pen) -> Draft:
    """`SELECT a FROM t ORDER BY b DESC LIMIT 3`."""
    table = pen.table()
    key, descending, size = pen.rankable(table), pen.chance(0.6), pen.pick((2, 3, 3, 4, 5, 5))
    columns = pen.shown(table, 1, besides=[key])
    rows = superlative(pen.rng, plural(table.noun), key, descending=descending)
    question = request(pen.rng, f"the {plural_phrases(columns)} of the {size} {rows}", many=True)
    order = direction(key.name, descending)
    return Draft(question, Select(columns_sql(columns), table.name, order=order, limit=size))


def direction(key: str, descending: bool) -> str:
    """The ORDER BY key with DESC where it descends; ascending is left unsaid."""
    return f"{key} DESC" if descending else key
