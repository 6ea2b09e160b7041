import sqlite3
from pathlib import Path

import pytest

from text2sql_lightning.evaluation.result_match import WrongAnswer, find_differences

pytestmark = pytest.mark.unit


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "d.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (a INTEGER, b TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(i, f"x{i}") for i in range(10)])
    connection.close()
    return path


def test_kinds(database: Path) -> None:
    where = (database,)
    answers = [
        WrongAnswer(where, "SELECT a FROM t", "SELECT a FROM t WHERE a > 3", False),
        WrongAnswer(where, "SELECT a FROM t ORDER BY a", "SELECT a FROM t ORDER BY a DESC", True),
        WrongAnswer(where, "SELECT a FROM t", "SELECT c FROM t", False),
        WrongAnswer(where, "SELECT a FROM t", "whatever", False, "timeout"),
        WrongAnswer(where, "SELECT a FROM t", "SELECT a FROM t", False),
        WrongAnswer((), "SELECT a FROM t", "SELECT a FROM t", False),
    ]
    found = find_differences(answers, timeout_s=5.0)
    assert [each.kind if each else None for each in found] == [
        "wrong_rows",
        "wrong_order",
        "unknown_column",
        "timeout",
        "wrong_rows",
        None,
    ]
    first, known = found[0], found[3]
    assert first is not None
    assert known is not None
    assert (first.gold.rows, first.gold.total, first.gold.columns) == (tuple((i,) for i in range(6)), 10, ("a",))
    assert (first.predicted.rows[0], first.predicted.total) == ((4,), 6)
    assert (known.gold.total, known.predicted.error) == (10, "timeout")


def test_databases_made_from_create_table_text() -> None:
    answer = WrongAnswer(
        "CREATE TABLE t (a INTEGER, b TEXT)", "SELECT b FROM t WHERE a > 3", "SELECT b FROM t WHERE a < 3", False
    )
    (found,) = find_differences([answer], timeout_s=5.0)
    assert found is not None
    assert found.kind == "wrong_rows"
    assert found.gold.rows != found.predicted.rows


def test_nothing_to_explain() -> None:
    assert find_differences([], timeout_s=5.0) == []
