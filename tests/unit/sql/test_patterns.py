import sqlite3
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql_lightning.sql.execution import execute
from text2sql_lightning.sql.patterns import guard_patterns

pytestmark = pytest.mark.unit

NATIVE = sqlite3.connect(":memory:", check_same_thread=False)
GUARDED = sqlite3.connect(":memory:", check_same_thread=False)
guard_patterns(GUARDED)

TEXTS = st.text("abAB%_*é", max_size=9) | st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1) | st.none()


@given(TEXTS, st.text("abAB%_\\é", max_size=7))
def test_like_answers_as_sqlites_own(text: object, pattern: str) -> None:
    for sql in ("SELECT ? LIKE ?", "SELECT ? LIKE ? ESCAPE '\\'"):
        assert GUARDED.execute(sql, (text, pattern)).fetchone() == NATIVE.execute(sql, (text, pattern)).fetchone()


@given(TEXTS, st.text("abA*?[]^-é", max_size=8))
def test_glob_answers_as_sqlites_own(text: object, pattern: str) -> None:
    sql = "SELECT ? GLOB ?"
    assert GUARDED.execute(sql, (text, pattern)).fetchone() == NATIVE.execute(sql, (text, pattern)).fetchone()


@pytest.mark.parametrize(("operator", "wildcard"), [("LIKE", "%"), ("GLOB", "*")])
def test_a_pattern_that_blows_up_is_answered(operator: str, wildcard: str) -> None:
    pattern = f"{wildcard}a" * 30 + f"{wildcard}b"
    start = time.perf_counter()
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a)")
    result = execute(connection.serialize(), f"SELECT '{'a' * 200}' {operator} '{pattern}'")
    assert list(result.rows) == [(0,)]
    assert time.perf_counter() - start < 3
