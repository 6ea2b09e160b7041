"""A report as one HTML file that needs nothing else: no script, no font, no picture from outside.

Everything that comes from a data set or a model is hostile text and goes through `_text`. A content security policy
forbids scripts and requests besides, should that ever fail.
"""

from collections.abc import Sequence
from html import escape

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
from text2sql_lightning.evaluation.pages.preview_table import preview_table
from text2sql_lightning.evaluation.pages.sql_marks import mark_differences
from text2sql_lightning.evaluation.pages.style import STYLE
from text2sql_lightning.evaluation.pages.values import error_text, printable
from text2sql_lightning.evaluation.previews import Preview


def to_html(document: Document) -> str:
    """Write a document as a page that can be opened, mailed or printed as it is."""
    title = _text(document.title)
    body = [f"<header><h1>{title}</h1><p class=lead>{_text(document.lead)}</p></header>"]
    if document.tiles:
        body.append(f"<div class=tiles>{''.join(_tile(tile) for tile in document.tiles)}</div>")
    body += [_section(section) for section in document.sections]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" '
        f'content="light dark">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n'
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _tile(tile: Tile) -> str:
    value = f"<span class=value>{_text(tile.value)}</span>"
    return f"<div class=tile><span class=label>{_text(tile.label)}</span>{value}<small>{_text(tile.note)}</small></div>"


def _section(section: Section) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f"<section>\n<h2>{_text(section.title)}</h2>\n{blocks}\n</section>"


def _block(block: Block) -> str:
    if isinstance(block, Text):
        return f"<p>{_text(block.text)}</p>"
    if isinstance(block, Table):
        return _table(block)
    if isinstance(block, Picture):
        return f'<figure role="img" aria-label="{_text(block.alt)}">{block.svg}</figure>'
    return _example(block)


def _table(table: Table, css: str = "") -> str:
    kind = " ".join(name for name in (css, "words" if table.words else "figures") if name)
    head = "".join(f"<th>{_text(cell)}</th>" for cell in table.head)
    rows = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in table.rows)
    return f'<div class=scroll><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _example(example: Example) -> str:
    tags = "".join(f"<span class=tag>{_text(tag)}</span>" for tag in example.tags)
    gold = example.answers[0].sql if example.answers else ""
    answers = "".join(_answer(answer, gold, example.answers) for answer in example.answers)
    return (
        f"<article><div class=tags>{tags}</div><h3>{_text(example.question)}</h3><div class=sides>{answers}</div>"
        "</article>"
    )


def _answer(answer: Answer, gold: str, answers: Sequence[Answer]) -> str:
    other = next((each.sql for each in answers[1:]), "") if answer is answers[0] and len(answers) == 2 else gold
    sign = {None: "", True: " right", False: " wrong"}[answer.right]
    result = _result(answer.result) if answer.result else ""
    title = _text(answer.title) + (f" <em>{sign.strip()}</em>" if sign else "")
    return f'<div class="side{sign}"><h4>{title}</h4>{_sql(answer.sql, other)}{result}</div>'


def _sql(sql: str, other: str) -> str:
    if not sql.strip():
        return ""  # the result says so
    pieces = mark_differences(sql, other if other.strip() else sql)
    marked = (f"<mark>{_text(text)}</mark>" if differs else _text(text) for text, differs in pieces)
    return f"<pre>{''.join(marked)}</pre>"


def _result(result: Preview) -> str:
    if result.error is not None:
        return f"<p class=error>{_text(error_text(result.error))}</p>"
    if not result.total:
        return "<p class=none>no rows</p>"
    table, note = preview_table(result)
    return _table(table, "result") + (f"<p class=more>{note}</p>" if note else "")


def _text(text: str) -> str:
    return escape(printable(text), quote=True)
