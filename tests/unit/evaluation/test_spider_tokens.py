import pytest

from text2sql_lightning.evaluation.spider.grammar import GrammarError, spider_tokens

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT A,b FROM T1", ["select", "a", ",", "b", "from", "t1"]),
        ("a,1 10:30 x:y", ["a,1", "10:30", "x", ":", "y"]),
        ("count(*)", ["count", "(", "*", ")"]),
        ("a = 'It is'", ["a", "=", '"It is"']),
        ('a = "It is"', ["a", "=", '"It is"']),
        ("a='x'", ["\0" + "0"]),
        ("'O''B'", ["\0" + "0"]),
        ("a>=1 b >= 2 c>3", ["a", ">", "=1", "b", ">=", "2", "c", ">", "3"]),
        ("a!=1 b ! = 2 c <> 3", ["a", "!", "=1", "b", "!=", "2", "c", "<", ">", "3"]),
        ("a--b a-b -1", ["a", "--", "b", "a-b", "-1"]),
        ("`a` ``b", ["`", "a", "`", "``", "b"]),
        ("a.b a. b.", ["a.b", "a.", "b", "."]),
        ("born. It", ["born", ".", "it"]),
        ("3. and 3. OR 3. ; 3.)", ["3.", "and", "3", ".", "or", "3.", ";", "3", ".", ")"]),
        ("x... y", ["x", "...", "y"]),
        ("cannot gotta wanna", ["can", "not", "got", "ta", "wan", "na"]),
        ("\u00c9t\u00e9\u00a0x", ["\u00e9t\u00e9", "x"]),
        ("", []),
    ],
)
def test_pieces(sql: str, expected: list[str]) -> None:
    assert spider_tokens(sql) == expected


@pytest.mark.parametrize("sql", ["a = 'x", 'a = "it\'s"', "x" * 1_000_001])
def test_unreadable(sql: str) -> None:
    with pytest.raises(GrammarError):
        spider_tokens(sql)
