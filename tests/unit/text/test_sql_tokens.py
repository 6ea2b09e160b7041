import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql_lightning.text.sql_tokens import is_top_level_ordered, iter_tokens, quote_name, tokenize

pytestmark = pytest.mark.unit


def test_every_kind() -> None:
    sql = "SELECT a1, 'it''s', \"x\"\"y\", `n`, [m n], 1.5e-3, .5, 0x1F /* c */ FROM t1 WHERE a<>b--end"
    assert [(token.kind, token.value) for token in iter_tokens(sql)] == [
        ("word", "SELECT"),
        ("word", "a1"),
        ("symbol", ","),
        ("string", "it's"),
        ("symbol", ","),
        ("quoted", 'x"y'),
        ("symbol", ","),
        ("name", "n"),
        ("symbol", ","),
        ("name", "m n"),
        ("symbol", ","),
        ("number", "1.5e-3"),
        ("symbol", ","),
        ("number", ".5"),
        ("symbol", ","),
        ("number", "0x1F"),
        ("comment", "/* c */"),
        ("word", "FROM"),
        ("word", "t1"),
        ("word", "WHERE"),
        ("word", "a"),
        ("symbol", "<>"),
        ("word", "b"),
        ("comment", "--end"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'-- no' -- yes 'x", [("string", "'-- no'"), ("comment", "-- yes 'x")]),
        ("/* 'a */ 'b' /* open", [("comment", "/* 'a */"), ("string", "'b'"), ("comment", "/* open")]),
        ("```sql", [("fence", "```"), ("word", "sql")]),
        ("'never closed; ", [("string", "'never closed; ")]),
        ("straße $x 1st", [("word", "straße"), ("word", "$x"), ("word", "1st")]),
    ],
)
def test_quotes_comments_and_fences(text: str, expected: list[tuple[str, str]]) -> None:
    assert [(token.kind, token.text) for token in iter_tokens(text)] == expected


@pytest.mark.parametrize("piece", ["''", "''''", '"a"', "[a]"])
def test_a_closed_quote(piece: str) -> None:
    assert next(iter_tokens(piece)).is_closed


@pytest.mark.parametrize("piece", ["'", "'''", "'a''", "[a", '"'])
def test_a_quote_that_is_never_closed(piece: str) -> None:
    assert not next(iter_tokens(piece)).is_closed


@pytest.mark.parametrize(
    ("text", "values"),
    [("'open", ["open"]), ("'", [""]), ("/* open", []), ("2nd_leg $x", ["2nd_leg", "$x"]), ("''", [""]), ("[a", ["a"])],
)
def test_odd_texts(text: str, values: list[str]) -> None:
    assert [token.value for token in tokenize(text)] == values


@given(st.text())
def test_tokens_cover_all_but_spaces(text: str) -> None:
    rest = text
    for token in reversed(list(iter_tokens(text))):
        assert text[token.start : token.end] == token.text
        rest = rest[: token.start] + rest[token.end :]
    assert rest.strip() == ""


@pytest.mark.parametrize("piece", ["'", '"', "''x", "/*", "--", "[", "1.", "e1", "`[", '"a', "1e"])
def test_long_texts_take_linear_time(piece: str) -> None:
    start = time.process_time()
    tokenize(piece * 100_000)
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("sql", "ordered"),
    [
        ("SELECT a FROM t ORDER BY a", True),
        ("select a from t union select b from u order\nby 1 limit 2", True),
        ("SELECT a FROM (SELECT a FROM t ORDER BY a)", False),
        ("SELECT a FROM t WHERE b = 'x ORDER BY y' -- ORDER BY a", False),
        ("SELECT a FROM t WHERE b IN (SELECT b FROM u ORDER BY b) ORDER BY a", True),
        ('SELECT order FROM t GROUP BY "order by"', False),
        ("", False),
    ],
)
def test_order_at_the_top(sql: str, ordered: bool) -> None:
    assert is_top_level_ordered(sql) is ordered


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("a_1", "a_1"), ("Größe", "Größe"), ("order", '"order"'), ("2nd", '"2nd"'), ("a b", '"a b"'), ('"', '""""')],
)
def test_names_are_quoted_where_they_must(name: str, quoted: str) -> None:
    assert quote_name(name) == quoted
