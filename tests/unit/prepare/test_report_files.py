from html.parser import HTMLParser
from typing import Any

import pytest

from text2sql_lightning.data.sources import EMBEDDED_SOURCE, HUB_NAME, RawRow
from text2sql_lightning.prepare.card import dataset_card
from text2sql_lightning.prepare.pipeline import build_dataset
from text2sql_lightning.prepare.report_html import report_html
from text2sql_lightning.prepare.report_page import report_page
from text2sql_lightning.prepare.settings import BuildSettings

pytestmark = pytest.mark.unit

EVIL = "<script>alert('1')</script> & \"more\""


def report(source: str = "rows.jsonl", **settings: Any) -> dict[str, Any]:
    rows = [
        RawRow(f"Question {i}?", f"CREATE TABLE t{i} (c{i} INTEGER)", f"SELECT MAX(c{i}) FROM t{i}", i, source)
        for i in range(40)
    ]
    rows.append(RawRow(EVIL, "CREATE TABLE t (a)", f"SELECT b FROM t WHERE a = '{EVIL}'", 40, source))
    rows.append(RawRow("How many singers do we have?", "CREATE TABLE x (a)", "SELECT COUNT(*) FROM x", 41, source))
    made = build_dataset(rows, BuildSettings(**settings)).report
    return made | {"inputs": {EVIL: "abc"}, "outputs": {"train.jsonl": "def"}}


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing() -> None:
    page = report_html(report())
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {"script", "link", "img", "iframe"} & tags.seen
    assert not {"src", "href", "style", "onload"} & tags.attributes
    assert "http" not in page
    assert "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;" in page


def test_the_page_says_what_was_found() -> None:
    page = report_html(report(distractors=0))
    assert "spider-dev:0" in page
    assert "None were added" in page
    assert "Every row that was found is removed" in page
    kept = report_html(report(decontaminate=False))
    assert "Not searched" in kept
    assert "spider-dev:" not in kept
    assert "**not searched**" in report_page(report(decontaminate=False))
    assert "| rows.jsonl | 41 | question | spider-dev:0 |  |" in report_page(report())


def test_distractors_are_drawn_where_there_are_some() -> None:
    made = report()
    made["splits"]["train"]["distractors"] = {"0": 10, "2": 20, "10": 5}
    page = report_html(made)
    assert page.index(">2</text>") < page.index(">10</text>")
    assert "None were added" not in page


def test_constructs_hardness_and_near_repeats_are_counted() -> None:
    splits = report()["splits"]
    assert sum(entry["constructs"]["aggregate"] for entry in splits.values()) == 40
    assert splits["train"]["constructs"]["join"] == 0
    assert splits["train"]["near_repeats"] == {"same_query_but_literals": 0, "same_question": 0}


def test_near_repeats_within_a_split_are_kept_and_counted() -> None:
    rows = [
        RawRow(f"Who is {i}?", f"CREATE TABLE t{i // 10} (a, b)", f"SELECT a FROM t{i // 10} WHERE b = {i}", i, "x")
        for i in range(100)
    ]
    made = build_dataset(rows, BuildSettings(val_ratio=0.1, test_ratio=0.1)).report
    assert {name: entry["near_repeats"]["same_query_but_literals"] for name, entry in made["splits"].items()} == {
        "train": 72,
        "val": 9,
        "test": 9,
    }
    assert set(made["schema_overlap"]["sql_templates"].values()) == {0}


@pytest.mark.parametrize(
    ("source", "licence", "words"),
    [
        (HUB_NAME, "license: cc-by-4.0", ["WikiSQL", "BSD-3-Clause", "Spider", "CC BY-SA 4.0"]),
        (EMBEDDED_SOURCE, "license: apache-2.0", ["Apache-2.0"]),
        ("mine.jsonl", "license: unknown", ["`mine.jsonl`: licence unknown"]),
    ],
)
def test_the_card_names_licences_and_origins(source: str, licence: str, words: list[str]) -> None:
    card = dataset_card(report(source))
    head = card.split("---\n")[1]
    assert licence in head
    assert "path: val.jsonl" in head
    assert "size_categories:\n  - n<1K\n" in head
    assert all(word in card for word in words)
    assert "1 rows were removed because a benchmark has" in card


def test_the_card_warns_where_nothing_was_searched() -> None:
    assert "**This data set was not searched for benchmark questions.**" in dataset_card(report(decontaminate=False))


def test_the_card_of_rows_split_one_by_one_promises_less() -> None:
    assert "schemas stand in several splits" in dataset_card(report(split_by="row"))
