"""Charts of reports, as SVG inside an HTML page and as PNG files; the same bytes for the same values."""

import io
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from text2sql_lightning.files.atomic import replaced_file
from text2sql_lightning.files.pages import NO_CHARTS, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS: Final = ("#b8b8b8", "#2c6fbb", "#d98032", "#4c9a5b")
_INK: Final = "#232a34"
"""Stands for the colour of text; the SVG takes the page's own in its place, light or dark."""
_USELESS_INLINE: Final = re.compile(
    r"<metadata>.*?</metadata>\s*|<style.*?</style>| xmlns(?::\w+)?=\"[^\"]*\"|(?<=<g) id=\"[^\"]*\"|"
    r"font-family: [^;\"]*;? ?",
    re.DOTALL,
)
_LONGEST_LABEL: Final = 40
_STYLE: Any = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), _INK),
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a table called $x^{ is no formula
    "svg.fonttype": "none",
    "svg.hashsalt": "text2sql",
}


@dataclass(frozen=True)
class Bar:
    """A bar of a chart.

    Attributes:
        label: What it is about.
        value: Its length; None for no bar.
        interval: 95 % interval, drawn as a line.
        text: What is written at its end.
    """

    label: str
    value: float | None
    interval: Sequence[float] | None = None
    text: str = ""


def share_bars(counts: Mapping[str, int], total: int | None = None) -> list[Bar]:
    """Return a bar for each count, with its share of the total; of their sum where None."""
    whole = total or sum(counts.values()) or 1
    return [Bar(name, count, text=f"{count:,} ({count / whole:.1%})") for name, count in counts.items()]


def draw_bars(
    series: Mapping[str, Sequence[Bar]], png: Path | None = None, *, axis: str, limit: float | None = None
) -> str:
    """Draw bars from top to bottom, those of one label together, one colour a series.

    Args:
        series: Name of a series -> its bars; every series has the same labels. One series needs no name.
        png: A PNG file to write besides.
        axis: What the lengths are.
        limit: The largest length on the axis; None leaves it to the bars.

    Returns:
        The chart as SVG for an HTML page: no namespaces, no fixed ink, no background. Empty, and no file, where
        matplotlib is missing (a warning says so).
    """
    if not has_matplotlib():
        return ""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    bars = next(iter(series.values()))
    height = 0.75 + len(bars) * (0.13 + 0.17 * len(series)) + (0.3 if len(series) > 1 else 0.0)
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, height), layout="constrained")
        axes = figure.subplots()
        _draw_series(axes, series)
        axes.set_yticks(range(len(bars)), [_label(bar.label) for bar in bars])
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlim(0, limit)
        axes.set_xlabel(axis)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        if len(series) > 1:
            figure.legend(loc="outside upper left", frameon=False, ncols=len(series))
        return _save(figure, png)


def draw_histograms(histograms: Mapping[str, Mapping[str, Sequence[int]]], *, axis: str) -> str:
    """Draw how often values fall between edges, one histogram below the other.

    Args:
        histograms: Title -> `counts` and `edges`, of which there is one more.
        axis: What is counted.

    Returns:
        SVG, as of `draw_bars`.
    """
    if not has_matplotlib():
        return ""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 1.5 * len(histograms)), layout="constrained")
        for axes, (title, bins) in zip(figure.subplots(len(histograms), squeeze=False).flat, histograms.items()):  # noqa: B905
            axes.stairs(bins["counts"], bins["edges"], fill=True, color=_COLOURS[1])
            axes.set_title(title, loc="left", fontsize=9)
            axes.set_ylabel(axis)
        return _save(figure, None)


@lru_cache
def has_matplotlib() -> bool:
    """Return whether charts can be drawn; warn, once, where not."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        logging.getLogger(__name__).warning(NO_CHARTS)
        return False
    return True


def _draw_series(axes: "Axes", series: Mapping[str, Sequence[Bar]]) -> None:
    width = 0.78 / len(series)
    colours = _COLOURS[1:] if len(series) == 1 else _COLOURS
    reach = max((_end(bar) for bars in series.values() for bar in bars), default=1.0)
    for number, (name, bars) in enumerate(series.items()):
        places = [index + (number - (len(series) - 1) / 2) * width for index in range(len(bars))]
        colour = colours[number % len(colours)]
        axes.barh(places, [bar.value or 0.0 for bar in bars], width * 0.9, label=_label(name), color=colour)
        for place, bar in zip(places, bars, strict=True):
            if bar.interval is not None:
                axes.plot(list(bar.interval), [place, place], color=_INK, linewidth=1.1)
            axes.text(_end(bar) + 0.012 * reach, place, bar.text, va="center", fontsize=8)


def _label(text: str) -> str:
    text = " ".join(printable(text).split())
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 3] + "..."


def _end(bar: Bar) -> float:
    return max([bar.value or 0.0, *(bar.interval or ())])


def _save(figure: "Figure", png: Path | None) -> str:
    """Write the PNG file, and return the SVG without what an HTML page has no use for."""
    if png is not None:
        with replaced_file(png) as temporary:
            figure.savefig(temporary, format="png", dpi=150, metadata={"Software": None})
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    return _USELESS_INLINE.sub("", svg[svg.index("<svg") :]).replace(_INK, "currentColor")
