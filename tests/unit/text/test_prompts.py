import hashlib

import pytest

from text2sql_lightning.errors import DataError
from text2sql_lightning.text.prompts import INSTRUCTION, build_prompt, format_input, prompt_sha256, split_input

pytestmark = pytest.mark.unit


def test_the_whole_prompt_character_by_character() -> None:
    prompt = build_prompt(INSTRUCTION, format_input("CREATE TABLE t (a INTEGER)", "How many rows?"))
    assert prompt == (
        "### Instruction:\n"
        "Write a SQL query that answers the user's question using ONLY the tables and columns provided in the schema.\n"
        "\n"
        "### Input:\n"
        "### Schema:\n"
        "CREATE TABLE t (a INTEGER)\n"
        "\n"
        "### Question:\n"
        "How many rows?\n"
        "\n"
        "### Response:\n"
    )


def test_braces_in_a_schema_or_question_are_text() -> None:
    assert "{input} {x}" in build_prompt("{instruction}", "{input} {x}")
    assert build_prompt("{input}", "x").startswith("### Instruction:\n{input}\n")


@pytest.mark.parametrize(
    ("context", "question"),
    [
        ("CREATE TABLE t (a INTEGER)", "How many?"),
        ("CREATE TABLE t (a);\nCREATE TABLE u (b)", "Two\nlines\n\nand a gap"),
        ("", ""),
        ("CREATE TABLE t (a)", "What is ### Question:\n?\n\n### Question:\nagain"),
    ],
)
def test_split_input_undoes_format_input(context: str, question: str) -> None:
    assert split_input(format_input(context, question)) == (context, question)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "How many?",
        "### Schema:\nCREATE TABLE t (a)",
        "x\n### Schema:\na\n\n### Question:\nb",
        "### Schema:\na### Question:\nb",
    ],
)
def test_split_input_refuses_other_text(text: str) -> None:
    with pytest.raises(DataError, match="### Schema:"):
        split_input(text)


def test_split_input_error_is_one_short_line() -> None:
    with pytest.raises(DataError) as caught:
        split_input("x\n" * 500)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_the_hash_covers_template_and_instruction() -> None:
    template = "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
    assert prompt_sha256() == hashlib.sha256((template + "\n" + INSTRUCTION).encode()).hexdigest()
