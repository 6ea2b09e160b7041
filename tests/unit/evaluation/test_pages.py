"""Both forms of a page, with hostile text everywhere."""

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from text2sql_lightning.evaluation.pages import (
    Evaluation,
    error_text,
    mark_differences,
    pick_worst,
    signed,
    value_text,
    write_evaluation,
)
from text2sql_lightning.evaluation.result_match import Difference, Preview
from text2sql_lightning.evaluation.results import SPIDER_MEASURES, ScoredExample, make_figures
from text2sql_lightning.files import charts

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


def pages(evaluation: Evaluation, folder: Path, stem: str = "eval_spider") -> tuple[str, str]:
    write_evaluation(folder, stem, evaluation, {}, [])
    html, markdown = (folder / f"{stem}.html", folder / f"{stem}.md")
    return html.read_text(encoding="utf-8"), markdown.read_text(encoding="utf-8")


def test_html_is_self_contained_whatever_it_shows(tmp_path: Path) -> None:
    page, _ = pages(hostile_evaluation(), tmp_path)
    reader = Reader()
    reader.feed(page)
    assert {"svg", "table", "article", "mark", "pre"} <= set(reader.tags)
    assert set(reader.tags) & {"script", "img", "link", "iframe", "object", "a"} == set()
    assert not [name for name, _ in reader.attributes if name.startswith("on") or name in ("src", "href")]
    assert not re.search(r"url\((?!#)|@import", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert "\u202e" not in page


def test_markdown_shows_hostile_text_as_text(tmp_path: Path) -> None:
    _, page = pages(hostile_evaluation(), tmp_path)
    outside = re.sub(r"^(`{3,})sql\n.*?\n\1$", "", page, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)<", outside)
    assert not re.search(r"(?<!\\)\$", outside)
    assert "![Execution accuracy by hardness](eval_spider_hardness.png)" in page
    for name in ("hardness", "databases", "errors"):
        assert (tmp_path / f"eval_spider_{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_fence_is_longer_than_what_it_holds(tmp_path: Path) -> None:
    examples = [scored("1", "a", "wrong_rows", sql="SELECT ````\n\n\n FROM"), scored("2", "b", None)]
    figures = make_figures(examples, SPIDER_MEASURES)
    _, page = pages(Evaluation("t", "l", examples, figures, SPIDER_MEASURES, {}, {}, {}), tmp_path)
    assert "`````sql\nSELECT ````\n\n\n FROM\n`````" in page
    assert "\n\n\n" not in page.replace("````\n\n\n", "")


def test_the_same_evaluation_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_evaluation(tmp_path / name, "e", hostile_evaluation(), {}, [])
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("a", "b"))
    assert first == second
    assert len(first) == 7


def test_without_matplotlib_pages_say_that_charts_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    charts.has_matplotlib.cache_clear()
    try:
        written = pages(hostile_evaluation(), tmp_path)
    finally:
        charts.has_matplotlib.cache_clear()
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".jsonl", ".html", ".md"}
    for page in (*written, caplog.text):
        assert "text2sql_lightning[reports]" in page.replace("\\", "")
    assert len(caplog.records) == 1


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
        ("SELECT a FROM t", "select A from T;", [("SELECT a FROM t", False)]),
        ("SELECT a FROM t", "SELECT b FROM t", [("SELECT ", False), ("a", True), (" FROM t", False)]),
        ('a = "x"  ;', "a = 'X'", [("a = ", False), ('"x"', True), ("  ;", False)]),
        ("", "SELECT 1", []),
    ],
)
def test_marks(sql: str, other: str, pieces: list[tuple[str, bool]]) -> None:
    found = mark_differences(sql, other)
    assert found == pieces
    assert "".join(text for text, _ in found) == sql


def test_very_long_queries_are_not_compared() -> None:
    assert mark_differences("a " * 500, "b") == [("a " * 500, False)]


def test_values() -> None:
    assert value_text(None) == "NULL"
    assert value_text(b"abc") == "3 bytes"
    assert value_text(1.5) == "1.5"
    assert value_text("a\n b" + "c" * 99) == "a b" + "c" * 42 + "..."
    assert [error_text(name) for name in ("timeout", "wrong_rows")] == ["too slow", "wrong rows"]
    assert signed(-0.0004, 0.0775) == "0.000 to +0.077"
