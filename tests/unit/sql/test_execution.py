import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from text2sql_lightning.errors import DataError
from text2sql_lightning.sql.databases.sqlite import connect
from text2sql_lightning.sql.execution import Execution, execute, run_query

pytestmark = pytest.mark.unit

COUNT = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
SCRIPT = "CREATE TABLE t (a VARCHAR, b INTEGER); INSERT INTO t VALUES ('x', 1), ('y', 2), (CAST(x'ff41' AS TEXT), NULL)"


def serialized(script: str = SCRIPT) -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.executescript(script)
    return connection.serialize()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "t.sqlite"
    connection = sqlite3.connect(file)
    connection.executescript(SCRIPT)
    connection.close()
    return file


def test_rows_and_columns() -> None:
    result = execute(serialized(), "SELECT a AS name, b FROM t ORDER BY b DESC; -- done")
    assert (list(result.rows), result.columns, result.error) == (
        [("y", 2), ("x", 1), ("A", None)],
        ("name", "b"),
        None,
    )
    assert result.seconds >= 0


def test_text_in_double_quotes_is_text_where_no_such_column_exists() -> None:
    assert list(execute(serialized(), 'SELECT b FROM t WHERE a = "x"').rows) == [(1,)]


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("", "empty"),
        (" ; -- nothing\n", "empty"),
        ("SELEC 1", "syntax"),
        ("SELECT a FROM t WHERE b = (SELECT", "syntax"),
        ("SELECT 'a\0b'", "syntax"),
        ("SELECT '\ud800'", "syntax"),
        ("SELECT AVG(1 AS st_prize__) AS $__ FROM t", "syntax"),
        ("SELECT * FROM u", "unknown_table"),
        ("SELECT t.c FROM t", "unknown_column"),
        ("SELECT a FROM t AS x JOIN t AS y", "ambiguous_column"),
        ("SELECT YEAR(a) FROM t", "unknown_function"),
        ("SELECT 1; SELECT 2", "refused"),
        ("DROP TABLE t", "refused"),
        ("/* c */ DELETE FROM t", "refused"),
        ("WITH x AS (SELECT 1) INSERT INTO t VALUES (1, 2)", "refused"),
        ("WITH x AS (SELECT 1) DELETE FROM t", "refused"),
        ("CREATE TEMP TABLE x (a)", "refused"),
        ("PRAGMA user_version", "refused"),
        ("SELECT * FROM pragma_table_info('t')", "refused"),
        ("ATTACH ':memory:' AS y", "refused"),
        ("VACUUM INTO 'here.sqlite'", "refused"),
        ("BEGIN", "refused"),
        ("EXPLAIN SELECT 1", "refused"),
        ("SELECT load_extension('x')", "refused"),
        ("SELECT load_extension('x', 'y')", "refused"),
        ("PRAGMA writable_schema = ON", "refused"),
        ("INSERT INTO t VALUES (1, 2) RETURNING a", "refused"),
        ("CREATE VIRTUAL TABLE v USING fts5(a)", "refused"),
        ("SELECT writefile('here', 'x')", "unknown_function"),
        ("SELECT randomblob(100000000)", "too_large"),
        ("SELECT replace(hex(zeroblob(100000)), '0', hex(zeroblob(500)))", "too_large"),
        ("SELECT '" + "x" * 100_000_000 + "'", "too_large"),
        ("SELECT " + "(" * 3000 + "1" + ")" * 3000, "too_large"),
        ("SELECT 1" + " UNION SELECT 1" * 600, "too_large"),
        ("SELECT '" + "a" * 300_000 + "'", "too_large"),
        (COUNT + "SELECT x FROM c LIMIT 300000", "too_large"),
        (COUNT + "SELECT hex(zeroblob(1000000)) FROM c", "too_large"),
        ("SELECT a FROM t GROUP BY COUNT(*)", "other"),
        ("SELECT abs(-9223372036854775807 - 1)", "other"),
    ],
)
def test_an_error_is_a_class(sql: str, error: str) -> None:
    result = execute(serialized(), sql)
    assert (result.error, list(result.rows), result.columns) == (error, [], ())


@pytest.mark.parametrize(
    "sql",
    [
        COUNT + "SELECT COUNT(*) FROM c",
        COUNT + "SELECT x FROM c WHERE x < 0",
        "SELECT COUNT(*) FROM " + ", ".join(f"big AS b{i}" for i in range(9)),
    ],
)
def test_a_deadline_interrupts(sql: str) -> None:
    database = serialized("CREATE TABLE big (a); INSERT INTO big SELECT value FROM json_each('[1,2,3,4,5,6,7,8,9,10]')")
    start = time.perf_counter()
    result = execute(database, sql, timeout_s=0.1)
    assert result.error == "timeout"
    assert time.perf_counter() - start < 3


def test_a_cross_join_of_a_billion_rows_ends() -> None:
    script = "CREATE TABLE big (a); INSERT INTO big SELECT 1 FROM json_each('[" + ",".join("1" * 1000) + "]')"
    sql = "SELECT x.a, y.a, z.a FROM big AS x, big AS y, big AS z ORDER BY random()"
    assert execute(serialized(script), sql, timeout_s=0.2).error in ("timeout", "too_large")


def test_a_sort_that_needs_more_memory_than_there_is_ends() -> None:
    result = execute(serialized(), COUNT + "SELECT x FROM c ORDER BY hex(zeroblob(1000000)) || x", timeout_s=60)
    assert result.error == "too_large"
    assert list(execute(serialized(), "SELECT b FROM t WHERE a = 'x'").rows) == [(1,)]


@pytest.mark.parametrize(("operator", "wildcard"), [("LIKE", "%"), ("GLOB", "*")])
def test_a_pattern_of_many_wildcards_is_answered(operator: str, wildcard: str) -> None:
    pattern = f"{wildcard}a" * 2000 + f"{wildcard}b"
    result = execute(serialized(), f"SELECT '{'a' * 100_000}' {operator} '{pattern}'")
    assert list(result.rows) == [(0,)]
    assert result.seconds < 3


def test_a_pattern_too_long_is_an_error() -> None:
    assert execute(serialized(), f"SELECT 'a' LIKE '{'a' * 5001}'").error == "too_large"


def test_the_deadline_counts_computing_and_not_that_others_use_the_machine() -> None:
    with connect(serialized()) as connection:
        connection.create_function("nap", 1, time.sleep)
        assert run_query(connection, "SELECT nap(0.15)", timeout_s=0.1).error is None
        assert run_query(connection, "SELECT nap(0.6)", timeout_s=0.1).error == "timeout"


def test_reading_can_end_with_more_rows_than_are_asked_about() -> None:
    with connect(serialized()) as connection:
        endless = run_query(connection, COUNT + "SELECT x FROM c", max_rows=10**9, enough_rows=10)
        assert (endless.error, len(endless.rows) > 10) == (None, True)
        assert len(run_query(connection, "SELECT a FROM t", enough_rows=3).rows) == 3


def test_the_rows_of_an_endless_query_end_too() -> None:
    assert execute(serialized(), COUNT + "SELECT x FROM c", timeout_s=0.1, max_rows=10**9).error == "timeout"


def test_caps_can_be_set() -> None:
    assert execute(serialized(), "SELECT a FROM t", max_rows=2).error == "too_large"
    assert execute(serialized(), "SELECT a FROM t", max_rows=3).error is None
    assert execute(serialized(), "SELECT b FROM t", max_bytes=23).error == "too_large"
    assert execute(serialized(), "SELECT b FROM t", max_bytes=24).error is None


@pytest.mark.parametrize("sql", ["SELECT a FROM t", "DROP TABLE t", "WITH x AS (SELECT 1) UPDATE t SET a = 'z'", "("])
def test_a_file_is_never_changed(path: Path, sql: str) -> None:
    before = path.read_bytes(), path.stat().st_mtime_ns
    execute(path, sql)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert [file.name for file in path.parent.iterdir()] == ["t.sqlite"]


def test_a_file_that_cannot_be_written_is_read(path: Path) -> None:
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        assert list(execute(path, "SELECT b FROM t WHERE a = 'y'").rows) == [(2,)]
    finally:
        path.parent.chmod(0o700)


def test_rows_that_still_stand_in_the_write_ahead_log_are_seen(path: Path) -> None:
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA journal_mode = WAL")
    writer.execute("INSERT INTO t VALUES ('late', 9)")
    assert list(execute(path, "SELECT b FROM t WHERE a = 'late'").rows) == [(9,)]
    writer.close()


def test_a_missing_database_is_an_error_and_not_a_new_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no database file"):
        execute(tmp_path / "none.sqlite", "SELECT 1")
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_database_are_an_error() -> None:
    with pytest.raises(DataError, match="no serialized SQLite database"):
        execute(b"nothing" * 1000, "SELECT 1")


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("not a database " * 100)
    with pytest.raises(DataError, match="no SQLite database"):
        execute(tmp_path / "text.sqlite", "SELECT 1")


def test_a_damaged_page_is_an_error_of_the_query(tmp_path: Path) -> None:
    file = tmp_path / "t.sqlite"
    whole = serialized("CREATE TABLE t (a); INSERT INTO t SELECT hex(randomblob(3000)) FROM json_each('[1,2,3,4,5,6]')")
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert execute(file, "SELECT * FROM t").error == "other"
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.sqlite"]


@settings(deadline=None)
@given(st.text(max_size=60) | st.text("SELECT abt*,()'\"%;1 FROM").map(lambda text: "SELECT " + text))
def test_no_text_raises(sql: str) -> None:
    result = execute(DATABASE, sql, timeout_s=0.5)
    assert isinstance(result, Execution)


DATABASE: bytes = serialized()


def test_a_connection_is_closed_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[sqlite3.Connection] = []
    real: Callable[..., sqlite3.Connection] = sqlite3.connect

    def connect(*args: object, **kwargs: object) -> sqlite3.Connection:
        opened.append(real(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connect)
    execute(path, "SELECT 1")
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        opened[0].execute("SELECT 1")
