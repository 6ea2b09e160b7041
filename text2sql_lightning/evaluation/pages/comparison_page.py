"""The page of a comparison: who is better, how sure that is, and who won which examples."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from text2sql_lightning.evaluation.comparison import COMPARISON_RULES, Comparison, Pair
from text2sql_lightning.evaluation.pages.document import (
    Answer,
    Block,
    Document,
    Example,
    Picture,
    Section,
    Table,
    Text,
    Tile,
)
from text2sql_lightning.evaluation.pages.values import error_text, share_text
from text2sql_lightning.evaluation.pictures import Bar, draw_bars

_SHOWN: Final = 8
_LISTED: Final = 200
_LABELS: Final = {
    "exec": "execution accuracy",
    "exec_suite": "test-suite accuracy",
    "exec_case_blind": "execution accuracy ignoring letter case",
    "exact": "exact match",
    "exact_set": "exact set match",
    "valid": "valid SQL",
    "adheres": "schema adherence",
}


def comparison_page(comparison: Comparison, picture: Path) -> Document:
    """Put the page together, and draw its picture.

    Args:
        comparison: What was found.
        picture: The PNG file to write.
    """
    a, b = comparison.names
    label = _LABELS[comparison.verdict]
    return Document(
        f"{a} against {b}",
        f"{label.capitalize()} on the same {comparison.figures['n']:,} examples of "
        f"{comparison.figures['databases']:,} databases. A = {a}, B = {b}. {conclusion(comparison)}",
        _tiles(comparison),
        [
            Section("By hardness", _by_hardness(comparison, picture)),
            Section("Where they disagree", _disagreement(comparison)),
            *(_won(comparison, side) for side in (1, 0)),
            Section("Rules", [Table(["rule", "what holds"], [[k.replace("_", " "), v] for k, v in
                                                             COMPARISON_RULES.items()], words=True)]),
        ],
    )  # fmt: skip


def conclusion(comparison: Comparison) -> str:
    """Say in a sentence what the figures allow to say."""
    figures, (a, b) = comparison.figures, comparison.names
    low, high = figures["interval_95"]
    p = p_text(figures["p_value"])
    if low <= 0 <= high or figures["p_value"] >= 0.05:
        return f"No difference is shown: the interval of B - A is {signed(low)} to {signed(high)}, p {p}."
    better, gap = (b, figures["difference"]) if figures["difference"] > 0 else (a, -figures["difference"])
    return f"{better} is better by {gap:.3f} (interval of B - A {signed(low)} to {signed(high)}, p {p})."


def signed(value: float) -> str:
    """Write a difference with its sign; zero has none."""
    text = f"{value:+.3f}"
    return "0.000" if text in ("+0.000", "-0.000") else text


def p_text(value: float) -> str:
    """Write a p-value, with its relation."""
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _tiles(comparison: Comparison) -> list[Tile]:
    figures = comparison.figures
    n = f"n = {figures['n']:,}"
    low, high = figures["interval_95"]
    return [
        Tile("B - A", signed(figures["difference"]), f"95 %: {signed(low)} to {signed(high)}"),
        Tile(f"A: {comparison.names[0]}", share_text(figures["a"]), n),
        Tile(f"B: {comparison.names[1]}", share_text(figures["b"]), n),
        Tile("p-value", p_text(figures["p_value"]).removeprefix("= "), "exact McNemar, two-sided"),
    ]


def _by_hardness(comparison: Comparison, picture: Path) -> list[Block]:
    parts: Mapping[str, Any] = {"all": comparison.figures, **comparison.figures["by_hardness"]}
    series = {
        name: [
            Bar(f"{part} ({f['n']})", f[side], f[f"{side}_interval_95"], share_text(f[side]))
            for part, f in parts.items()
        ]
        for name, side in zip(comparison.names, ("a", "b"), strict=True)
    }
    label = _LABELS[comparison.verdict]
    svg = draw_bars(series, picture, axis=label, limit=1.12)
    rows = [
        [part, str(f["n"]), share_text(f["a"]), share_text(f["b"]), signed(f["difference"]),
         f"{signed(f['interval_95'][0])} to {signed(f['interval_95'][1])}", str(f["only_a_right"]),
         str(f["only_b_right"]), p_text(f["p_value"]).removeprefix("= ")]
        for part, f in parts.items()
    ]  # fmt: skip
    head = ["", "n", "A", "B", "B - A", "95 % of B - A", "only A right", "only B right", "p"]
    return [
        Picture(picture.name, f"{label} of both by hardness", svg),
        Table(head, rows),
        Text("Lines in the picture: Wilson's 95 % interval of each alone. Whether the two differ is in the table."),
    ]


def _disagreement(comparison: Comparison) -> list[Block]:
    figures = comparison.figures
    rows = [
        ["A right", str(figures["both_right"]), str(figures["only_a_right"])],
        ["A wrong", str(figures["only_b_right"]), str(figures["both_wrong"])],
    ]
    return [Table(["", "B right", "B wrong"], rows)]


def _won(comparison: Comparison, side: int) -> Section:
    winner, pairs = comparison.names[side], comparison.won_by(side)
    title = f"Only {winner} is right ({len(pairs)})"
    if not pairs:
        return Section(title, [Text("No example.")])
    keys = ", ".join(pair[0].key for pair in pairs[:_LISTED]) + (", ..." if len(pairs) > _LISTED else "")
    shown = pairs[:: max(1, len(pairs) // _SHOWN)][:_SHOWN]
    note = f"Examples {keys}. Below: {len(shown)} of them, taken evenly."
    return Section(title, [Text(note), *(_example(pair, comparison.names, side) for pair in shown)])


def _example(pair: Pair, names: Sequence[str], winner: int) -> Example:
    first, loser = pair[0], pair[1 - winner]
    kind = error_text(loser.error) if loser.error else "wrong"
    answers = [Answer("gold", first.gold)] + [
        Answer(name, answer.predicted, right=side == winner)
        for side, (name, answer) in enumerate(zip(names, pair, strict=True))
    ]
    tags = [f"{names[1 - winner]}: {kind}", first.hardness, first.group, f"example {first.key}"]
    return Example(first.question, tags, answers)
