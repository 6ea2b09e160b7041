import pytest

from text2sql_lightning.evaluation.result_match import normalized_exact_match

pytestmark = pytest.mark.unit

GOLD = 'SELECT Name FROM singer WHERE genre = "Rock" AND age > 3'


@pytest.mark.parametrize(
    "predicted",
    [
        GOLD,
        'select name\nFROM Singer  where genre="Rock" and age>3;',
        "SELECT `Name` FROM [singer] WHERE genre = 'Rock' AND age > 3 ; ;",
        'SELECT Name -- which\nFROM singer WHERE genre = "Rock" /* only */ AND age > 3',
    ],
)
def test_what_sql_does_not_look_at(predicted: str) -> None:
    assert normalized_exact_match(GOLD, predicted)
    assert normalized_exact_match(predicted, GOLD)


@pytest.mark.parametrize(
    "predicted",
    [
        "",
        'SELECT Name FROM singer WHERE genre = "rock" AND age > 3',
        'SELECT Name FROM singer WHERE genre = "Rock " AND age > 3',
        "SELECT Name FROM singer WHERE genre = Rock AND age > 3",
        'SELECT Name FROM singer WHERE genre = "Rock" AND age > 3.0',
        'SELECT Name FROM singer WHERE age > 3 AND genre = "Rock"',
        'SELECTName FROM singer WHERE genre = "Rock" AND age > 3',
    ],
)
def test_what_makes_another_text(predicted: str) -> None:
    assert not normalized_exact_match(GOLD, predicted)


def test_doubled_quotes_are_one_quote() -> None:
    assert normalized_exact_match("SELECT 'it''s'", 'SELECT "it\'s"')
    assert not normalized_exact_match("SELECT 'a;b'", "SELECT 'a'; b")
