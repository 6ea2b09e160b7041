"""Pictures of scores; the one file that draws."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_HARDNESS: Final = ("easy", "medium", "hard", "extra")
_COLOURS: Final = ("#b8b8b8", "#2c6fbb", "#d98032", "#4c9a5b")


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
    figure.savefig(path, dpi=150, metadata={"Software": None})


def _accuracy(part: Mapping[str, Any], label: str) -> float:
    return float(part["by_hardness"].get(label, {"execution_accuracy": 0.0})["execution_accuracy"])
