"""Pictures of scores; the one file that draws."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.evaluation.pages.values import printable
from text2sql_lightning.files.atomic import replaced_file

_HARDNESS: Final = ("easy", "medium", "hard", "extra")
_COLOURS: Final = ("#b8b8b8", "#2c6fbb", "#d98032", "#4c9a5b")
_INK: Final = "#232a34"
"""Stands for the colour of text; the SVG takes the page's own in its place, light or dark."""
_OF_NO_USE_INLINE: Final = (
    r"<metadata>.*?</metadata>\s*",
    r"<style.*?</style>",
    r' xmlns(?::\w+)?="[^"]*"',
    r'(?<=<g) id="[^"]*"',
    r'font-family: [^;"]*;? ?',
)
_LONGEST_LABEL: Final = 40
_STYLE: Final[dict[str, Any]] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color", "axes.edgecolor"), _INK),
    "font.size": 9,
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


def draw_bars(series: Mapping[str, Sequence[Bar]], path: Path, *, axis: str, limit: float | None = None) -> str:
    """Draw bars from top to bottom, those of one label together, one colour a series.

    Args:
        series: Name of a series -> its bars; every series has the same labels. One series needs no name.
        path: The PNG file to write.
        axis: What the lengths are.
        limit: The largest length on the axis; by itself where None.

    Returns:
        The same chart as SVG for an HTML page: no namespaces, no fixed ink, no background.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    bars = next(iter(series.values()))
    height = 0.75 + len(bars) * (0.13 + 0.17 * len(series)) + (0.3 if len(series) > 1 else 0.0)
    style: Any = _STYLE
    with rc_context(style):
        figure = Figure(figsize=(7.2, height), layout="constrained")
        axes = figure.subplots()
        _draw_series(axes, series)
        axes.set_yticks(range(len(bars)), [_label(bar.label) for bar in bars])
        axes.set_ylim(len(bars) - 0.4, -0.6)
        axes.set_xlim(0, limit)
        axes.set_xlabel(axis)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        if len(series) > 1:
            figure.legend(loc="outside upper left", frameon=False, ncols=len(series))
        with replaced_file(path) as beside:
            figure.savefig(beside, format="png", dpi=150, metadata={"Software": None})
        return _inline_svg(figure)


def _draw_series(axes: Any, series: Mapping[str, Sequence[Bar]]) -> None:
    width = 0.78 / len(series)
    colours = _COLOURS[1:] if len(series) == 1 else _COLOURS
    reach = max((max(_end(bar) for bar in bars) for bars in series.values()), default=1.0)
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


def _inline_svg(figure: Any) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    for useless in _OF_NO_USE_INLINE:
        svg = re.sub(useless, "", svg, flags=re.DOTALL)
    return svg.replace(_INK, "currentColor")


def draw_accuracy(scores: Mapping[str, Mapping[str, Any]], path: Path, title: str) -> None:
    """Draw execution accuracy, overall with its interval and by hardness, one colour a model.

    Args:
        scores: Name of a model -> what `summarize` gives.
        path: The PNG file to write.
        title: What was scored.
    """
    from matplotlib.figure import Figure

    labels = [label for label in _HARDNESS if any(label in part["by_hardness"] for part in scores.values())]
    figure = Figure(figsize=(7.2, 3.4), layout="constrained")
    axes = figure.subplots()
    width = 0.8 / len(scores)
    for number, (name, part) in enumerate(scores.items()):
        values = [part["execution_accuracy"], *(_accuracy(part, label) for label in labels)]
        places = [index + (number - (len(scores) - 1) / 2) * width for index in range(len(values))]
        axes.bar(places, values, width * 0.94, label=name, color=_COLOURS[number % len(_COLOURS)])
        low, high = part["interval_95"]
        axes.plot([places[0]] * 2, [low, high], color="black", linewidth=1.2)
        for index, (place, value) in enumerate(zip(places, values, strict=True)):
            top = max(value, high) if index == 0 else value
            axes.text(place, top + 0.015, f"{value:.2f}", ha="center", fontsize=8)
    counts = next(iter(scores.values()))
    axes.set_xticks(
        range(len(labels) + 1),
        [f"all\n(n = {counts['n']})", *(f"{label}\n({counts['by_hardness'][label]['n']})" for label in labels)],
    )
    axes.set_ylim(0, 1.08)
    axes.set_ylabel("execution accuracy")
    axes.set_title(title, fontsize=10)
    axes.legend(frameon=False, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    with replaced_file(path) as beside:
        figure.savefig(beside, format="png", dpi=150, metadata={"Software": None})


def _accuracy(part: Mapping[str, Any], label: str) -> float:
    return float(part["by_hardness"].get(label, {"execution_accuracy": 0.0})["execution_accuracy"])
