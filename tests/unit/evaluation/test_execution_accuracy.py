import pytest

from text2sql_lightning.evaluation import execution_accuracy
from text2sql_lightning.evaluation.execution_accuracy import Verdict, execution_match, score, score_many
from text2sql_lightning.sql.execution import Execution
from text2sql_lightning.sql.workers import Lost

pytestmark = pytest.mark.unit

SONG = "CREATE TABLE song (name VARCHAR, genre VARCHAR, year VARCHAR)"
GOLD = 'SELECT name FROM song WHERE genre = "Rock" AND year > 1993'
RIGHT, WRONG = Verdict(True, True, None, True), Verdict(False, False, None, True)
CASE_ONLY = Verdict(False, True, None, True)


@pytest.mark.parametrize(
    ("predicted", "verdict"),
    [
        (GOLD, RIGHT),
        ("select NAME from Song AS s where 1993 < s.year and 'Rock' = genre;", RIGHT),
        ("SELECT name FROM song WHERE genre = 'Rock' INTERSECT SELECT name FROM song WHERE year > 1993", WRONG),
        ('SELECT name FROM song WHERE genre = "Rock" AND year > "1993"', RIGHT),
        ('SELECT name FROM song WHERE genre = "Rock" AND year > 1993.0', RIGHT),
        ('SELECT name FROM song WHERE genre = "Rock" AND year >= 1993', WRONG),
        ('SELECT name FROM song WHERE genre = "Rock" OR year > 1993', WRONG),
        ('SELECT name FROM song WHERE genre = "Rock"', WRONG),
        ("SELECT name FROM song WHERE year > 1993", WRONG),
        ("SELECT name FROM song", WRONG),
        ('SELECT genre FROM song WHERE genre = "Rock" AND year > 1993', WRONG),
        ('SELECT DISTINCT name FROM song WHERE genre = "Rock" AND year > 1993', WRONG),
        ('SELECT name, year FROM song WHERE genre = "Rock" AND year > 1993', WRONG),
        ('SELECT name FROM song WHERE genre = "rock" AND year > 1993', CASE_ONLY),
        ('SELECT name FROM song WHERE LOWER(genre) = "rock" AND year > 1993', CASE_ONLY),
        ('SELECT name FROM song WHERE genre LIKE "rock" AND year > 1993', CASE_ONLY),
        ('SELECT UPPER(name) FROM song WHERE genre = "Rock" AND year > 1993', CASE_ONLY),
        ('SELECT name FROM song WHERE genre = "rocks" AND year > 1993', WRONG),
        ("", Verdict(False, False, "empty", True)),
        ("DROP TABLE song", Verdict(False, False, "refused", True)),
        ("SELECT title FROM song", Verdict(False, False, "unknown_column", True)),
        ("SELECT name FROM songs", Verdict(False, False, "unknown_table", True)),
        ("I think that", Verdict(False, False, "syntax", True)),
        ("SELECT '\ud800\0'", Verdict(False, False, "syntax", True)),
    ],
)
def test_a_prediction_is_judged(predicted: str, verdict: Verdict) -> None:
    assert score(SONG, GOLD, predicted) == verdict


@pytest.mark.parametrize(
    ("gold", "right", "wrong"),
    [
        (
            "SELECT COUNT(*) FROM song WHERE year = 1990",
            "SELECT COUNT(year) FROM song WHERE year = 1990",
            "SELECT COUNT(DISTINCT name) FROM song WHERE year = 1990",
        ),
        (
            "SELECT MAX(year) FROM song WHERE genre <> 'Pop'",
            "SELECT year FROM song WHERE genre <> 'Pop' ORDER BY year DESC LIMIT 1",
            "SELECT MAX(year) FROM song",
        ),
        (
            "SELECT name FROM song ORDER BY year DESC LIMIT 3",
            "SELECT name FROM song ORDER BY -year LIMIT 3",
            "SELECT name FROM song ORDER BY year LIMIT 3",
        ),
        (
            "SELECT genre, COUNT(*) FROM song GROUP BY genre",
            "SELECT COUNT(*), genre FROM song GROUP BY genre",
            "SELECT genre, COUNT(name) FROM song",
        ),
        (
            "SELECT genre FROM song GROUP BY genre HAVING COUNT(*) > 2",
            "SELECT genre FROM song GROUP BY genre HAVING COUNT(*) >= 3",
            "SELECT genre FROM song GROUP BY genre HAVING COUNT(*) > 3",
        ),
        (
            "SELECT name FROM song WHERE year BETWEEN 1990 AND 1999",
            "SELECT name FROM song WHERE year >= 1990 AND year <= 1999",
            "SELECT name FROM song WHERE year > 1990 AND year <= 1999",
        ),
        (
            "SELECT name FROM song WHERE name LIKE '%love%'",
            "SELECT name FROM song WHERE name LIKE '%LOVE%'",
            "SELECT name FROM song WHERE name LIKE 'love%'",
        ),
        (
            "SELECT name FROM song WHERE genre IN ('a', 'b')",
            "SELECT name FROM song WHERE genre = 'b' OR genre = 'a'",
            "SELECT name FROM song WHERE genre IN ('a')",
        ),
        (
            "SELECT name FROM song WHERE genre IS NULL",
            "SELECT name FROM song WHERE genre ISNULL",
            "SELECT name FROM song WHERE NOT genre IS NULL",
        ),
    ],
)
def test_fillings_tell_right_from_wrong(gold: str, right: str, wrong: str) -> None:
    assert score(SONG, gold, right).exec
    assert not score(SONG, gold, wrong).exec_case_blind


def test_joins_and_nested_queries() -> None:
    context = (
        "CREATE TABLE singer (singer_id VARCHAR, name VARCHAR); CREATE TABLE song (singer_id VARCHAR, sales INTEGER)"
    )
    gold = "SELECT T1.name FROM singer AS T1 JOIN song AS T2 ON T1.singer_id = T2.singer_id WHERE T2.sales > 300000"
    assert score(context, gold, "SELECT name FROM song NATURAL JOIN singer WHERE 300000 < sales") == RIGHT
    assert score(context, gold, gold.replace(">", ">=")) == WRONG
    assert score(context, gold, "SELECT name FROM singer") == WRONG
    absent = "SELECT name FROM singer WHERE NOT singer_id IN (SELECT singer_id FROM song)"
    assert score(context, absent, "SELECT name FROM singer") == WRONG
    assert score(context, absent, absent.replace("NOT ", "")) == WRONG


def test_letters_beyond_ascii_have_a_case_too() -> None:
    gold = "SELECT name FROM song WHERE genre = 'Ödön'"
    assert score(SONG, gold, "SELECT name FROM song WHERE genre = 'ödÖn'") == CASE_ONLY
    assert score(SONG, gold, "SELECT name FROM song WHERE genre = 'Odön'") == WRONG


@pytest.mark.parametrize(
    ("context", "gold"),
    [
        ("no table", "SELECT 1"),
        ("CREATE TABLE t (a INT)", "SELECT b FROM t"),
        ("CREATE TABLE t (a INT)", "SELECT a FROM t OFFSET 3"),
        ("CREATE TABLE t (a INT)", "DELETE FROM t"),
        ("CREATE TABLE t (a INT)", ""),
    ],
)
def test_a_record_whose_gold_does_not_run_is_set_apart(context: str, gold: str) -> None:
    assert score(context, gold, "SELECT a FROM t") == Verdict(False, False, None, gold_runs=False)


def test_a_repaired_context_is_used() -> None:
    context = "CREATE TABLE t (order VARCHAR); CREATE TABLE t (name VARCHAR)"
    assert score(context, 'SELECT name FROM t WHERE "order" = 3', "SELECT name FROM t WHERE `order` = 3").exec


def test_an_endless_prediction_costs_its_time_and_no_more() -> None:
    endless = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c WHERE x < 0"
    assert score(SONG, GOLD, endless, timeout_s=0.1) == Verdict(False, False, "timeout", True)


def test_an_error_matches_nothing() -> None:
    failed, empty = Execution((), (), "timeout", 1.0), Execution((), (), None, 0.0)
    assert not execution_match(failed, failed, ordered=False)
    assert not execution_match(empty, failed, ordered=False)
    assert execution_match(empty, empty, ordered=False)


def test_case_blind_compares_text_alone() -> None:
    one, two = Execution([("A", 1)], ("x", "y"), None, 0.0), Execution([(1.0, "a")], ("x", "y"), None, 0.0)
    assert not execution_match(one, two, ordered=True)
    assert execution_match(one, two, ordered=True, case_blind=True)


def test_a_query_that_kills_its_process_costs_one_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution_accuracy, "map_chunks", lambda *_, **__: iter([[RIGHT, Lost("crashed"), RIGHT]]))
    assert score_many([(SONG, GOLD, GOLD)] * 3) == [RIGHT, Verdict(False, False, "crashed", True), RIGHT]
