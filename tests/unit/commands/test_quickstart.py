"""What the quickstart does when nothing is said, and when something is."""

import pytest
import torch

from text2sql_lightning.commands.quickstart import _distractors, _parser, _precision

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


@pytest.mark.parametrize(
    ("capabilities", "flags", "expected"),
    [
        ({"amx_bf16": True}, [], "bf16-mixed"),
        ({"amx_bf16": False, "avx512_bf16": True}, [], "32-true"),
        ({}, [], "32-true"),
        ({"amx_bf16": True}, ["--precision", "32-true"], "32-true"),
        ({}, ["--precision", "bf16-mixed"], "bf16-mixed"),
    ],
)
def test_precision(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], flags: list[str], expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert _precision(_parser().parse_args(flags)) == expected


def test_an_older_torch_says_nothing_of_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert _precision(_parser().parse_args([])) == "32-true"
