import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql_lightning.prepare.repairs import match_literal_case, occurrences

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("sql", "question", "expected"),
    [
        ("SELECT a FROM t WHERE b = 'rock'", "Which Rock band?", "SELECT a FROM t WHERE b = 'Rock'"),
        ('SELECT a FROM t WHERE b = "Rock Band"', "which rock band?", 'SELECT a FROM t WHERE b = "rock band"'),
        ("SELECT a FROM t WHERE b = 'o''neil'", "Who is O'Neil?", "SELECT a FROM t WHERE b = 'O''Neil'"),
        ('SELECT a FROM t WHERE b = "o\'neil"', "Who is O'Neil?", 'SELECT a FROM t WHERE b = "O\'Neil"'),
        ("SELECT a FROM t WHERE b LIKE '%rock%'", "With Rock in it?", "SELECT a FROM t WHERE b LIKE '%Rock%'"),
        ("SELECT a FROM t WHERE b IN ('x', 1, 'y')", "X or Y?", "SELECT a FROM t WHERE b IN ('X', 1, 'Y')"),
        ("SELECT a FROM t WHERE b BETWEEN 'x' AND 'y'", "X to Y?", "SELECT a FROM t WHERE b BETWEEN 'X' AND 'Y'"),
        ("SELECT a FROM t WHERE 'x' = b", "X?", "SELECT a FROM t WHERE 'X' = b"),
        ("SELECT a FROM t WHERE b <> 'x' AND c = 'y'", "X, Y?", "SELECT a FROM t WHERE b <> 'X' AND c = 'Y'"),
        ("SELECT a FROM t WHERE b = 'no'", "NO list, November?", "SELECT a FROM t WHERE b = 'NO'"),
        ("SELECT a FROM t WHERE b = 'rock'", "The genre is 'Rock'?", "SELECT a FROM t WHERE b = 'Rock'"),
        ("SELECT a FROM t WHERE b = 'c++ (beta)'", "In C++ (Beta)?", "SELECT a FROM t WHERE b = 'C++ (Beta)'"),
    ],
)
def test_a_literal_takes_the_question_s_spelling(sql: str, question: str, expected: str) -> None:
    assert match_literal_case(sql, question, {"a", "b", "c", "t"}) == expected


@pytest.mark.parametrize(
    ("sql", "question"),
    [
        ("SELECT a FROM t WHERE b = 'Rock'", "Rock or rock?"),  # stands there as it is
        ("SELECT a FROM t WHERE b = 'Jazz'", "Which rock band?"),  # not in the question
        ("SELECT a FROM t WHERE b = 'M'", "I'm asking for males"),  # not a word of its own
        ("SELECT a FROM t WHERE b = 'no'", "In NOvember"),
        ("SELECT a FROM t WHERE b = 'Straße'", "STRASSE?"),  # not letter case alone
        ('SELECT "name" FROM t WHERE "name" = 1', "What Name?"),  # a column
        ('SELECT a FROM t WHERE b = "name"', "What NAME?"),  # a column again
        ("SELECT a AS 'total' FROM t", "The Total?"),  # not compared
        ("SELECT REPLACE(a, 'x', 'y') FROM t", "X by Y?"),
        ("SELECT CASE WHEN a = 1 THEN 'yes' END FROM t", "YES?"),
        ("SELECT a -- = 'rock'\nFROM t", "Rock?"),
        ("SELECT a FROM t WHERE b = ''", "Empty?"),
        ("SELECT a FROM t WHERE b LIKE '%'", "Any%?"),
    ],
)
def test_everything_else_stays(sql: str, question: str) -> None:
    assert match_literal_case(sql, question, {"a", "b", "name", "t"}) == sql


@given(st.text(alphabet="aAbB'\"% =\u017fßİK", max_size=25), st.text(alphabet="aAbB' \"%sSßi\u0131İKk", max_size=25))
def test_nothing_but_letter_case_ever_changes(literal: str, question: str) -> None:
    quoted = literal.replace("'", "''")
    sql = f"SELECT a FROM t WHERE b = '{quoted}' AND c IN (\"{literal}\", '{quoted}')"
    changed = match_literal_case(sql, question, set())
    assert len(changed) == len(sql)
    assert changed.casefold() == sql.casefold()
    assert match_literal_case(changed, question, set()) == changed


def test_words_are_found_as_a_pattern_finds_them() -> None:
    rng = Random(0)
    for _ in range(3000):
        question = "".join(rng.choices("aAbB1_ '-%\u00e9", (5, 5, 2, 2, 2, 1, 3, 2, 1, 1, rng.choice([0, 1])), k=14))
        text = "".join(rng.choices("aAb1' -", k=rng.randint(1, 3)))
        start = r"(?<!\w)(?<!\w['\u2019])" if text[0].isalnum() else ""
        end = r"(?!\w)" if text[-1].isalnum() else ""
        by_pattern = re.findall(f"{start}{re.escape(text)}{end}", question, re.IGNORECASE)
        assert occurrences(text, question) == by_pattern, (text, question)
