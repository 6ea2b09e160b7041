"""The content of a report, apart from how it is written down."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from text2sql_lightning.evaluation.previews import Preview


@dataclass(frozen=True)
class Tile:
    """A figure to be seen first: what it is, its value, and what is needed to read it."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table; columns but the first are numbers unless `words` says otherwise."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: bool = False


@dataclass(frozen=True)
class Picture:
    """A chart.

    Attributes:
        file: Its PNG file, beside the Markdown page.
        alt: What it shows, in words.
        svg: The same chart for the HTML page.
    """

    file: str
    alt: str
    svg: str


@dataclass(frozen=True)
class Answer:
    """One side of an example: whose query, the query, its result where it was run, whether it is right."""

    title: str
    sql: str
    result: Preview | None = None
    right: bool | None = None


@dataclass(frozen=True)
class Example:
    """A question with the queries that answer it, side by side."""

    question: str
    tags: Sequence[str]
    answers: Sequence[Answer]


Block: TypeAlias = Text | Table | Picture | Example


@dataclass(frozen=True)
class Section:
    """A part with a heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    lead: str
    tiles: Sequence[Tile] = ()
    sections: Sequence[Section] = field(default_factory=tuple)
