"""The rows of a filling: ones that the query selects, ones that miss it by a little, and others."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Final

from text2sql_lightning.sql.ddl import Table
from text2sql_lightning.sql.execution import Row, Value
from text2sql_lightning.sql.testdb.plan import FillingPlan, TableColumn, choose_keys
from text2sql_lightning.sql.testdb.values import Condition, Literal, Place, Pool, edges, near_misses

_NULL_SHARE: Final = 0.04
_COUNTED_NULL_SHARE: Final = 0.25
_TWICE_SHARE: Final = 0.2
_EXTREME_SHARE: Final = 0.6
_MAX_WITNESSES: Final = 8
_MAX_EDGES: Final = 4
_LARGE_COUNT: Final = 12
_MAX_COUNT: Final = 40


def make_rows(plan: FillingPlan, rng: Random, *, unique_keys: bool) -> tuple[tuple[Row, ...], ...]:
    """Return rows for each table of a plan.

    Args:
        plan: What the rows have to contain.
        rng: Where chance comes from.
        unique_keys: Whether likely keys are unique; declared ones always are.
    """
    return _Filler(plan, rng).fill(unique_keys=unique_keys)


class _Filler:
    """The rows of one filling while they are made."""

    def __init__(self, plan: FillingPlan, rng: Random) -> None:
        self._plan, self._rng = plan, rng
        self._pools = plan.pools(rng)
        self._tables = {table.name.lower(): table for table in plan.schema.tables}
        self._rows: dict[str, list[Row]] = {name: [] for name in self._tables}
        self._good: dict[Place, list[Literal]] = {}
        self._parts: dict[TableColumn, Pool] = {}
        self._keys = choose_keys(plan.keys, rng)
        declared = {table.name.lower() for table in plan.schema.tables if any(c.primary_key for c in table.columns)}
        self._keyed = declared | set(self._keys)

    def fill(self, *, unique_keys: bool) -> tuple[tuple[Row, ...], ...]:
        for size in self._group_sizes():
            self._add_witness(size)
        self._add_edges()
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
            self._add_rows(values)
            if number == 0:
                links = {plan.link_of(place) for place in usage.groups}
                fixed = {link: value for link, value in values.items() if link in links}
                self._add_misses(values, fixed)

    def _add_rows(self, values: dict[object, Value], missed: dict[Place, Value] | None = None) -> None:
        """Add a row to each table of the query, drawing the values that are not settled yet.

        Args:
            values: The value of each set of places; those that are drawn are added.
            missed: Places that hold another value than their set does.
        """
        for (scope, alias), table in self._plan.usage.instances.items():
            chosen = self._chosen(scope, alias, table, values)
            chosen |= {place.column: v for place, v in (missed or {}).items() if place[:2] == (scope, alias)}
            row = self._row(table, chosen)
            self._rows[table] += [row] * (2 if self._rng.random() < _TWICE_SHARE else 1)

    def _add_edges(self) -> None:
        """Add rows that only just fulfil a comparison, and on which, now and then, the answer hangs."""
        near = [(c, edge) for c in self._plan.usage.conditions for edge in edges(c)]
        for condition, edge in self._rng.sample(near, min(_MAX_EDGES, len(near))):
            if all(other.holds(edge) for other in self._plan.conditions_on(condition.place)):
                values = self._extremes()
                values[self._plan.link_of(condition.place)] = edge
                self._add_rows(values)

    def _extremes(self) -> dict[object, Value]:
        """Return values of what the query takes the largest or smallest of, beyond those of all other rows."""
        usage, plan = self._plan.usage, self._plan
        values: dict[object, Value] = {}
        for places, above in ((usage.highest, True), (usage.lowest, False)):
            for place in sorted(places):
                if plan.link_of(place) not in plan.settled:
                    pool = self._pool(usage.instances[place[:2]], place.column)
                    values[plan.link_of(place)] = pool.extreme(self._rng, above=above)
        return values

    def _chosen(self, scope: int, alias: str, table: str, values: dict[object, Value]) -> dict[str, Value]:
        """Return the values that matter of one table's row, drawing those that are not settled yet."""
        usage = self._plan.usage
        chosen: dict[str, Value] = {}
        for column in self._tables[table].columns:
            place = Place(scope, alias, column.name.lower())
            link = self._plan.link_of(place)
            if link not in values:
                bare = not column.not_null and link not in self._plan.settled
                bare = bare and (table, place.column) not in self._plan.sorted
                is_null = bare and self._rng.random() < (_COUNTED_NULL_SHARE if place in usage.counted else _NULL_SHARE)
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

    def _add_misses(self, values: dict[object, Value], grouped: dict[object, Value]) -> None:
        """Add copies of a witness's rows that miss it by one condition, the way a slightly wrong query would.

        Args:
            values: The witness's values.
            grouped: Those of them that name its group.
        """
        usage, rng = self._plan.usage, self._rng
        conditions = usage.conditions
        for condition in rng.sample(conditions, min(4, len(conditions))):
            scope, alias, column = condition.place
            table = usage.instances[scope, alias]
            near = [*near_misses(condition, rng), *self._pool(table, column).others[:1]]
            missing = [value for value in near if not condition.holds(value)]
            if rng.random() < 0.5:
                missing = _sharpest(condition) or missing
            if not missing:
                continue
            value = rng.choice(missing)
            extremes = self._extremes() if rng.random() < _EXTREME_SHARE else {}
            if table in self._keyed or rng.random() < 0.5:  # its key is taken: a miss needs its own partners
                self._add_rows({**extremes, **grouped}, {condition.place: value})
                continue
            # Only what is joined or compared stays: a new MAX must be able to come from the row that should not count.
            kept = {link: value for link, value in values.items() if link in self._plan.settled}
            row = self._chosen(scope, alias, table, {**extremes, **kept})
            self._rows[table].append(self._row(table, {**row, column: value}))

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
    """Return the value that comes closest: the bound itself for < and >, the same text in another case for =."""
    literal = condition.values[0] if condition.values else None
    if literal is not None and condition.operator in ("<", ">"):
        return [literal]
    if isinstance(literal, str) and condition.operator == "=" and literal.swapcase() != literal:
        return [literal.swapcase()]
    return []
