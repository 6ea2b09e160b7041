import pytest

from text2sql_lightning.sql.dialects import DIALECTS, query_problem
from text2sql_lightning.sql.schema import Schema

pytestmark = pytest.mark.unit

SCHEMA = Schema.from_ddl("CREATE TABLE Song (id INTEGER, title TEXT, tags TEXT); CREATE TABLE singer (id INTEGER)")


@pytest.mark.parametrize(
    ("dialect", "sql", "problem"),
    [
        ("postgres", "SELECT id::int FROM song WHERE title ILIKE 'x%'", None),
        ("postgres", "SELECT * FROM generate_series(1, 3) AS g JOIN public.song ON true", None),
        ("mysql", "SELECT `title` FROM Song LIMIT 5, 10", None),
        ("tsql", "SELECT TOP 3 [title] FROM song", None),
        ("postgres", "WITH s AS (SELECT id FROM song) SELECT * FROM s UNION SELECT id FROM singer", None),
        ("postgres", "SELECT * FROM album", "unknown_table"),
        ("postgres", "SELECT id FROM song WHERE id IN (SELECT id FROM album)", "unknown_table"),
        ("postgres", "SELECT FROM WHERE", "syntax"),
        ("mysql", "SELECT (" * 5000, "syntax"),
        ("mysql", "DELETE FROM song", "refused"),
        ("mysql", "SELECT 1; SELECT 2", "refused"),
        ("postgres", "SELECT id INTO song FROM singer", "refused"),
        ("postgres", "", "refused"),
    ],
)
def test_problems(dialect: str, sql: str, problem: str | None) -> None:
    assert query_problem(sql, SCHEMA, dialect) == problem


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_one_of_sqlglot(dialect: str) -> None:
    assert query_problem("SELECT title FROM song WHERE id = 1", SCHEMA, dialect) is None
