"""How the quickstart's data is built when nothing is said, and when something is."""

import pytest

from text2sql_lightning.commands.quickstart import _distractors, _parser

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ([], []),  # what build_dataset does by default
        (["--rows", "mine.jsonl"], ["--distractors", "0.0"]),
        (["--rows", "mine.jsonl", "--distractors", "3"], ["--distractors", "3.0"]),
        (["--distractors", "0"], ["--distractors", "0.0"]),
    ],
)
def test_distractors(flags: list[str], expected: list[str]) -> None:
    assert _distractors(_parser().parse_args(flags)) == expected
