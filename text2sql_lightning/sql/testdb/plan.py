"""What a filling has to contain: which columns share values, which are keys, what each column's values are like."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, TypeAlias

from text2sql_lightning.errors import DataError
from text2sql_lightning.sql.ddl import Table
from text2sql_lightning.sql.repair import ddl_error, repair_ddl
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.sql.testdb.usage import Usage, read_usage
from text2sql_lightning.sql.testdb.values import Condition, Place, Pool, PoolSpec, is_numeric_text
from text2sql_lightning.text.sql_tokens import tokenize

TableColumn: TypeAlias = tuple[str, str]
"""A table's and a column's name, in lower case."""

_NUMERIC_TYPES: Final = ("INT", "REAL", "NUM", "DEC", "FLOA", "DOUB")


class _UnionFind:
    """Things that belong together, joined pair by pair."""

    def __init__(self) -> None:
        self._above: dict[object, object] = {}

    def root(self, thing: object) -> object:
        while (above := self._above.get(thing, thing)) != thing:
            thing = above
        return thing

    def join(self, one: object, other: object) -> None:
        self._above[self.root(one)] = self.root(other)


@dataclass
class FillingPlan:
    """The tables of a record, the way its gold query uses them, and the kinds of values that they need.

    Attributes:
        schema: The tables.
        declarations: For each table its name and its columns as (name, type) for a filling's CREATE TABLE. A column
            that gold calculates with or compares with numbers is NUMERIC: the data says VARCHAR for nearly all of
            them, and SQLite would compare `9` and `1993.0` as texts.
        usage: How gold uses the columns.
        settled: The sets of places (`link_of`) whose value matters for whether a row comes out.
        keys: The columns that are taken for keys (`likely_keys`).
        sorted: The columns in ORDER BY and not in GROUP BY. They hold each value once and no NULL: right queries
            differ in where they put ties and NULLs.
    """

    schema: Schema
    declarations: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    usage: Usage
    _specs: dict[object, PoolSpec]
    _pools: _UnionFind
    _links: _UnionFind
    _by_link: dict[object, list[Condition]]
    settled: frozenset[object]
    sorted: frozenset[TableColumn]
    keys: list[tuple[TableColumn, ...]]

    def spec_of(self, column: TableColumn) -> object:
        """Return the name of the pool that a column takes its values from."""
        return self._pools.root(column)

    def link_of(self, place: Place) -> object:
        """Return the name of the set of places that hold one value together with this one."""
        return self._links.root(place)

    def pools(self, rng: Random) -> dict[object, Pool]:
        """Draw the values of one filling."""
        return {name: spec.draw(rng) for name, spec in self._specs.items()}

    def conditions_on(self, place: Place) -> Sequence[Condition]:
        """Return the comparisons with literals that a value at this place has to fulfil."""
        return self._by_link.get(self.link_of(place), ())


def plan_filling(context: str, gold: str) -> FillingPlan:
    """Work out what a filling has to contain.

    Raises:
        DataError: When the context has no table or does not run, not even after repair.
    """
    text = repair_ddl(context).text
    schema = Schema.from_ddl(text)
    failure = ddl_error(text)
    if failure is not None:
        raise DataError(f"the CREATE TABLE text does not run ({failure}): {context[:120]!r}")
    usage = read_usage(gold, schema)
    pools, links = _group(schema, usage)
    numbers, specs = _specs(schema, usage, pools, gold)
    by_link: dict[object, list[Condition]] = {}
    for condition in usage.conditions:
        by_link.setdefault(links.root(condition.place), []).append(condition)
    settled = {links.root(place) for place in [*_joined(usage), *usage.groups]}
    in_order = {usage.column_of(place) for place in usage.sorted} - {usage.column_of(place) for place in usage.groups}
    return FillingPlan(
        schema,
        tuple((table.name, _declare(table, pools, numbers)) for table in schema.tables),
        usage,
        specs,
        pools,
        links,
        by_link,
        frozenset(settled | by_link.keys()),
        frozenset(in_order),
        likely_keys(schema, usage),
    )


def _joined(usage: Usage) -> Iterator[Place]:
    return (place for pair in usage.links for place in pair)


def _columns(table: Table) -> list[TableColumn]:
    return [(table.name.lower(), column.name.lower()) for column in table.columns]


def _group(schema: Schema, usage: Usage) -> tuple[_UnionFind, _UnionFind]:
    """Join the columns that share values (compared, foreign keys, same name), and the places that share one value."""
    pools, links = _UnionFind(), _UnionFind()
    by_name: dict[str, TableColumn] = {}
    for table in schema.tables:
        for column in _columns(table):
            pools.join(column, by_name.setdefault(column[1], column))
        for key in table.foreign_keys:
            other = schema.table(key.ref_table)
            target = key.ref_column or next((c.name for c in other.columns if c.primary_key), "") if other else ""
            if other and other.column(target):
                pools.join((table.name.lower(), key.column.lower()), (other.name.lower(), target.lower()))
    for one, two in usage.links + usage.compared:
        pools.join(usage.column_of(one), usage.column_of(two))
    for one, two in usage.links:
        links.join(one, two)
    return pools, links


def _specs(schema: Schema, usage: Usage, pools: _UnionFind, gold: str) -> tuple[set[object], dict[object, PoolSpec]]:
    """Return the pools that are declared NUMERIC, and what every pool's values must be like."""
    members: dict[object, list[TableColumn]] = {}
    for table in schema.tables:
        for column in _columns(table):
            members.setdefault(pools.root(column), []).append(column)
    conditions: dict[object, list[Condition]] = {}
    for condition in usage.conditions:
        conditions.setdefault(pools.root(usage.column_of(condition.place)), []).append(condition)
    if not usage.instances:  # a query that only SQLite understands: any literal may belong anywhere
        conditions = {name: _loose_conditions(gold) for name in members}

    def roots(places: Iterable[Place]) -> set[object]:
        return {pools.root(usage.column_of(place)) for place in places}

    numbers = roots(usage.numeric) | {pools.root(column) for column in _declared_numbers(schema)}
    # What is sorted is nearly always a number, and where it is not, a number does no harm.
    numbers |= roots(usage.sorted) - _compared_with_text(conditions)
    repeated = roots([*usage.groups, *_joined(usage)])
    specs = {}
    for name, columns in members.items():
        compared = conditions.get(name, [])
        texts = [value for c in compared for value in c.values if isinstance(value, str)]
        numeric = name in numbers or (bool(texts) and all(is_numeric_text(text) for text in texts))
        named_id = not texts and all(column.endswith("id") for _, column in columns)
        narrow = name in repeated or (len(columns) > 1 and columns[0][1].endswith("id"))
        specs[name] = PoolSpec(numeric or named_id, narrow, tuple(compared))
    return numbers, specs


def _compared_with_text(conditions: dict[object, list[Condition]]) -> set[object]:
    return {
        name
        for name, compared in conditions.items()
        if any(isinstance(value, str) and not is_numeric_text(value) for c in compared for value in c.values)
    }


def _declared_numbers(schema: Schema) -> Iterator[TableColumn]:
    for table in schema.tables:
        for column, key in zip(table.columns, _columns(table), strict=True):
            if any(kind in column.type.upper() for kind in _NUMERIC_TYPES):
                yield key


def _loose_conditions(gold: str) -> list[Condition]:
    place = Place(0, "", "")
    values = [token.value for token in tokenize(gold) if token.kind in ("string", "quoted", "number")]
    return [Condition(place, "=", (value,)) for value in values[:4]]


def _declare(table: Table, pools: _UnionFind, numbers: set[object]) -> tuple[tuple[str, str], ...]:
    declared = []
    for column, key in zip(table.columns, _columns(table), strict=True):
        textual = not column.type or "CHAR" in column.type.upper() or "TEXT" in column.type.upper()
        declared.append((column.name, "NUMERIC" if textual and pools.root(key) in numbers else column.type))
    return tuple(declared)


def likely_keys(schema: Schema, usage: Usage) -> list[tuple[TableColumn, ...]]:
    """Return the columns that are taken for keys, in the order in which they are to be believed.

    Real joins nearly always end at a unique column. Declared primary keys are not
    among the result: those are certain. A table's own id is one by its name. Of the two ends of a join one is, or
    right queries would differ from gold in which row of a group they show.

    Returns:
        Choices of one column, or of the two ends of a join where nothing speaks for either.
    """
    keyed = {table.name.lower() for table in schema.tables if any(column.primary_key for column in table.columns)}
    choices: list[tuple[TableColumn, ...]] = [
        ((table.name.lower(), name),) for table in schema.tables if (name := _own_id(table)) and len(schema.tables) > 1
    ]
    joins = Counter(place[:2] for place in _joined(usage))
    for one, two in usage.links:
        ends = [usage.column_of(one), usage.column_of(two)]
        if ends[0] == ends[1] or ends[0][0] in keyed or ends[1][0] in keyed:
            continue
        merits = [_merit(schema, usage, place, other, joins) for place, other in ((one, two), (two, one))]
        choices.append(tuple(end for end, merit in zip(ends, merits, strict=True) if merit == max(merits)))
    return sorted(choices, key=len)


def choose_keys(choices: Iterable[Sequence[TableColumn]], rng: Random) -> dict[str, str]:
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
        bare = column.name.lower().replace("_", "")
        if bare == "id" or (bare.endswith("id") and bare[:-2] in (name, name.removesuffix("s"))):
            return column.name.lower()
    return ""
