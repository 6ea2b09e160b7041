"""Pages from Jinja templates: one template for the content, written as HTML and as Markdown by two sets of macros.

Whatever a template prints is escaped for the form that is written, hostile text of a dataset or a model included.
"""

import re
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from text2sql_lightning.files.atomic import write_text

if TYPE_CHECKING:
    from jinja2 import Environment

Form = Literal["html", "markdown"]
NO_CHARTS: Final = (
    "No charts, as matplotlib is not installed: pip install text2sql_lightning[reports] and write the report again."
)
# Controls but for tab and newline, halves of surrogate pairs, and what turns the direction of text or joins it, so
# that SQL would not look like what it is.
_UNPRINTABLE: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
_SPACE: Final = re.compile(r"^(`{3,})sql\n.*?^\1$|\n{3,}", re.DOTALL | re.MULTILINE)
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>|~&$])")


def write_pages(path: Path, template: str, **content: object) -> None:
    """Write a page as `<path>.html`, which needs no other file, and as `<path>.md`.

    Args:
        path: The files' path without suffix.
        template: The template's path in this package; it imports `blocks`, the macros of the form.
        **content: The template's variables.
    """
    write_text(path.with_name(f"{path.name}.html"), render("html", template, **content))
    write_text(path.with_name(f"{path.name}.md"), render("markdown", template, **content))


def render(form: Form, template: str, **content: object) -> str:
    """Return a page; see `write_pages`."""
    text = _environment(form).get_template(template).render(content)
    return text if form == "html" else _SPACE.sub(lambda found: found[0] if found[1] else "\n\n", text).strip() + "\n"


def show(value: object) -> str:
    """Return a value as people read it: shares with three decimals, `low - high`, a dash where there is none."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list | tuple):
        return " - ".join(map(show, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


def printable(text: str) -> str:
    """Replace what no page can hold, and what hides or reorders the text around it."""
    return _UNPRINTABLE.sub("\ufffd", text)


@lru_cache
def _environment(form: Form) -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("text2sql_lightning", "."),
        autoescape=True,
        finalize=partial(_finalize, form),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"blocks": f"files/templates/{form}.j2", "no_charts": NO_CHARTS}
    filters: dict[str, Callable[[Any], object]] = {"show": show, "code": _code, "fenced": _fenced}
    environment.filters.update(filters)
    return environment


def _finalize(form: Form, value: object) -> object:
    """Turn what is printed into text. Jinja escapes it for HTML afterwards; Markdown is escaped here."""
    from markupsafe import Markup

    if hasattr(value, "__html__"):
        return value
    text = printable(show(value))
    return text if form == "html" else Markup(_MARKDOWN.sub(r"\\\1", " ".join(text.split())))


def _code(text: str) -> object:
    """Return text as a span of Markdown code."""
    from markupsafe import Markup

    return Markup(f"`{' '.join(printable(text).replace('`', ' ').split(chr(10)))}`")


def _fenced(text: str) -> object:
    """Return SQL as a fenced block of Markdown."""
    from markupsafe import Markup

    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return Markup(f"{fence}sql\n{printable(text).strip()}\n{fence}")
