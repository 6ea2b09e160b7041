"""Prompts as a tree of prefixes: where tokens stand and what they see."""

import pytest

from text2sql_lightning.inference.prefix_tree import count_tokens, lay_out, shared_length, split

pytestmark = pytest.mark.unit

PROMPTS = [[1, 2], [1, 2, 3], [1, 4, 5], [1, 4, 6]]


def test_layout() -> None:
    layout = lay_out(PROMPTS)
    assert layout.input_ids == [1, 2, 3, 4, 5, 6]
    assert layout.position_ids == [0, 1, 2, 1, 2, 2]
    assert layout.paths == [[0, 1], [0, 1, 2], [0, 3, 4], [0, 3, 5]]
    assert layout.allowed().int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [1, 0, 0, 1, 1, 0],
        [1, 0, 0, 1, 0, 1],
    ]


def test_layout_behind_a_prefix() -> None:
    layout = lay_out(PROMPTS[2:], 1)
    assert layout.input_ids == [4, 5, 6]
    assert layout.position_ids == [1, 2, 2]
    assert layout.paths == [[0, 1], [0, 2]]
    assert layout.allowed().int().tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 0, 1]]


def test_counts() -> None:
    assert count_tokens(PROMPTS, 0) == 6
    assert count_tokens(PROMPTS, 1) == 5
    assert shared_length(PROMPTS) == 1
    assert shared_length(PROMPTS[:2]) == 1  # each keeps a token of its own
    assert shared_length([[7, 8, 9]]) == 2


def test_split() -> None:
    assert split(PROMPTS, 1, 100) == [PROMPTS]
    assert split(PROMPTS, 1, 4) == [PROMPTS[:2], PROMPTS[2:]]
    assert split(PROMPTS, 1, 1) == [PROMPTS[:2], PROMPTS[2:]]
    assert split(PROMPTS[2:], 2, 1) == [[[1, 4, 5]], [[1, 4, 6]]]
