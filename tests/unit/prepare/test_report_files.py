from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.data.sources import EMBEDDED_SOURCE, HUB_NAME, RawRow
from text2sql_lightning.prepare.counts import length_histograms
from text2sql_lightning.prepare.pipeline import build_dataset
from text2sql_lightning.prepare.report import dataset_card, write_report_pages
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


def pages(made: dict[str, Any], folder: Path) -> tuple[str, str]:
    write_report_pages(folder / "page", made)
    html, markdown = folder / "page.html", folder / "page.md"
    return html.read_text(encoding="utf-8"), markdown.read_text(encoding="utf-8")


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


def test_the_page_is_whole_and_loads_nothing(tmp_path: Path) -> None:
    page, markdown = pages(report(), tmp_path)
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert not {"script", "link", "img", "iframe"} & tags.seen
    assert not {"src", "href", "onload"} & tags.attributes
    assert "http:" not in page
    assert "https:" not in page
    assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;" in page
    assert r"\<script\>alert('1')\</script\> \&" in markdown
    assert pages(report(), tmp_path) == (page, markdown)


def test_the_pages_say_what_was_found(tmp_path: Path) -> None:
    for page in pages(report(distractors=0), tmp_path):
        assert "spider-dev:0" in page
        assert "None were added" in page
        assert "all removed" in page
        assert "contaminated question" in page
    for page in pages(report(decontaminate=False), tmp_path):
        assert "not searched" in page
        assert "spider-dev:" not in page
    assert "| rows.jsonl | 41 | question | spider-dev:0 |  |" in pages(report(), tmp_path)[1]


def test_distractors_are_drawn_where_there_are_some(tmp_path: Path) -> None:
    page, markdown = pages(report(), tmp_path)
    assert page.index(">2</text>") < page.index(">10+</text>")
    assert "None were added" not in page
    assert "| added columns | 0 | 1 | 2 |" in markdown
    assert "(3.0 asked for, unneeded ones that were there already included)" in markdown


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
    assert "**This dataset was not searched for benchmark questions.**" in dataset_card(report(decontaminate=False))


def test_the_card_of_rows_split_one_by_one_promises_less() -> None:
    assert "schemas are in several splits" in dataset_card(report(split_by="row"))


def test_bins_are_equal_and_the_last_one_takes_what_is_longer() -> None:
    lengths = {"characters": {"prompt": [*range(100, 299)] * 5 + [5000]}}
    made = length_histograms([lengths, {"characters": {"prompt": []}}])["characters"]["prompt"]
    assert made["edges"][:3] == [100, 110, 120]
    assert made["counts"][0] == 50
    assert sum(made["counts"]) == 996
    assert len(made["edges"]) == len(made["counts"]) + 1
    assert length_histograms([{"characters": {"prompt": []}}]) == {
        "characters": {"prompt": {"edges": [0, 1], "counts": [0]}}
    }
