import hashlib
import os
import sqlite3
import subprocess
import sys

import pytest

from text2sql_lightning.errors import DataError
from text2sql_lightning.sql.execution import execute
from text2sql_lightning.sql.testdb.filling import make_databases, make_fillings

pytestmark = pytest.mark.unit

CONTEXT = (
    "CREATE TABLE singer (id VARCHAR, name VARCHAR); CREATE TABLE song (singer_id VARCHAR, year VARCHAR, genre VARCHAR)"
)
GOLD = (
    "SELECT T1.name FROM singer AS T1 JOIN song AS T2 ON T1.id = T2.singer_id "
    'WHERE T2.genre = "Rock" AND T2.year > 1993'
)


def digest(databases: list[bytes]) -> str:
    return hashlib.sha256(b"".join(databases)).hexdigest()


def test_same_seed_same_bytes_in_any_process() -> None:
    here = digest(make_databases(CONTEXT, GOLD, seed=7))
    assert here == digest(make_databases(CONTEXT, GOLD, seed=7))
    assert here != digest(make_databases(CONTEXT, GOLD, seed=8))
    code = (
        "import hashlib\nfrom text2sql_lightning.sql.testdb.filling import make_databases\n"
        f"print(hashlib.sha256(b''.join(make_databases({CONTEXT!r}, {GOLD!r}, seed=7))).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == here


@pytest.mark.parametrize(
    "gold",
    [
        GOLD,
        "SELECT name FROM singer WHERE id IN (SELECT singer_id FROM song GROUP BY singer_id HAVING COUNT(*) > 2)",
        "SELECT name FROM singer WHERE name LIKE 'A%' AND NOT name LIKE '%z'",
        "SELECT genre FROM song WHERE year BETWEEN 1990 AND 1995 ORDER BY year DESC LIMIT 3",
        "SELECT T1.name FROM singer AS T1 JOIN song AS T2 ON T1.id = T2.singer_id WHERE T2.genre = 'a' INTERSECT "
        "SELECT T1.name FROM singer AS T1 JOIN song AS T2 ON T1.id = T2.singer_id WHERE T2.genre = 'b'",
        "SELECT name FROM singer EXCEPT SELECT T1.name FROM singer AS T1 JOIN song AS T2 ON T1.id = T2.singer_id",
        "SELECT name FROM singer WHERE NOT EXISTS (SELECT 1 FROM song WHERE song.singer_id = singer.id AND year = 2)",
        "SELECT AVG(year) FROM song WHERE genre = 'x' AND singer_id < 4",
    ],
)
def test_gold_finds_something(gold: str) -> None:
    results = [execute(database, gold) for database in make_databases(CONTEXT, gold, seed=0)]
    assert [result.error for result in results] == [None] * 4
    assert all(any(value is not None for row in result.rows for value in row) for result in results)


def test_rows_miss_gold_by_a_little() -> None:
    values: set[object] = set()
    for database in make_databases(CONTEXT, GOLD, seed=0):
        values.update(value for row in execute(database, "SELECT genre, year FROM song").rows for value in row)
    assert {"Rock", 1993, 1994, 1992} <= values
    assert any(isinstance(v, str) and v != "Rock" and v.lower() == "rock" for v in values)


def test_tables_stand_as_declared() -> None:
    database = make_databases(CONTEXT, GOLD, seed=0, fillings=1)[0]
    connection = sqlite3.connect(":memory:")
    connection.deserialize(database)
    described = connection.execute("SELECT name, type FROM pragma_table_info('song')").fetchall()
    assert described == [("singer_id", "VARCHAR"), ("year", "NUMERIC"), ("genre", "VARCHAR")]
    assert 5 <= connection.execute("SELECT COUNT(*) FROM song").fetchone()[0] <= 60


def test_keys_are_unique() -> None:
    context = "CREATE TABLE t (a INTEGER, b TEXT, c INTEGER NOT NULL, PRIMARY KEY (a, b))"
    for filling in make_fillings(context, "SELECT a, COUNT(*) FROM t WHERE c > 3 GROUP BY a", seed=0):
        keys = [row[:2] for row in filling.rows[0]]
        assert len(keys) == len(set(keys))
        assert all(None not in row[:2] and row[2] is not None for row in filling.rows[0])


def test_case_blind_databases_find_any_case() -> None:
    filling = make_fillings(CONTEXT, "SELECT year FROM song WHERE genre = 'Rock'", seed=0)[0]
    sql = "SELECT year FROM song WHERE genre = 'rOCK'"
    assert execute(filling.to_database(case_blind=True), sql).rows


@pytest.mark.parametrize(
    ("context", "gold", "message"),
    [
        ("nothing", "SELECT 1", "no CREATE TABLE statement"),
        ("CREATE TABLE t (a INT,, b INT)", "SELECT a FROM t", "does not run"),
        ("CREATE TABLE t (a INT)", "SELECT b FROM t", r"unknown_column.*SELECT b FROM t"),
        ("CREATE TABLE t (a INT)", "DROP TABLE t", "refused"),
    ],
)
def test_what_cannot_run_is_an_error(context: str, gold: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_databases(context, gold, seed=0)


@pytest.mark.parametrize(
    "number",
    ["99999999999999999999", "-1e30", "9223372036854775807", "-9223372036854775808", "9" * 5000, "1e999", "1.5e300"],
)
@pytest.mark.parametrize("kind", ["INTEGER", "REAL", "VARCHAR"])
@pytest.mark.parametrize(
    "gold",
    [
        "SELECT a FROM t WHERE b = {}",
        "SELECT a FROM t WHERE b <= {}",
        "SELECT a FROM t WHERE b = '{}'",
        "SELECT a FROM t GROUP BY a HAVING COUNT(*) <= {}",
        "SELECT a FROM t WHERE a LIKE '%{}' AND b BETWEEN 3 AND {}",
    ],
)
def test_numbers_that_no_column_holds(gold: str, kind: str, number: str) -> None:
    """A model writes digits without an end; SQLite takes such a number for a REAL, or for infinity."""
    databases = make_databases(f"CREATE TABLE t (a VARCHAR, b {kind})", gold.replace("{}", number), seed=0)
    assert len(databases) == 4


@pytest.mark.parametrize("limit", ["99999999999999999999", "9" * 5000, "0x" + "f" * 300, "1.5", "-1e400"])
def test_limits_that_sqlite_refuses(limit: str) -> None:
    with pytest.raises(DataError, match="does not run"):
        make_databases("CREATE TABLE t (a VARCHAR)", f"SELECT a FROM t LIMIT {limit}", seed=0)


def test_a_null_in_what_is_counted() -> None:
    context, gold = "CREATE TABLE t (a VARCHAR, b VARCHAR)", "SELECT COUNT(a) FROM t WHERE b = 'x'"
    answers = [
        [execute(database, sql).rows for sql in (gold, gold.replace("(a)", "(*)"))]
        for database in make_databases(context, gold, seed=0)
    ]
    assert any(one != other for one, other in answers)
