import re
from xml.etree import ElementTree

import pytest

from text2sql_lightning.prepare.histograms import length_histograms
from text2sql_lightning.prepare.pictures import bars, columns, grouped_bars, histogram, strip

pytestmark = pytest.mark.unit


def widths(svg: str, kind: str) -> list[float]:
    ElementTree.fromstring(svg)
    return [float(width) for width in re.findall(rf'<rect class="{kind}" [^>]*? width="([\d.]+)"', svg)]


def test_bars_are_as_long_as_their_values() -> None:
    svg = bars({"a <b> & c": 1000, "d": 250, "e": 0}, series="plain")
    longest, quarter, none = widths(svg, "plain")
    assert (quarter / longest, none) == (pytest.approx(0.25, abs=0.001), 0)
    assert "a &lt;b&gt; &amp; c" in svg
    assert "1,000" in svg


def test_grouped_bars_show_shares() -> None:
    svg = grouped_bars({"easy": {"train": 0.5, "val": 0.25}})
    assert widths(svg, "train") == [2 * widths(svg, "val")[0]]
    assert "50.0%" in svg


def test_a_strip_is_one_whole() -> None:
    svg = strip({"train": 75, "val": 25})
    assert widths(svg, "train")[0] == 540
    assert widths(svg, "val")[0] == 180
    assert "train 75 (75.0%)" in svg


def test_a_histogram_has_a_bar_for_each_bin() -> None:
    svg = histogram([1, 4, 2], [0, 10, 20, 30], series="plain")
    assert len(widths(svg, "plain")) == 3
    assert "<title>10 to 20: 4</title>" in svg


def test_columns_show_shares() -> None:
    assert "75%" in columns({"0": 1, "3": 3}, series="plain")


def test_nothing_is_a_picture_too() -> None:
    for svg in (
        bars({}, series="x"),
        grouped_bars({}),
        strip({}),
        histogram([], [0], series="x"),
        columns({}, series="x"),
    ):
        assert ElementTree.fromstring(svg).tag.endswith("svg")


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
