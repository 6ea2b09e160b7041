from pathlib import Path
from xml.etree import ElementTree

import pytest

from text2sql_lightning.files.charts import Bar, draw_bars, draw_histograms, share_bars

pytestmark = pytest.mark.unit

NAMESPACED = '<svg xmlns:xlink="x" '


def texts(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg.replace("<svg ", NAMESPACED, 1))
    return [element.text or "" for element in root.iter("text")]


def test_bars_have_labels_and_values(tmp_path: Path) -> None:
    bars = [*share_bars({"a <b> & $c": 1000, "d": 250}), Bar("none", None)]
    svg = draw_bars({"": bars}, tmp_path / "a.png", axis="rows")
    assert {"a <b> & $c", "1,000 (80.0%)", "250 (20.0%)", "none", "rows"} <= set(texts(svg))
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "currentColor" in svg


def test_several_series_have_a_legend() -> None:
    svg = draw_bars({name: [Bar("easy", 0.5, (0.4, 0.6), "50 %")] for name in ("train", "val")}, axis="share")
    assert {"train", "val"} <= set(texts(svg))


def test_histograms_have_titles() -> None:
    bins = {"counts": [1, 4, 2], "edges": [0, 10, 20, 30]}
    assert {"prompt", "output"} <= set(texts(draw_histograms({"prompt": bins, "output": bins}, axis="records")))


def test_nothing_is_a_chart_too() -> None:
    for svg in (draw_bars({"": []}, axis="rows"), draw_histograms({"": {"counts": [0], "edges": [0, 1]}}, axis="rows")):
        assert texts(svg)
