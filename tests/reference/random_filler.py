"""Databases of plain random rows: an independent judge of which queries differ from gold.

It shares no code with `text2sql_lightning.sql.testdb.filling`: tables are read by SQLite itself, rows are drawn cell
by cell. Nothing is aimed at the query but the values: a column's cells are gold's literals on it, values next to those,
NULL, and values of one kind that columns of one name, and columns that gold compares with each other, have in common.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import suppress
from itertools import permutations
from random import Random
from typing import Any

import sqlglot
from sqlglot import exp

WORDS = ["Alba", "Brno", "Cusco", "Dover", "Essen", "Fargo", "Genoa", "Hanoi", "Izmir", "Jinan", "Kyoto", "Lyon"]
STEPS_A_LOOK, LOOKS = 10_000, 100


class RandomDatabases:
    """The databases of one record: `count` fillings of its tables.

    Args:
        ddl: CREATE TABLE text that runs.
        gold: The query whose literals go into the rows.
        seed: Decides the rows.
        count: How many databases.
    """

    def __init__(self, ddl: str, gold: str, seed: object, count: int = 20) -> None:
        rng = Random(f"{seed}/{ddl}/{gold}")
        literals, kin = _read_query(gold)
        self._connections = [_fill(ddl, literals, kin, rng) for _ in range(count)]

    def answers(self, sql: str) -> list[list[tuple[Any, ...]] | None]:
        """Return the query's rows on each database, None for an error."""
        return [_run(connection, sql) for connection in self._connections]

    def close(self) -> None:
        for connection in self._connections:
            connection.close()


def differ(gold: list[Any] | None, other: list[Any] | None, *, ordered: bool) -> bool:
    """Whether two results differ: as lists or as bags of rows, whatever the order of the columns."""
    if gold is None or other is None:
        return False
    if not gold or not other:
        return len(gold) != len(other)
    if len(gold) != len(other) or len(gold[0]) != len(other[0]):
        return True
    orders = permutations(range(len(gold[0]))) if len(gold[0]) <= 5 else iter([range(len(gold[0]))])
    for order in orders:
        rows = [tuple(row[i] for i in order) for row in other]
        if rows == gold or (not ordered and Counter(rows) == Counter(gold)):
            return False
    return True


def _run(connection: sqlite3.Connection, sql: str) -> list[tuple[Any, ...]] | None:
    looks = iter(range(LOOKS))
    connection.set_progress_handler(lambda: next(looks, None) is None, STEPS_A_LOOK)
    try:
        return connection.execute(sql).fetchmany(5_000)
    except sqlite3.Error:
        return None


def _read_query(gold: str) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Return the literals that stand beside each column's name ("" holds all), and which names are compared."""
    literals: dict[str, list[Any]] = defaultdict(list)
    kin: dict[str, str] = {}
    try:
        tree = sqlglot.parse_one(gold, read="sqlite")
    except sqlglot.errors.SqlglotError:
        return literals, kin
    for predicate in tree.find_all(exp.Predicate):
        columns = [column.name.lower() for column in predicate.find_all(exp.Column)]
        values = list(_values(predicate))
        literals[""] += values
        # "Text" in double quotes looks like a column: every name beside it gets the text, and no table has the other.
        texts = [column.name for column in predicate.find_all(exp.Column) if column.this.args.get("quoted")]
        for name in columns:
            literals[name] += values + texts
        for name in columns[1:]:
            kin[_root(kin, name)] = _root(kin, columns[0])
        literals[""] += texts
    return literals, kin


def _root(kin: dict[str, str], name: str) -> str:
    while kin.get(name, name) != name:
        name = kin[name]
    return name


def _values(predicate: exp.Expression) -> Iterator[Any]:
    for literal in predicate.find_all(exp.Literal):
        if literal.is_string:
            yield literal.this.replace("%", "").replace("_", "a")
        else:
            value = float(literal.this)
            value = -value if isinstance(literal.parent, exp.Neg) else value
            yield int(value) if value.is_integer() else value


def _fill(ddl: str, literals: dict[str, list[Any]], kin: dict[str, str], rng: Random) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(ddl)
    connection.execute("BEGIN")
    pools: dict[str, list[Any]] = {}
    shown = rng.uniform(0.3, 0.7)
    for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        quoted = '"' + table.replace('"', '""') + '"'
        columns = [
            (name.lower(), kind.upper()) for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({quoted})")
        ]
        rows = [
            tuple(_cell(*column, literals, kin, pools, shown, rng) for column in columns)
            for _ in range(rng.randint(4, 40))
        ]
        rows += rng.choices(rows, k=len(rows) // 5)
        for i in range(len(rows) // 3):  # rows that differ from another in one column
            other = list(rng.choice(rows))
            at = rng.randrange(len(columns))
            other[at] = _cell(*columns[at], literals, kin, pools, shown, rng)
            rows[i] = tuple(other)
        marks = ", ".join("?" * len(columns))
        for row in rows:
            with suppress(sqlite3.IntegrityError):  # a second row of one key, text where the key is an integer
                connection.execute(f"INSERT INTO {quoted} VALUES ({marks})", row)
    connection.execute("COMMIT")
    return connection


def _cell(
    name: str,
    kind: str,
    literals: dict[str, list[Any]],
    kin: dict[str, str],
    pools: dict[str, list[Any]],
    shown: float,
    rng: Random,
) -> Any:
    if rng.random() < 0.05:
        return None
    own = literals.get(name)
    if own and rng.random() < shown:
        value = rng.choice(own)
        return value if rng.random() < 0.6 else _beside(value, rng)
    if not own and literals.get("") and rng.random() < 0.03:
        return rng.choice(literals[""])
    pool = pools.setdefault(_root(kin, name), _pool(name, kind, own or [], rng))
    return rng.choice(pool)


def _pool(name: str, kind: str, own: list[Any], rng: Random) -> list[Any]:
    """Draw a column's values: numbers where the type or the name says so or by chance, few or many of them."""
    numeric = any(word in kind for word in ("INT", "REAL", "NUM", "DEC", "FLOAT", "DOUBLE")) or name.endswith("id")
    numeric |= any(isinstance(value, int | float) for value in own)
    if numeric or (rng.random() < 0.5 and not own):
        high = rng.choice((6, 30, 3000))
        return [rng.randint(0, high) for _ in range(rng.choice((5, 12, 30)))]
    words = rng.sample(WORDS, rng.randint(3, len(WORDS)))
    return [word if rng.random() < 0.8 else f"{word} {rng.randint(1, 9)}" for word in words]


def _beside(value: Any, rng: Random) -> Any:
    if isinstance(value, str):
        text = value or "x"
        return rng.choice((text.swapcase(), text.lower(), text.title(), text[:-1], text[1:], text + "s", "the " + text))
    return value + rng.choice((-2, -1, 1, 2, 10, 0.5))
