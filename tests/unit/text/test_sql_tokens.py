import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from text2sql_lightning.text.sql_tokens import is_closed, scan

pytestmark = pytest.mark.unit


def pieces(text: str) -> list[tuple[str, str]]:
    return [(token.kind, text[token.start : token.end]) for token in scan(text) if token.kind != "space"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a 'it''s' b", [("word", "a"), ("string", "'it''s'"), ("word", "b")]),
        ('"x""y" `q``r` [a b]', [("quoted", '"x""y"'), ("quoted", "`q``r`"), ("quoted", "[a b]")]),
        ("'-- no' -- yes 'x", [("string", "'-- no'"), ("comment", "-- yes 'x")]),
        ("/* 'a */ 'b' /* open", [("comment", "/* 'a */"), ("string", "'b'"), ("comment", "/* open")]),
        ("```sql", [("fence", "```"), ("word", "sql")]),
        ("1.5e3+.2", [("number", "1.5e3"), ("symbol", "+"), ("number", ".2")]),
        ("'never closed; ", [("string", "'never closed; ")]),
        ("straße $x", [("word", "straße"), ("symbol", "$"), ("word", "x")]),
        ("", []),
    ],
)
def test_tokens(text: str, expected: list[tuple[str, str]]) -> None:
    assert pieces(text) == expected


@given(st.text(alphabet="'\"`[]ab -/*\n1.;é$\ud800", max_size=60))
def test_tokens_cover_any_text_without_a_gap(text: str) -> None:
    tokens = list(scan(text))
    assert "".join(text[token.start : token.end] for token in tokens) == text
    assert all(token.start < token.end for token in tokens)


@pytest.mark.parametrize(
    ("piece", "closed"),
    [
        ("''", True),
        ("'", False),
        ("'''", False),
        ("''''", True),
        ("'a''", False),
        ('"a"', True),
        ("[a", False),
        ("[a]", True),
    ],
)
def test_is_closed(piece: str, closed: bool) -> None:
    assert is_closed(piece) is closed


@pytest.mark.parametrize(
    "text", ["'" * 300_000, "'" * 299_999, '"a' * 150_000, "/*" * 150_000, "`[" * 150_000, "1e" * 150_000]
)
def test_long_texts_take_linear_time(text: str) -> None:
    started = time.process_time()
    assert list(scan(text))
    assert time.process_time() - started < 5  # at most 0.2 s here; quadratic behaviour would take minutes
