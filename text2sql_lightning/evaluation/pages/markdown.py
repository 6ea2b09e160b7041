"""A report as Markdown."""

import re

from text2sql_lightning.evaluation.pages.document import Answer, Block, Document, Example, Picture, Table, Text
from text2sql_lightning.evaluation.pages.preview_table import preview_table
from text2sql_lightning.evaluation.pages.values import error_text, printable
from text2sql_lightning.evaluation.previews import Preview


def to_markdown(document: Document) -> str:
    """Write a document as Markdown; its pictures are files beside it."""
    parts = [f"# {_plain(document.title)}", _plain(document.lead)]
    if document.tiles:
        rows = [[tile.label, tile.value, tile.note] for tile in document.tiles]
        parts.append(_table(Table(("figure", "value", ""), rows)))
    for section in document.sections:
        parts.append(f"## {_plain(section.title)}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return _plain(block.text)
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Picture):
        return f"![{_plain(block.alt)}]({block.file})"
    return _example(block)


def _table(table: Table) -> str:
    rule = ["---"] + ["---" if table.words else "---:"] * (len(table.head) - 1)
    lines = [table.head, rule, *table.rows]
    return "\n".join("| " + " | ".join(_plain(cell) if cells is not rule else cell for cell in cells) + " |"
                     for cells in lines)  # fmt: skip


def _example(example: Example) -> str:
    head = f"### {_plain(example.question)}\n\n*{_plain(', '.join(example.tags))}*"
    return "\n\n".join([head, *(_answer(answer) for answer in example.answers)])


def _answer(answer: Answer) -> str:
    sql = printable(answer.sql).strip() or "(no SQL)"
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", sql))])
    right = "" if answer.right is None else f" ({'right' if answer.right else 'wrong'})"
    parts = [f"{_plain(answer.title)}{right}:", f"{fence}sql\n{sql}\n{fence}"]
    return "\n\n".join(parts + ([_result(answer.result)] if answer.result else []))


def _result(result: Preview) -> str:
    if result.error is not None:
        return f"Result: {_plain(error_text(result.error))}"
    if not result.total:
        return "Result: no rows"
    table, note = preview_table(result)
    return _table(table) + (f"\n\n{note}" if note else "")


def _plain(text: str) -> str:
    """Take the meaning from every character that Markdown or HTML would give one."""
    line = " ".join(printable(text).split())
    return re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", line)
