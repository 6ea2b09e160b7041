"""The figures of an evaluation on the terminal."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from text2sql_lightning.evaluation.pages.evaluation_page import Evaluation


def print_figures(evaluation: "Evaluation", report: Path) -> None:
    """Print figures with intervals, by hardness, and errors.

    Args:
        evaluation: What was found.
        report: The page that says more.
    """
    from rich.console import Console
    from rich.table import Table

    from text2sql_lightning.evaluation.pages.values import error_text, interval_text, share_text

    figures = evaluation.figures
    labels = {measure.figure: measure.label for measure in evaluation.measures}
    shown = [measure for measure in evaluation.measures if figures[measure.figure] is not None]
    table = Table(title=f"{evaluation.title}, n = {figures['n']}", title_justify="left")
    for head in ("", "share", "95 % interval", "n"):
        table.add_column(head, justify="left" if not head else "right")
    for measure in shown:
        interval = interval_text(figures["intervals_95"][measure.figure])
        table.add_row(measure.label, share_text(figures[measure.figure]), interval, str(figures["n"]))
    table.add_section()
    for name, part in figures["by_hardness"].items():
        share, interval = share_text(part[figures["headline"]]), interval_text(part["interval_95"])
        table.add_row(f"{name}, {labels[figures['headline']].lower()}", share, interval, str(part["n"]))
    console = Console()
    console.print(table)
    errors = ", ".join(f"{error_text(name)} {count}" for name, count in figures["errors"].items())
    console.print(f"errors: {errors or 'none'}", highlight=False, soft_wrap=True)
    console.print(f"report: {report}", highlight=False, soft_wrap=True)
