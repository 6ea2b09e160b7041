"""Both forms of a page, with hostile text everywhere."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from text2sql_lightning.evaluation.pages.evaluation_page import Evaluation, evaluation_page
from text2sql_lightning.evaluation.pages.html import to_html
from text2sql_lightning.evaluation.pages.markdown import to_markdown
from text2sql_lightning.evaluation.pages.selection import pick_worst
from text2sql_lightning.evaluation.pages.sql_marks import Piece, mark_differences
from text2sql_lightning.evaluation.pages.values import printable, value_text
from text2sql_lightning.evaluation.previews import Difference, Preview
from text2sql_lightning.evaluation.results import SPIDER_MEASURES, ScoredExample, make_figures

pytestmark = pytest.mark.unit

HOSTILE = (
    "</pre></svg><script>alert(1)</script><img src=https://x.example/a.png onerror=alert(2)>\u202e\x00\ud800`|$x^{"
)


def scored(key: str, group: str, error: str | None, hardness: str = "easy", sql: str = "SELECT 1") -> ScoredExample:
    verdicts = {"exec": error is None, "exec_suite": None, "exact": error is None}
    return ScoredExample(key, group, f"question {key}?", f"{sql} FROM {key}", sql, verdicts, hardness, error)


def hostile_evaluation() -> Evaluation:
    verdicts = {"exec": False, "exec_suite": None, "exact": False}
    bad = ScoredExample("7", HOSTILE, HOSTILE, HOSTILE, f"{HOSTILE} other {HOSTILE}", verdicts, "easy", HOSTILE)
    examples = [bad, scored("1", "b", None), scored("2", "c", "syntax", sql="")]
    shown = Difference(HOSTILE, Preview((HOSTILE,), ((HOSTILE,), (None,), (b"\x00",)), 9), Preview(error=HOSTILE))
    figures = make_figures(examples, SPIDER_MEASURES)
    facts = {HOSTILE: HOSTILE}
    return Evaluation(HOSTILE, HOSTILE, examples, figures, SPIDER_MEASURES, facts, {"rule": HOSTILE}, {"7": shown})


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def test_html_is_self_contained_whatever_it_shows(tmp_path: Path) -> None:
    page = to_html(evaluation_page(hostile_evaluation(), tmp_path, "eval_spider"))
    reader = Reader()
    reader.feed(page)
    assert {"svg", "table", "article", "mark", "pre"} <= set(reader.tags)
    assert set(reader.tags) & {"script", "img", "link", "iframe", "object", "a"} == set()
    assert not [name for name, _ in reader.attributes if name.startswith("on") or name in ("src", "href")]
    assert not re.search(r"url\((?!#)|@import", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    page.encode("utf-8")
    assert "\u202e" not in page


def test_markdown_shows_hostile_text_as_text(tmp_path: Path) -> None:
    page = to_markdown(evaluation_page(hostile_evaluation(), tmp_path, "eval_spider"))
    page.encode("utf-8")
    outside = re.sub(r"^(`{3,})sql\n.*?\n\1$", "", page, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)<", outside)
    assert "![Execution accuracy by hardness](eval_spider_hardness.png)" in page
    for name in ("hardness", "databases", "errors"):
        assert (tmp_path / f"eval_spider_{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_fence_is_longer_than_what_it_holds(tmp_path: Path) -> None:
    examples = [scored("1", "a", "wrong_rows", sql="SELECT ```` FROM"), scored("2", "b", None)]
    figures = make_figures(examples, SPIDER_MEASURES)
    page = to_markdown(evaluation_page(Evaluation("t", "l", examples, figures, SPIDER_MEASURES, {}, {}, {}), tmp_path, "e"))  # fmt: skip  # noqa: E501
    assert "`````sql\nSELECT ```` FROM\n`````" in page


def test_the_same_evaluation_gives_the_same_page(tmp_path: Path) -> None:
    first, second = (to_html(evaluation_page(hostile_evaluation(), tmp_path, "e")) for _ in range(2))
    assert first == second


def test_worst_answers() -> None:
    examples = [
        scored("0", "a", "wrong_rows", "hard"),
        scored("1", "a", "wrong_rows", "easy"),
        scored("2", "a", "wrong_rows", "easy"),
        scored("3", "b", "wrong_rows", "easy"),
        scored("4", "b", "syntax", "extra"),
        scored("5", "b", None),
    ]
    assert [example.key for example in pick_worst(examples, 4)] == ["1", "2", "3", "4"]
    assert [example.key for example in pick_worst(examples, 99)] == ["1", "2", "3", "0", "4"]
    assert pick_worst([], 4) == []


@pytest.mark.parametrize(
    ("sql", "other", "pieces"),
    [
        ("SELECT a FROM t", "select A from T;", [Piece("SELECT a FROM t", False)]),
        ("SELECT a FROM t", "SELECT b FROM t", [("SELECT ", False), ("a", True), (" FROM t", False)]),
        ('a = "x"  ;', "a = 'X'", [("a = ", False), ('"x"', True), ("  ;", False)]),
        ("", "SELECT 1", []),
    ],
)
def test_marks(sql: str, other: str, pieces: list[Piece]) -> None:
    found = mark_differences(sql, other)
    assert [tuple(piece) for piece in found] == [tuple(piece) for piece in pieces]
    assert "".join(piece.text for piece in found) == sql


def test_very_long_queries_are_not_compared() -> None:
    assert mark_differences("a " * 500, "b") == [Piece("a " * 500, False)]


def test_values() -> None:
    assert value_text(None) == "NULL"
    assert value_text(b"abc") == "3 bytes"
    assert value_text(1.5) == "1.5"
    assert value_text("a\n b" + "c" * 99) == "a b" + "c" * 42 + "..."
    assert printable("a\tb\x00\ud800\u202e") == "a\tb\ufffd\ufffd\ufffd"
