from random import Random

import pytest

from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.sql.testdb.plan import choose_keys, likely_keys
from text2sql_lightning.sql.testdb.usage import read_usage

pytestmark = pytest.mark.unit


def keys_of(ddl: str, sql: str) -> list[tuple[tuple[str, str], ...]]:
    schema = Schema.from_ddl(ddl)
    return likely_keys(schema, read_usage(sql, schema))


def test_a_tables_own_id_is_its_key() -> None:
    ddl = "CREATE TABLE Singers (Singer_ID INT, name TEXT); CREATE TABLE song (id INT, singer_id INT)"
    sql = "SELECT name FROM singers JOIN song ON singers.singer_id = song.singer_id"
    assert keys_of(ddl, sql) == [(("singers", "singer_id"),), (("song", "id"),), (("singers", "singer_id"),)]


def test_the_end_of_a_join_whose_table_is_shown_for_each_group_is_the_key() -> None:
    ddl = "CREATE TABLE useracct (u_id INT, name TEXT); CREATE TABLE review (u_id INT)"
    sql = "SELECT T1.name FROM useracct AS T1 JOIN review AS T2 ON T1.u_id = T2.u_id GROUP BY T2.u_id"
    assert keys_of(ddl, sql) == [(("useracct", "u_id"),)]


def test_where_nothing_speaks_for_either_end_chance_decides() -> None:
    ddl = "CREATE TABLE a (k INT); CREATE TABLE b (k INT)"
    choices = keys_of(ddl, "SELECT COUNT(*) FROM a JOIN b ON a.k = b.k")
    assert choices == [(("a", "k"), ("b", "k"))]
    assert {tuple(choose_keys(choices, Random(i)).items()) for i in range(20)} == {(("a", "k"),), (("b", "k"),)}


def test_declared_keys_are_left_alone() -> None:
    ddl = "CREATE TABLE a (k INT PRIMARY KEY); CREATE TABLE b (k INT)"
    assert keys_of(ddl, "SELECT COUNT(*) FROM a JOIN b ON a.k = b.k") == []


def test_a_table_has_one_key() -> None:
    choices = [(("t", "x"),), (("t", "y"),), (("u", "z"), ("t", "x"))]
    assert choose_keys(choices, Random(0)) == {"t": "x"}
