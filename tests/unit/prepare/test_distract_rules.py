import pytest

from text2sql_lightning.prepare.distractors.names import NameRules, is_close, read_name, text_meanings
from text2sql_lightning.text.sql_tokens import tokenize

pytestmark = pytest.mark.unit


def rules(question: str, sql: str, needed: list[str], *others: str) -> NameRules:
    return NameRules(question, tokenize(sql), needed, [*needed, *others])


@pytest.mark.parametrize("name", ["rock", "Rock", "total", "t1", "song", "rowid", "names", "Name_", "genre_s"])
def test_a_name_that_gold_says_or_the_schema_has(name: str) -> None:
    sql = 'SELECT T1.name AS total FROM song AS T1 WHERE genre = "rock"'
    assert not rules("Name the songs.", sql, ["name", "genre"], "song").allows(name)


@pytest.mark.parametrize("name", ["group", "two words", "1st_leg", "größe", "a_very_long_name_that_nobody_would_read"])
def test_a_name_that_is_unusual(name: str) -> None:
    assert not rules("Name them.", "SELECT name FROM t", ["name"]).allows(name)


@pytest.mark.parametrize(
    ("needed", "other", "question", "close"),
    [
        ("name", "names", "What are the names?", True),
        ("date", "date_", "On what date?", True),
        ("date", "release_date", "On what date?", True),
        ("release_date", "date", "When was it released?", True),
        ("name", "player_name", "What is the name?", True),
        ("player", "player_name", "Which player?", True),
        ("location", "venue", "What location?", True),
        ("nationality", "country", "What nationality?", True),
        ("year_of_intro", "year_of_introduction", "What is the year of intro?", True),
        ("pop_2010", "population_2010", "What is the pop in 2010?", True),
        ("home_team", "away_team", "What is the home team?", False),
        ("winning_driver", "fastest_driver", "Who is the driver?", True),
        ("home_team", "home_team_score", "What is the home team?", False),
        ("customer_id", "customer_name", "How many customers?", False),
        ("score", "attendance", "What was the score?", False),
    ],
)
def test_a_name_that_is_close_to_a_needed_one(needed: str, other: str, question: str, close: bool) -> None:
    assert is_close(read_name(other), read_name(needed), text_meanings(question)) is close


def test_a_name_whose_words_all_stand_in_the_question() -> None:
    given = rules("Which home team had a score of 12?", "SELECT a FROM t WHERE b = 12", ["a", "b"])
    assert not given.allows("score")
    assert not given.allows("home_team")
    assert given.allows("away_team")


def test_a_needed_column_that_the_question_does_not_name() -> None:
    given = rules("Where did they play?", "SELECT location FROM t WHERE team = 'x'", ["location", "team"])
    assert not given.allows("country")
    assert not given.allows("stadium")
    assert given.allows("attendance")


def test_what_was_added_counts_as_taken() -> None:
    given = rules("What is the rank?", "SELECT rank FROM t", ["rank"])
    assert given.accept("viewers__millions_")
    assert not given.accept("viewers__m_")
    assert not given.accept("viewers__millions_")
    assert given.accept("year_won")
    assert not given.accept("year_s__won")


def test_an_added_table_may_refer_by_an_id_that_is_there() -> None:
    given = rules("List the names.", "SELECT name FROM student", ["name"], "student", "stuid")
    assert given.is_key("StuID")
    assert not given.is_key("dormid")
    assert given.allows_table("dorm")
    assert not given.allows_table("students")


def test_a_column_that_is_there_is_not_added_in_other_words() -> None:
    given = rules("How many languages?", "SELECT COUNT(language) FROM play", ["language"], "title", "customer_id")
    assert not given.accept("name")
    assert given.accept("customer_type")
