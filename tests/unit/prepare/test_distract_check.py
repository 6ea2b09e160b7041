import pytest

from text2sql_lightning.prepare.distractors.reading import Reading, has_star, means_the_same, read_columns, said_columns
from text2sql_lightning.sql.schema import Schema
from text2sql_lightning.text.sql_tokens import tokenize

pytestmark = pytest.mark.unit

SONG = "CREATE TABLE song (name VARCHAR, genre VARCHAR)"


def test_what_a_query_reads() -> None:
    found = read_columns(SONG, 'SELECT Name FROM song WHERE genre = "rock" AND genre <> "pop"')
    assert found == Reading((("song", "name"), ("song", "genre"), ("song", "genre")), ("name",))


@pytest.mark.parametrize(
    ("sql", "context"),
    [
        ('SELECT name FROM song WHERE genre = "rock"', "CREATE TABLE song (name VARCHAR, rock VARCHAR, genre VARCHAR)"),
        ("SELECT * FROM song", "CREATE TABLE song (name VARCHAR, genre VARCHAR, year VARCHAR)"),
        ("SELECT * FROM song", "CREATE TABLE song (genre VARCHAR, name VARCHAR)"),
        ("SELECT name FROM song WHERE 1 IN song", "CREATE TABLE song (name VARCHAR, genre VARCHAR, year VARCHAR)"),
    ],
)
def test_a_change_of_meaning_shows(sql: str, context: str) -> None:
    assert read_columns(context, sql) != read_columns(SONG, sql) or read_columns(SONG, sql) is None


def test_an_ambiguous_name_shows() -> None:
    two = "; CREATE TABLE band (id VARCHAR, year VARCHAR)"
    sql = "SELECT year FROM song JOIN band ON song.name = band.id"
    assert read_columns(SONG + two, sql) is not None
    assert read_columns(f"CREATE TABLE song (name VARCHAR, year VARCHAR){two}", sql) is None


def test_an_outer_column_that_is_taken_inside_shows() -> None:
    outer, inner = "CREATE TABLE a (x VARCHAR, y VARCHAR); ", "CREATE TABLE b (z VARCHAR)"
    sql = "SELECT x FROM a WHERE EXISTS (SELECT 1 FROM b WHERE y = z)"
    wider = "CREATE TABLE b (z VARCHAR, y VARCHAR)"
    assert read_columns(outer + inner, sql) != read_columns(outer + wider, sql)


def test_other_columns_change_nothing() -> None:
    sql = "SELECT COUNT(*) FROM song WHERE genre = 'rock'"
    wider = "CREATE TABLE song (year INTEGER, genre VARCHAR, name VARCHAR); CREATE TABLE band (name VARCHAR)"
    assert read_columns(SONG, sql) == read_columns(wider, sql)


@pytest.mark.parametrize("sql", ["DROP TABLE song", "PRAGMA user_version = 1", "SELECT nothing FROM song", "", "\0"])
def test_what_is_no_query_reads_nothing(sql: str) -> None:
    assert read_columns(SONG, sql) in (None, Reading((), ()))


def test_what_a_text_says_that_it_reads() -> None:
    schema = Schema.from_ddl(SONG)
    assert said_columns(schema, tokenize("SELECT NAME FROM song WHERE genre2 = 'genre'")) == Reading(
        (("song", "name"),)
    )
    assert said_columns(schema, tokenize("SELECT * FROM song")) is None
    two = Schema.from_ddl(f"{SONG}; CREATE TABLE band (id INT)")
    assert said_columns(two, tokenize("SELECT name FROM song")) is None


@pytest.mark.parametrize(
    ("sql", "star"),
    [
        ("SELECT * FROM t", True),
        ("SELECT DISTINCT * FROM t", True),
        ("SELECT a, * FROM t", True),
        ("SELECT T1.* FROM t AS T1", True),
        ("SELECT COUNT(*) FROM t", False),
        ("SELECT a * b FROM t", False),
        ("SELECT a FROM t WHERE b = '*'", False),
    ],
)
def test_a_star_that_stands_for_columns(sql: str, star: bool) -> None:
    assert has_star(tokenize(sql)) is star


def test_the_same_meaning() -> None:
    sql = 'SELECT name FROM song WHERE genre = "rock"'
    before = said_columns(Schema.from_ddl(SONG), tokenize(sql))
    assert before is not None
    rock = read_columns("CREATE TABLE song (rock INT, name INT, genre INT)", sql)
    year = read_columns("CREATE TABLE song (year INT, genre INT, name INT)", sql)
    assert not means_the_same(before, rock, {("song", "rock")})
    assert means_the_same(before, year, {("song", "year")})
    assert not means_the_same(before, None, set())
