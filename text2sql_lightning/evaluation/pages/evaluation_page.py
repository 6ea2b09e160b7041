"""The page of one evaluation: figures, pictures, failures, rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

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
from text2sql_lightning.evaluation.pages.selection import pick_worst
from text2sql_lightning.evaluation.pages.values import error_text, interval_text, printable, share_text
from text2sql_lightning.evaluation.pictures import Bar, draw_bars
from text2sql_lightning.evaluation.previews import Difference
from text2sql_lightning.evaluation.results import Measure, ScoredExample

_MOST_BARS: Final = 40


@dataclass(frozen=True)
class Evaluation:
    """All that a page is made of.

    Attributes:
        title: What was evaluated.
        lead: On what, in a sentence.
        examples: What was scored.
        figures: `make_figures` of them.
        measures: The measures behind the figures.
        facts: What else is to be known (model, prompt, files), in words.
        rules: What the figures mean.
        differences: Key of a wrong answer -> both results.
        result_note: What is to be known about results that are shown.
    """

    title: str
    lead: str
    examples: Sequence[ScoredExample]
    figures: Mapping[str, Any]
    measures: Sequence[Measure]
    facts: Mapping[str, str]
    rules: Mapping[str, str]
    differences: Mapping[str, Difference]
    result_note: str = ""


def evaluation_page(evaluation: Evaluation, folder: Path, stem: str) -> Document:
    """Put the page of an evaluation together, and draw its pictures.

    Args:
        evaluation: What to show.
        folder: Where the PNG files go.
        stem: How their names begin.
    """
    sections = [
        Section("By hardness", _split(evaluation, "by_hardness", folder / f"{stem}_hardness.png")),
        *_groups(evaluation, folder, stem),
        Section("Errors", _errors(evaluation, folder / f"{stem}_errors.png")),
        Section("Wrong answers", _worst(evaluation)),
        Section("Rules", _rules(evaluation)),
    ]
    return Document(evaluation.title, evaluation.lead, _tiles(evaluation), sections)


def _tiles(evaluation: Evaluation) -> list[Tile]:
    figures = evaluation.figures
    return [
        Tile(measure.label, share_text(figures[measure.figure]), _note(figures, measure.figure))
        for measure in evaluation.measures
        if figures[measure.figure] is not None
    ]


def _note(figures: Mapping[str, Any], figure: str) -> str:
    return f"95 %: {interval_text(figures['intervals_95'][figure])} · n = {figures['n']:,}"


def _groups(evaluation: Evaluation, folder: Path, stem: str) -> list[Section]:
    """Split by what there are several of, but not too many to be read."""
    titles = {"by_source": "sources", "by_database": "databases"}
    return [
        Section(key.replace("_", " ").capitalize(), _split(evaluation, key, folder / f"{stem}_{name}.png"))
        for key, name in titles.items()
        if 1 < len(evaluation.figures[key]) <= _MOST_BARS
    ]


def _split(evaluation: Evaluation, key: str, path: Path) -> list[Block]:
    parts: dict[str, Any] = evaluation.figures[key]
    if key != "by_hardness":
        parts = dict(sorted(parts.items(), key=lambda item: item[1][evaluation.figures["headline"]] or 0.0))
    shown = [m for m in evaluation.measures if evaluation.figures[m.figure] is not None]
    headline = next(measure for measure in evaluation.measures if measure.figure == evaluation.figures["headline"])
    bars = [
        Bar(f"{_short(name)} ({part['n']})", part[headline.figure], part["interval_95"],
            share_text(part[headline.figure]))
        for name, part in parts.items()
    ]  # fmt: skip
    svg = draw_bars({headline.label: bars}, path, axis=headline.label.lower(), limit=1.12)
    rows = [
        [name or "-", str(part["n"]), *(share_text(part[m.figure]) for m in shown), interval_text(part["interval_95"])]
        for name, part in parts.items()
    ]
    head = ["", "n", *(measure.label for measure in shown), f"95 % of {headline.label.lower()}"]
    return [Picture(path.name, f"{headline.label} {key.replace('_', ' ')}", svg), Table(head, rows)]


def _errors(evaluation: Evaluation, path: Path) -> list[Block]:
    errors: dict[str, int] = evaluation.figures["errors"]
    if not errors:
        return [Text("None: every answer is right.")]
    total = evaluation.figures["n"]
    bars = [Bar(error_text(name), count, text=f"{count} ({count / total:.1%})") for name, count in errors.items()]
    svg = draw_bars({"": bars}, path, axis="examples", limit=max(errors.values()) * 1.2)
    return [
        Text(f"{sum(errors.values())} of {total} answers are wrong; each is counted once."),
        Picture(path.name, "Wrong answers by class of error", svg),
    ]


def _worst(evaluation: Evaluation) -> list[Block]:
    worst = pick_worst(evaluation.examples)
    if not worst:
        return [Text("None.")]
    wrong = sum(evaluation.figures["errors"].values())
    head = (
        f"{len(worst)} of {wrong}: some of every class of error, the easiest questions first. Marked: what the other "
        "query does not have. Results: the first rows on the first database that tells the two queries apart. "
        + evaluation.result_note
    )
    return [Text(head), *(_example(example, evaluation.differences.get(example.key)) for example in worst)]


def _example(example: ScoredExample, difference: Difference | None) -> Example:
    tags = [error_text(str(example.error)), example.hardness, example.group, f"example {example.key}"]
    return Example(
        example.question,
        tags,
        [
            Answer("gold", example.gold, difference.gold if difference else None),
            Answer("predicted", example.predicted, difference.predicted if difference else None, right=False),
        ],
    )


def _rules(evaluation: Evaluation) -> list[Block]:
    words = [[name.replace("_", " "), text] for name, text in evaluation.rules.items()]
    facts = [[name.replace("_", " "), text] for name, text in evaluation.facts.items()]
    return [
        Text("Figures made by other rules do not compare with these."),
        Table(["rule", "what holds"], words, words=True),
        Table(["run", ""], facts, words=True),
    ]


def _short(name: str) -> str:
    name = printable(name) or "all"
    return name if len(name) <= 34 else name[:31] + "..."
