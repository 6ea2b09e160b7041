import pytest

from text2sql_lightning.data.build.distract_check import Reading, read_columns

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
