"""Which columns are keys: stand in one row of their table only. Real joins nearly always end at one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random
from typing import TypeAlias

from text2sql_lightning.sql.schema import Schema, Table
from text2sql_lightning.sql.usage import Place, Usage

Spot: TypeAlias = tuple[str, str]
"""A table's and a column's name, in lower case."""


def likely_keys(schema: Schema, usage: Usage) -> list[tuple[Spot, ...]]:
    """Return the columns that are taken for keys, in the order in which they are to be believed.

    Declared primary keys are not among them: those are certain. A table's own id is one by its name. Of the two ends
    of a join one is, or right queries would differ from gold in which row of a group they show.

    Returns:
        Choices of one column, or of the two ends of a join where nothing speaks for either.
    """
    keyed = {table.name.lower() for table in schema.tables if any(column.primary_key for column in table.columns)}
    choices: list[tuple[Spot, ...]] = [
        ((table.name.lower(), name),) for table in schema.tables if (name := _own_id(table)) and len(schema.tables) > 1
    ]
    joins = Counter(place[:2] for link in usage.links for place in link)
    for one, two in usage.links:
        ends = [(usage.instances[place[:2]], place.column) for place in (one, two)]
        if ends[0] == ends[1] or ends[0][0] in keyed or ends[1][0] in keyed:
            continue
        merits = [_merit(schema, usage, place, other, joins) for place, other in ((one, two), (two, one))]
        best = tuple(end for end, merit in zip(ends, merits, strict=True) if merit == max(merits))
        choices.append(best)
    return sorted(choices, key=len)


def choose_keys(choices: Iterable[Sequence[Spot]], rng: Random) -> dict[str, str]:
    """Return each table's key column: one for each join, and no more than one for each table."""
    keys: dict[str, str] = {}
    for choice in choices:
        if not any(keys.get(table) == column for table, column in choice):
            table, column = rng.choice(choice)
            keys.setdefault(table, column)
    return keys


def _merit(
    schema: Schema, usage: Usage, place: Place, other: Place, joins: Counter[tuple[int, str]]
) -> tuple[int, ...]:
    """Rate how much speaks for one end of a join to be the key."""
    grouped = bool({place, other} & usage.groups)
    shown = any(shown[:2] == place[:2] and shown.column != place.column for shown in usage.shown)
    table = schema.table(usage.instances[place[:2]])
    named = table is not None and _own_id(table) == place.column
    # A table in the middle of several joins is the one that refers to the others.
    return int(grouped and shown), int(named), -joins[place[:2]], int(shown)


def _own_id(table: Table) -> str:
    """Return the column that is its table's id by name (`id`, or `singer_id` in `singer` or `singers`), or nothing."""
    name = table.name.lower().replace("_", "")
    for column in table.columns:
        flat = column.name.lower().replace("_", "")
        if flat == "id" or (flat.endswith("id") and flat[:-2] in (name, name.removesuffix("s"))):
            return column.name.lower()
    return ""
