"""The one prompt of training, inference, evaluation and user interface."""

import re
from hashlib import sha256
from typing import Final

from text2sql_lightning.errors import DataError
from text2sql_lightning.files.jsonl import excerpt

PROMPT_FORMAT_VERSION: Final = 1
"""Raised whenever the template or the layout of the input changes; saved with every adapter."""

INSTRUCTION: Final = (
    "Write a SQL query that answers the user's question using ONLY the tables and columns provided in the schema."
)
"""The constant first part of every prompt."""

PROMPT_TEMPLATE: Final = "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
"""The text before the answer; the answer's first character follows the last newline."""

_SCHEMA_HEADER: Final = "### Schema:\n"
_QUESTION_HEADER: Final = "\n\n### Question:\n"
_NO_PART_OF_NAME: Final = re.compile(r"[^\w.-]+")


def format_input(context: str, question: str) -> str:
    """Join a schema, as `CREATE TABLE` statements, and a question to the `input` field of a record."""
    return f"{_SCHEMA_HEADER}{context}{_QUESTION_HEADER}{question}"


def split_input(text: str) -> tuple[str, str]:
    """Split an `input` field into context and question: the inverse of `format_input`.

    Raises:
        DataError: The text does not have the two headings.
    """
    header, _, rest = text.partition(_SCHEMA_HEADER)
    context, heading, question = rest.partition(_QUESTION_HEADER)
    if header or not heading:
        raise DataError(
            f"input {excerpt(text)} is not '### Schema:', a schema, an empty line, '### Question:', a question, "
            "each heading on its own line; build records with `text2sql build` or format_input"
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


def source_slug(source: str) -> str:
    """Return a source's name as a part of a metric's name: `b-mc2/sql-create-context` is `b-mc2-sql-create-context`.

    Everything but letters, digits, `_`, `.` and `-` becomes `-`.
    """
    return _NO_PART_OF_NAME.sub("-", source).strip("-") or "unnamed"
