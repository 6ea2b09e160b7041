"""The one prompt of training, inference, evaluation and user interface."""

import re
from hashlib import sha256
from typing import Final

from text2sql_lightning.errors import DataError

PROMPT_FORMAT_VERSION: Final = 1
"""Raised whenever the template or the layout of the input changes; saved with every adapter."""

INSTRUCTION: Final = (
    "Write a SQL query that answers the user's question using ONLY the tables and columns provided in the schema."
)
"""The constant first part of every prompt."""

PROMPT_TEMPLATE: Final = "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
"""What stands before the answer; the answer's first character follows the last newline."""

_SCHEMA_HEADER: Final = "### Schema:\n"
_QUESTION_HEADER: Final = "\n\n### Question:\n"


def format_input(context: str, question: str) -> str:
    """Join a schema and a question to the `input` field of a record.

    Args:
        context: The schema as `CREATE TABLE` statements.
        question: The question in the user's words.

    Returns:
        `### Schema:`, the context, an empty line, `### Question:`, the question.
    """
    return f"{_SCHEMA_HEADER}{context}{_QUESTION_HEADER}{question}"


def split_input(text: str) -> tuple[str, str]:
    """Take an `input` field apart again: the inverse of `format_input`.

    Args:
        text: An `input` field.

    Returns:
        The context and the question.

    Raises:
        DataError: The text does not have the two headings.
    """
    header, _, rest = text.partition(_SCHEMA_HEADER)
    context, heading, question = rest.partition(_QUESTION_HEADER)
    if header or not heading:
        raise DataError(
            f"input {_excerpt(text)} is not '### Schema:', a schema, an empty line, '### Question:', a question, "
            "each heading on a line of its own; build records with `text2sql build` or format_input"
        )
    return context, question


def schema_in_prompt(prompt: str) -> str:
    """Find the schema in a prompt, or in any text that holds an `input` field; empty where there is none."""
    _, _, rest = prompt.partition(_SCHEMA_HEADER)
    context, heading, _ = rest.partition(_QUESTION_HEADER)
    return context if heading else ""


def build_prompt(instruction: str, input: str) -> str:
    """Write the prompt that a model completes with SQL.

    Args:
        instruction: What to do, usually `INSTRUCTION`.
        input: A schema and a question, from `format_input`.

    Returns:
        The prompt. It ends with `### Response:` and a newline; the SQL follows directly.
    """
    return PROMPT_TEMPLATE.format(instruction=instruction, input=input)


def prompt_sha256() -> str:
    """Fingerprint the template and the instruction: adapters with another one expect another prompt."""
    return sha256(f"{PROMPT_TEMPLATE}\n{INSTRUCTION}".encode()).hexdigest()


def _excerpt(text: str, length: int = 60) -> str:
    return repr(text if len(text) <= length else text[: length - 3] + "...")


_NO_PART_OF_NAME: Final = re.compile(r"[^\w.-]+")


def source_slug(source: str) -> str:
    """Write a source's name so that it can be a part of a metric's name.

    Args:
        source: The source, e.g. `b-mc2/sql-create-context`.

    Returns:
        The name with `-` for everything but letters, digits, `_`, `.` and `-`: `b-mc2-sql-create-context`.
    """
    return _NO_PART_OF_NAME.sub("-", source).strip("-") or "unnamed"
