from collections.abc import Iterable
from typing import Any, Literal

import pytest

from dev.write_configuration_docs import Option, default_text, type_name

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "int"),
        (str | None, "str or null"),
        (Literal["nf4", "none"], "`nf4` or `none`"),
        (list[str] | Literal["all-linear"], "list of str or `all-linear`"),
        (Literal[16, "16"] | None, "`16` or null"),
        (str | dict[str, int], "str or mapping"),
        (Iterable[int | str], "list of int or str"),
    ],
)
def test_type_name(hint: Any, words: str) -> None:
    assert type_name(hint) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (0.0002, "0.0002"), ("auto", "auto"), (["q_proj", "v_proj"], "q_proj, v_proj")],
)
def test_default_text(value: Any, text: str) -> None:
    assert default_text(value) == text


def test_section_is_the_first_part_of_the_name() -> None:
    assert Option("model.lora.r", "int", "16", "").section == "model"
    assert Option("output_dir", "str", "outputs/run", "").section == "run"
