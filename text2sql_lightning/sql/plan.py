"""What a filling has to contain for a query, worked out once; then as many row sets as are asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from text2sql_lightning.errors import DataError
from text2sql_lightning.sql.execution import Row, Value
from text2sql_lightning.sql.keys import Spot, choose_keys, likely_keys
from text2sql_lightning.sql.repair import ddl_error, repair_ddl
from text2sql_lightning.sql.schema import Schema, Table
from text2sql_lightning.sql.tokens import tokenize
from text2sql_lightning.sql.usage import Condition, Literal, Place, Usage, read_usage
from text2sql_lightning.sql.values import Pool, PoolSpec, is_numeric_text, near_misses

_NUMERIC_TYPES: Final = ("INT", "REAL", "NUM", "DEC", "FLOA", "DOUB")
_NULL_SHARE: Final = 0.04
_TWICE_SHARE: Final = 0.2
_MAX_WITNESSES: Final = 8
_LARGE_COUNT: Final = 12
_MAX_COUNT: Final = 40


class _Groups:
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
            them, and SQLite would compare `9` and `1993.0` letter by letter.
        usage: How gold uses the columns.
        settled: The sets of places (`link_of`) whose value matters for whether a row comes out.
        keys: The columns that are taken for keys (`keys.likely_keys`).
        sorted: The columns in ORDER BY and not in GROUP BY. They hold each value once and no NULL: right queries
            differ in where they put ties and NULLs.
    """

    schema: Schema
    declarations: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    usage: Usage
    _specs: dict[object, PoolSpec]
    _pools: _Groups
    _links: _Groups
    _by_link: dict[object, list[Condition]]
    settled: frozenset[object]
    sorted: frozenset[Spot]
    keys: list[tuple[Spot, ...]]

    def rows(self, rng: Random, *, unique_keys: bool) -> tuple[tuple[Row, ...], ...]:
        """Return rows for each table.

        Args:
            rng: Where chance comes from.
            unique_keys: Whether likely keys stand in one row of their table only; declared ones always do.
        """
        return _Filler(self, rng).fill(unique_keys=unique_keys)

    def spec_of(self, spot: Spot) -> object:
        """Return the name of the pool that a column takes its values from."""
        return self._pools.root(spot)

    def link_of(self, place: Place) -> object:
        """Return the name of the set of places that hold one value together with this one."""
        return self._links.root(place)

    def pools(self, rng: Random) -> dict[object, Pool]:
        """Draw the values of one filling."""
        return {name: spec.draw(rng) for name, spec in self._specs.items()}

    def conditions_on(self, place: Place) -> Sequence[Condition]:
        """Return the comparisons with literals that a value at this place has to stand."""
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
    members: dict[object, list[Spot]] = {}
    for table in schema.tables:
        for column in table.columns:
            spot = (table.name.lower(), column.name.lower())
            members.setdefault(pools.root(spot), []).append(spot)
    numbers, specs = _specs(schema, usage, pools, members, gold)
    by_link: dict[object, list[Condition]] = {}
    for condition in usage.conditions:
        by_link.setdefault(links.root(condition.place), []).append(condition)
    declarations = tuple((table.name, _declare(table, pools, numbers)) for table in schema.tables)
    settled = frozenset(by_link) | {links.root(place) for pair in usage.links for place in pair}
    settled |= {links.root(place) for place in usage.groups}
    grouped = {_spot(usage, place) for place in usage.groups}
    in_order = frozenset(_spot(usage, place) for place in usage.sorted) - grouped
    return FillingPlan(
        schema, declarations, usage, specs, pools, links, by_link, settled, in_order, likely_keys(schema, usage)
    )


def _spot(usage: Usage, place: Place) -> Spot:
    return usage.instances[place.scope, place.alias], place.column


def _group(schema: Schema, usage: Usage) -> tuple[_Groups, _Groups]:
    """Join the columns that share values (compared, foreign keys, same name), and the places that share one value."""
    pools, links = _Groups(), _Groups()
    by_name: dict[str, Spot] = {}
    for table in schema.tables:
        for column in table.columns:
            spot = (table.name.lower(), column.name.lower())
            pools.join(spot, by_name.setdefault(spot[1], spot))
        for key in table.foreign_keys:
            other = schema.table(key.ref_table)
            target = key.ref_column or next((c.name for c in other.columns if c.primary_key), "") if other else ""
            if other and other.column(target):
                pools.join((table.name.lower(), key.column.lower()), (other.name.lower(), target.lower()))
    for one, two in usage.links + usage.kin:
        pools.join(_spot(usage, one), _spot(usage, two))
    for one, two in usage.links:
        links.join(one, two)
    return pools, links


def _specs(
    schema: Schema, usage: Usage, pools: _Groups, members: dict[object, list[Spot]], gold: str
) -> tuple[set[object], dict[object, PoolSpec]]:
    """Return the pools that are declared NUMERIC, and what every pool's values must be like."""
    conditions: dict[object, list[Condition]] = {}
    for condition in usage.conditions:
        conditions.setdefault(pools.root(_spot(usage, condition.place)), []).append(condition)
    if not usage.instances:  # a query that only SQLite understands: any literal may belong anywhere
        conditions = {name: _loose_conditions(gold) for name in members}
    numbers = {pools.root(_spot(usage, place)) for place in usage.numeric}
    numbers |= {pools.root(spot) for spot in _declared_numbers(schema)}
    # What is sorted is nearly always a number, and where it is not, a number does no harm.
    numbers |= {pools.root(_spot(usage, place)) for place in usage.sorted} - _compared_with_text(conditions)
    repeated = {
        pools.root(_spot(usage, place)) for place in [*usage.groups, *(p for pair in usage.links for p in pair)]
    }
    specs = {}
    for name, spots in members.items():
        compared = conditions.get(name, [])
        texts = [value for c in compared for value in c.values if isinstance(value, str)]
        numeric = name in numbers or (bool(texts) and all(is_numeric_text(text) for text in texts))
        named_id = not texts and all(column.endswith("id") for _, column in spots)
        narrow = name in repeated or (len(spots) > 1 and spots[0][1].endswith("id"))
        specs[name] = PoolSpec(numeric or named_id, narrow, tuple(compared))
    return numbers, specs


def _compared_with_text(conditions: dict[object, list[Condition]]) -> set[object]:
    return {
        name
        for name, compared in conditions.items()
        if any(isinstance(value, str) and not is_numeric_text(value) for c in compared for value in c.values)
    }


def _declared_numbers(schema: Schema) -> Iterable[Spot]:
    for table in schema.tables:
        for column in table.columns:
            if any(kind in column.type.upper() for kind in _NUMERIC_TYPES):
                yield table.name.lower(), column.name.lower()


def _loose_conditions(gold: str) -> list[Condition]:
    place = Place(0, "", "")
    values = [token.value for token in tokenize(gold) if token.kind in ("string", "quoted", "number")]
    return [Condition(place, "=", (value,)) for value in values[:4]]


def _declare(table: Table, pools: _Groups, numbers: set[object]) -> tuple[tuple[str, str], ...]:
    declared = []
    for column in table.columns:
        textual = not column.type or "CHAR" in column.type.upper() or "TEXT" in column.type.upper()
        is_number = pools.root((table.name.lower(), column.name.lower())) in numbers
        declared.append((column.name, "NUMERIC" if is_number and textual else column.type))
    return tuple(declared)


class _Filler:
    """The rows of one filling while they are made."""

    def __init__(self, plan: FillingPlan, rng: Random) -> None:
        self._plan, self._rng = plan, rng
        self._pools = plan.pools(rng)
        self._tables = {table.name.lower(): table for table in plan.schema.tables}
        self._rows: dict[str, list[Row]] = {name: [] for name in self._tables}
        self._good: dict[Place, list[Literal]] = {}
        self._parts: dict[Spot, Pool] = {}
        self._keys = choose_keys(plan.keys, rng)

    def fill(self, *, unique_keys: bool) -> tuple[tuple[Row, ...], ...]:
        for size in self._group_sizes():
            self._add_witness(size)
        for name in self._tables:
            for _ in range(self._rng.randint(4, 9)):
                self._rows[name].append(self._row(name, {}))
        return tuple(self._finish(table, unique_keys=unique_keys) for table in self._tables.values())

    def _group_sizes(self) -> list[int]:
        """Return how many rows each witness gets: groups of different sizes, on both sides of each count asked for."""
        usage, rng = self._plan.usage, self._rng
        witnesses = min(max(3, usage.limit + 2), _MAX_WITNESSES)
        if not usage.groups:
            return [1] * witnesses
        sizes = [1, 2, 3, 4, 5][: max(3, 5 - len(self._tables) // 2)]
        for count in usage.counts:
            if count <= _MAX_COUNT:
                around = (count - 1, count, count + 1) if count < _LARGE_COUNT else (count, count + 1)
                sizes = [size for size in around if size > 0] + sizes[:3]
        rng.shuffle(sizes)
        return sizes[:_MAX_WITNESSES]

    def _add_witness(self, size: int) -> None:
        """Add rows that the query selects: for every table in it one, with equal values where it joins."""
        usage, plan = self._plan.usage, self._plan
        fixed: dict[object, Value] = {}
        for number in range(size):
            values = dict(fixed)
            for (scope, alias), table in usage.instances.items():
                row = self._row(table, self._chosen(scope, alias, table, values))
                self._rows[table] += [row] * (2 if self._rng.random() < _TWICE_SHARE else 1)
            if number == 0:
                links = {plan.link_of(place) for place in usage.groups}
                fixed = {link: value for link, value in values.items() if link in links}
                self._add_misses(values)

    def _chosen(self, scope: int, alias: str, table: str, values: dict[object, Value]) -> dict[str, Value]:
        """Return the values that matter of one table's row, drawing those that are not settled yet."""
        chosen: dict[str, Value] = {}
        for column in self._tables[table].columns:
            place = Place(scope, alias, column.name.lower())
            link = self._plan.link_of(place)
            if link not in values:
                bare = not column.not_null and link not in self._plan.settled
                bare = bare and (table, place.column) not in self._plan.sorted
                is_null = bare and self._rng.random() < _NULL_SHARE
                values[link] = None if is_null else self._rng.choice(self._good_values(place))
            chosen[place.column] = values[link]
        return chosen

    def _good_values(self, place: Place) -> Sequence[Value]:
        if place not in self._good:
            conditions = self._plan.conditions_on(place)
            if any(c.operator == "is" and not c.negated for c in conditions):
                return [None]
            pool = self._pool(self._plan.usage.instances[place.scope, place.alias], place.column)
            self._good[place] = pool.fulfilling(conditions)
        return self._good[place]

    def _add_misses(self, values: dict[object, Value]) -> None:
        """Add copies of a witness's rows that miss it by one condition, the way a slightly wrong query would."""
        usage, rng = self._plan.usage, self._rng
        conditions = usage.conditions
        for condition in rng.sample(conditions, min(4, len(conditions))):
            scope, alias, column = condition.place
            table = usage.instances[scope, alias]
            # Only what is joined or compared stays: a new MAX must be able to come from the row that should not count.
            kept = {link: value for link, value in values.items() if link in self._plan.settled}
            row = self._chosen(scope, alias, table, kept)
            near = [*near_misses(condition, rng), *self._pool(table, column).others[:1]]
            missing = [value for value in near if not condition.holds(value)]
            if rng.random() < 0.5:
                missing = _sharpest(condition) or missing
            if missing:
                self._rows[table].append(self._row(table, {**row, column: rng.choice(missing)}))

    def _row(self, table: str, chosen: dict[str, Value]) -> Row:
        return tuple(
            chosen[name] if (name := column.name.lower()) in chosen else self._any(table, name, column.not_null)
            for column in self._tables[table].columns
        )

    def _any(self, table: str, column: str, not_null: bool) -> Value:
        if not not_null and self._rng.random() < _NULL_SHARE and (table, column) not in self._plan.sorted:
            return None
        return self._part(table, column).random(self._rng)

    def _part(self, table: str, column: str) -> Pool:
        """Return the values for a column's random rows: of shared ones not all, so that some keys find no partner."""
        spot = (table, column)
        if spot not in self._parts:
            pool = self._pool(table, column)
            others = self._rng.sample(pool.others, max(1, len(pool.others) * 3 // 5))
            self._parts[spot] = Pool(pool.wanted, pool.near, tuple(others))
        return self._parts[spot]

    def _pool(self, table: str, column: str) -> Pool:
        return self._pools[self._plan.spec_of((table, column))]

    def _finish(self, table: Table, *, unique_keys: bool) -> tuple[Row, ...]:
        rows = self._rows[table.name.lower()]
        keys = [i for i, column in enumerate(table.columns) if column.primary_key]
        if not keys and unique_keys:
            likely = self._keys.get(table.name.lower())
            keys = [i for i, column in enumerate(table.columns) if column.name.lower() == likely]
        rows = _distinct(rows, keys) if keys else rows
        for i, column in enumerate(table.columns):
            # Ties leave the order open, and right queries then differ from gold.
            if unique_keys and (table.name.lower(), column.name.lower()) in self._plan.sorted:
                rows = _distinct(rows, [i])
        self._rng.shuffle(rows)
        return tuple(rows)


def _distinct(rows: Iterable[Row], key: Sequence[int]) -> list[Row]:
    """Return the first row for each value of the key; none where part of it is NULL."""
    once: dict[Row, Row] = {}
    for row in rows:
        value = tuple(row[i] for i in key)
        if None not in value:
            once.setdefault(value, row)
    return list(once.values())


def _sharpest(condition: Condition) -> list[Literal]:
    """Return the value that comes closest: the bound itself for < and >, the same text in other letter case for =."""
    literal = condition.values[0] if condition.values else None
    if literal is not None and condition.operator in ("<", ">"):
        return [literal]
    if isinstance(literal, str) and condition.operator == "=" and literal.swapcase() != literal:
        return [literal.swapcase()]
    return []
