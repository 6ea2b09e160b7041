"""The files of an evaluation: JSON, JSON lines, Markdown, HTML and pictures."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from text2sql_lightning.evaluation.pages.document import Document
from text2sql_lightning.evaluation.pages.evaluation_page import Evaluation, evaluation_page
from text2sql_lightning.evaluation.pages.html import to_html
from text2sql_lightning.evaluation.pages.markdown import to_markdown
from text2sql_lightning.files.atomic import write_json, write_json_lines, write_text


def write_evaluation(
    folder: Path, stem: str, evaluation: Evaluation, summary: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write `<stem>.json`, `.jsonl`, `.md`, `.html` and pictures; what is there under these names is replaced.

    Args:
        folder: Where they go; made if need be.
        stem: `eval_spider` or `eval_internal`.
        evaluation: What the pages show.
        summary: The content of the JSON file.
        rows: The lines of the JSON lines file.
    """
    write_json_lines(folder / f"{stem}.jsonl", [dict(row) for row in rows])
    write_json(folder / f"{stem}.json", dict(summary))
    write_pages(folder, stem, evaluation_page(evaluation, folder, stem))


def write_pages(folder: Path, stem: str, document: Document) -> None:
    """Write a document as Markdown and as HTML."""
    write_text(folder / f"{stem}.md", to_markdown(document))
    write_text(folder / f"{stem}.html", to_html(document))
