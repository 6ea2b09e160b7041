"""Bar charts as inline SVG: a few lines of text each, the same bytes every time, coloured by the page's style sheet."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

_WIDTH: Final = 720
_LABEL: Final = 216
_VALUE: Final = 96
_BAR: Final = 18
_THIN: Final = 11
_GAP: Final = 8
_TEXT: Final = 13


def bars(values: Mapping[str, int], *, series: str) -> str:
    """Draw a horizontal bar for each value, with the value behind it.

    Args:
        values: Label and value, in the order of the picture.
        series: Class of the bars, which gives their colour.

    Returns:
        The SVG element.
    """
    largest = max([*values.values(), 1])
    shapes = []
    for at, (label, value) in enumerate(values.items()):
        top = at * (_BAR + _GAP)
        width = _scaled(value, largest)
        shapes += [_label(label, top + _BAR / 2), _rect(_LABEL, top, width, _BAR, series)]
        shapes.append(_text(_LABEL + width + 6, top + _BAR / 2, f"{value:,}", "value"))
    return _svg(len(values) * (_BAR + _GAP), shapes)


def grouped_bars(shares: Mapping[str, Mapping[str, float]]) -> str:
    """Draw a group of horizontal bars for each label, one for each series.

    Args:
        shares: For each label the share of each series, 0 to 1. The name of a series is the class of its bars.

    Returns:
        The SVG element.
    """
    largest = max([share for group in shares.values() for share in group.values()] or [0]) or 1
    shapes = []
    top = 0.0
    for label, group in shares.items():
        height = len(group) * _THIN
        shapes.append(_label(label, top + height / 2))
        for at, (series, share) in enumerate(group.items()):
            width = _scaled(share, largest)
            shapes.append(_rect(_LABEL, top + at * _THIN, width, _THIN - 2, series))
            shapes.append(_text(_LABEL + width + 5, top + at * _THIN + _THIN / 2, f"{share:.1%}", "small"))
        top += height + _GAP
    return _svg(top, shapes)


def strip(parts: Mapping[str, int]) -> str:
    """Draw one bar whose pieces are parts of a whole, with a legend below.

    Args:
        parts: Label and size of each part. The label is also the class of the piece.

    Returns:
        The SVG element.
    """
    total = sum(parts.values()) or 1
    shapes = []
    left = 0.0
    legend = 0.0
    for label, size in parts.items():
        width = _WIDTH * size / total
        shapes.append(_rect(left, 0, width, 26, label))
        left += width
        words = f"{label} {size:,} ({size / total:.1%})"
        shapes += [_rect(legend, 40, 10, 10, label), _text(legend + 15, 45, words, "value")]
        legend += 30 + 7.2 * len(words)
    return _svg(56, shapes)


def histogram(counts: Sequence[int], edges: Sequence[int], *, series: str, height: int = 150) -> str:
    """Draw how often values fall between edges.

    Args:
        counts: One for each bin.
        edges: One more than there are bins: the bins' edges.
        series: Class of the bars.
        height: Height of the tallest bar.

    Returns:
        The SVG element.
    """
    largest = max([*counts, 1])
    step = _WIDTH / max(len(counts), 1)
    shapes = []
    for at, count in enumerate(counts):
        tall = height * count / largest
        title = f"<title>{edges[at]:,} to {edges[at + 1]:,}: {count:,}</title>"
        shapes.append(_rect(at * step + 1, 16 + height - tall, step - 2, tall, series, title))
    for at in range(0, len(edges), max(1, len(edges) // 8)):
        anchor = "first" if at == 0 else "middle" if at < len(edges) - 1 else "label"
        shapes.append(_text(at * step, height + 30, f"{edges[at]:,}", f"small {anchor}"))
    shapes.append(_text(0, 6, f"up to {largest:,} records in a bin", "small"))
    shapes.append(f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{16 + height}" y2="{16 + height}"/>')
    return _svg(height + 40, shapes)


def columns(values: Mapping[str, int], *, series: str, height: int = 130) -> str:
    """Draw a vertical bar for each value, its label below and its share above.

    Args:
        values: Label and value, in the order of the picture.
        series: Class of the bars.
        height: Height of the tallest bar.

    Returns:
        The SVG element.
    """
    largest, total = max([*values.values(), 1]), sum(values.values()) or 1
    step = min(_WIDTH / max(len(values), 1), 80)
    shapes = []
    for at, (label, value) in enumerate(values.items()):
        tall = height * value / largest
        middle = (at + 0.5) * step
        shapes.append(_rect(at * step + 2, 18 + height - tall, step - 4, tall, series))
        shapes.append(_text(middle, 10 + height - tall, f"{value / total:.0%}", "small middle"))
        shapes.append(_text(middle, height + 30, label, "value middle"))
    return _svg(height + 40, shapes)


def _scaled(value: float, largest: float) -> float:
    return (_WIDTH - _LABEL - _VALUE) * value / largest


def _label(text: str, middle: float) -> str:
    return _text(_LABEL - 8, middle, text, "label")


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{escape(kind)}" x="{x:.1f}" y="{y:.1f}" dy=".35em">{escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, kind: str, inner: str = "") -> str:
    size = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
    return f'<rect class="{escape(kind)}" {size}>{inner}</rect>' if inner else f'<rect class="{escape(kind)}" {size}/>'


def _svg(height: float, shapes: Sequence[str]) -> str:
    box = f'viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" height="{height:.0f}"'
    return f'<svg {box} font-size="{_TEXT}" role="img">{"".join(shapes)}</svg>'
