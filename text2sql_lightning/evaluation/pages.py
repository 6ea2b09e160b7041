"""Evaluations and comparisons as pages to read: figures, charts, examples of failures, rules."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from text2sql_lightning.constants import HARDNESS
from text2sql_lightning.evaluation.comparison import COMPARISON_RULES, Comparison
from text2sql_lightning.evaluation.results import INTERNAL_MEASURES, SPIDER_MEASURES, Measure, ScoredExample
from text2sql_lightning.files.atomic import write_json, write_json_lines
from text2sql_lightning.files.charts import Bar, draw_bars, share_bars
from text2sql_lightning.files.pages import printable, show, write_pages
from text2sql_lightning.text.sql_tokens import Token, iter_tokens

if TYPE_CHECKING:
    from text2sql_lightning.evaluation.result_match import Difference, Preview

_MOST_BARS: Final = 40
_SHOWN: Final = 8
_LISTED: Final = 200
_LONGEST_VALUE: Final = 48
_MOST_TOKENS: Final = 400
_SPLITS: Final = {"by_hardness": "hardness", "by_source": "sources", "by_database": "databases"}
_LABELS: Final = {measure.verdict: measure.label for measure in (*SPIDER_MEASURES, *INTERNAL_MEASURES)} | {
    "exec_case_blind": "Execution accuracy ignoring case"
}
_ERRORS: Final = {
    "timeout": "too slow",
    "empty": "no SQL in the answer",
    "too_large": "result too large",
    "gold_failed": "gold does not run",
    "crashed": "crashed SQLite",
    "other": "other error",
}


@dataclass(frozen=True)
class Evaluation:
    """All that the page of an evaluation is made of.

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
    differences: "Mapping[str, Difference]"
    result_note: str = ""


def write_evaluation(
    folder: Path, stem: str, evaluation: Evaluation, summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write `<stem>.json`, `.jsonl`, `.md`, `.html` and charts; what is there under these names is replaced.

    Args:
        folder: Where they go; made if need be.
        stem: `eval_spider` or `eval_internal`.
        evaluation: What the pages show.
        summary: The content of the JSON file.
        rows: The lines of the JSON lines file.
    """
    write_json_lines(folder / f"{stem}.jsonl", [dict(row) for row in rows])
    write_json(folder / f"{stem}.json", dict(summary))
    figures = evaluation.figures
    shown = [measure for measure in evaluation.measures if figures[measure.figure] is not None]
    tiles = [
        (m.label, figures[m.figure], f"95 %: {show(figures['intervals_95'][m.figure])} · n = {figures['n']:,}")
        for m in shown
    ]
    wrong = {error_text(name): count for name, count in figures["errors"].items()}
    chart = folder / f"{stem}_errors.png"
    errors = wrong and draw_bars({"": share_bars(wrong, figures["n"])}, chart, axis="examples")
    examples = [_wrong_answer(each, evaluation.differences.get(each.key)) for each in pick_worst(evaluation.examples)]
    write_pages(
        folder / stem,
        "evaluation/templates/evaluation.j2",
        e=evaluation,
        tiles=tiles,
        shown=shown,
        stem=stem,
        errors=errors,
        splits=_splits(evaluation, shown, folder / stem),
        wrong=sum(wrong.values()),
        examples=examples,
    )


def write_comparison(folder: Path, stem: str, comparison: Comparison) -> None:
    """Write `<stem>.html`, `<stem>.md` and `<stem>.png`."""
    figures, names, label = comparison.figures, comparison.names, _LABELS[comparison.verdict]
    parts = {"all": figures, **figures["by_hardness"]}
    series = {
        name: [_bar(part, f, f[side], f[f"{side}_interval_95"]) for part, f in parts.items()]
        for name, side in zip(names, "ab", strict=True)
    }
    write_pages(
        folder / stem,
        "evaluation/templates/comparison.j2",
        c=comparison,
        label=label,
        parts=parts,
        stem=stem,
        rules=COMPARISON_RULES,
        listed=_LISTED,
        svg=draw_bars(series, folder / f"{stem}.png", axis=label.lower(), limit=1.12),
        won=[_won(comparison, side) for side in (1, 0)],
        text={"conclusion": conclusion(comparison), "signed": signed, "p": p_text},
    )


def conclusion(comparison: Comparison) -> str:
    """Return in a sentence what the figures allow to say."""
    figures, (a, b) = comparison.figures, comparison.names
    low, high = figures["interval_95"]
    facts = f"interval of B - A {{}}{signed(low, high)}, p {p_text(figures['p_value'])}"
    if low <= 0 <= high or figures["p_value"] >= 0.05:
        return f"No difference is shown: the {facts.format('is ')}."
    better = b if figures["difference"] > 0 else a
    return f"{better} is better by {abs(figures['difference']):.3f} ({facts.format('')})."


def signed(*values: float) -> str:
    """Return differences with their signs, joined by `to`; zero has no sign."""
    return " to ".join(f"{round(value, 3) or 0:+.3f}".replace("+0.000", "0.000") for value in values)


def p_text(value: float) -> str:
    """Return a p-value with its relation."""
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def error_text(name: str) -> str:
    """Return an error class in words."""
    return _ERRORS.get(name, name.replace("_", " "))


def value_text(value: object) -> str:
    """Return a value of a result on one short line."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = " ".join(printable(str(value)).split())
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."


def pick_worst(examples: Sequence[ScoredExample], limit: int = 20) -> list[ScoredExample]:
    """Choose wrong answers: of every error class some, the most frequent class first, the easiest question first.

    Questions with a gold query that is there already, and those about databases that have had their turn, come last.

    Args:
        examples: All that was scored, in order.
        limit: How many to choose.
    """
    failures = [example for example in examples if example.error and example.verdicts]
    counts = Counter(str(example.error) for example in failures)
    classes = sorted(counts, key=lambda name: (-counts[name], name))
    queues = {name: [example for example in failures if example.error == name] for name in classes}
    chosen: dict[str, list[ScoredExample]] = {name: [] for name in classes}
    ranks = {name: rank for rank, name in enumerate(HARDNESS)}
    seen = Counter[str]()
    for _ in range(min(limit, len(failures))):
        name = min((name for name in classes if queues[name]), key=lambda name: len(chosen[name]))
        best = min(queues[name], key=lambda e: (seen[e.gold] > 0, ranks.get(e.hardness, len(ranks)), seen[e.group]))
        queues[name].remove(best)
        chosen[name].append(best)
        seen.update((best.gold, best.group))
    return [example for name in classes for example in chosen[name]]


def mark_differences(sql: str, other: str) -> list[tuple[str, bool]]:
    """Cut a query into stretches that the other one has too, and those (True) that it has not.

    Case outside quotes, spaces, the kind of quotes and a final semicolon do not count. The stretches add up to `sql`.
    Very long queries come back in one piece: the comparison takes quadratic time.
    """
    own, theirs = (list(iter_tokens(text.rstrip("; \t\n"))) for text in (sql, other))
    if max(len(own), len(theirs)) > _MOST_TOKENS:
        return [(sql, False)]
    pieces: list[tuple[str, bool]] = []
    at = 0
    matcher = SequenceMatcher(None, [_key(token) for token in own], [_key(token) for token in theirs], autojunk=False)
    for operation, first, last, _, _ in matcher.get_opcodes():
        if operation in ("replace", "delete"):
            start, end = own[first].start, own[last - 1].end
            pieces += [(sql[at:start], False), (sql[start:end], True)]
            at = end
    return [piece for piece in [*pieces, (sql[at:], False)] if piece[0]]


def _key(token: Token) -> str:
    return token.value if token.kind in ("string", "quoted") else token.value.lower()


def _splits(evaluation: Evaluation, shown: Sequence[Measure], path: Path) -> list[dict[str, object]]:
    """Draw the headline by hardness, source and database, the worst first; not by what is one, or too many to read."""
    figures = evaluation.figures
    headline = next(measure for measure in evaluation.measures if measure.figure == figures["headline"])
    splits: list[dict[str, object]] = []
    for key, name in _SPLITS.items():
        parts: dict[str, Any] = figures[key]
        if key != "by_hardness":
            if not 1 < len(parts) <= _MOST_BARS:
                continue
            parts = dict(sorted(parts.items(), key=lambda item: item[1][headline.figure] or 0.0))
        bars = [_bar(name or "all", part, part[headline.figure], part["interval_95"]) for name, part in parts.items()]
        png = path.with_name(f"{path.name}_{name}.png")
        svg = draw_bars({headline.label: bars}, png, axis=headline.label.lower(), limit=1.12)
        rows = [
            [name or "-", part["n"], *(part[measure.figure] for measure in shown), part["interval_95"]]
            for name, part in parts.items()
        ]
        title = key.replace("_", " ")
        splits.append({"title": title, "headline": headline.label, "svg": svg, "file": png.name, "rows": rows})
    return splits


def _bar(name: str, part: Mapping[str, Any], value: float | None, interval: Sequence[float] | None) -> Bar:
    return Bar(f"{name if len(name) <= 34 else name[:31] + '...'} ({part['n']})", value, interval, show(value))


def _wrong_answer(example: ScoredExample, difference: "Difference | None") -> dict[str, object]:
    gold, predicted = (difference.gold, difference.predicted) if difference else (None, None)
    sides = [
        _side("gold", example.gold, example.predicted, result=gold),
        _side("predicted", example.predicted, example.gold, "wrong", predicted),
    ]
    return _example(example, error_text(str(example.error)), sides)


def _won(comparison: Comparison, winner: int) -> tuple[str, list[str], list[dict[str, object]]]:
    """Return who won, the keys of the examples, and some of these to look at."""
    names, pairs = comparison.names, comparison.won_by(winner)
    examples = []
    for pair in pairs[:: max(1, len(pairs) // _SHOWN)][:_SHOWN]:
        gold, loser = pair[0].gold, pair[1 - winner]
        sides = [_side("gold", gold, gold)] + [
            _side(name, answer.predicted, gold, "right" if side == winner else "wrong")
            for side, (name, answer) in enumerate(zip(names, pair, strict=True))
        ]
        kind = error_text(loser.error) if loser.error else "wrong"
        examples.append(_example(pair[0], f"{names[1 - winner]}: {kind}", sides))
    return names[winner], [pair[0].key for pair in pairs], examples


def _example(example: ScoredExample, kind: str, sides: Sequence[object]) -> dict[str, object]:
    tags = [kind, example.hardness, example.group, f"example {example.key}"]
    return {"question": example.question, "tags": tags, "sides": sides}


def _side(title: str, sql: str, other: str, verdict: str = "", result: "Preview | None" = None) -> dict[str, object]:
    side = {"title": title, "sql": sql.strip(), "pieces": mark_differences(sql, other if other.strip() else sql)}
    if result is None:
        return {**side, "verdict": verdict, "result": None}
    more = result.total - len(result.rows)
    shown = {
        "error": result.error and error_text(result.error),
        "columns": result.columns,
        "rows": [[value_text(value) for value in row] for row in result.rows],
        "more": f"... and {more:,} more row{'s' * (more > 1)}" if more else "" if result.rows else "no rows",
    }
    return {**side, "verdict": verdict, "result": shown}
