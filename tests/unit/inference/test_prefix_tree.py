"""Prompts as a tree of prefixes: where tokens stand and what they see."""

from functools import cache
from random import Random

import pytest

from text2sql_lightning.inference.prefix_tree import count_tokens, group, lay_out, shared_length, split

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


def test_groups_share_most_where_they_part() -> None:
    one, two = [9] * 20, [9] * 5 + [8] * 15
    prompts = sorted([[*one, 1], [*one, 2], [*one, 3, 4], [*two, 1], [*two, 2]])
    assert group(prompts, 3) == [(2, 20), (3, 20)]
    assert group(prompts, 30) == [(2, 0), (3, 20)]  # one pair saves 20
    assert group(prompts, 100) == [(5, 0)]
    assert group([[7, 8]], 0) == [(1, 0)]


def test_a_group_leaves_each_member_a_token_of_its_own() -> None:
    assert group([[1, 2, 3]] * 4, 0) == [(4, 2)]
    assert group([[1, 2], [1, 2, 3]], 0) == [(2, 1)]
    assert group([[1], [1], [1, 2]], 0) == [(3, 0)]


@pytest.mark.parametrize("seed", range(20))
def test_no_grouping_saves_more(seed: int) -> None:
    """Against all ways to cut a row of prompts."""
    draw, cost = Random(seed), seed % 4
    prompts = sorted([draw.randrange(2) for _ in range(draw.randrange(1, 8))] for _ in range(9))

    def saved(run: list[list[int]]) -> int:
        shared = min(len(run[0]) - 1, shared_length(run)) if len(run) > 1 else 0
        return max(0, shared * (len(run) - 1) - cost)

    @cache
    def best(start: int) -> int:
        ends = range(start + 1, len(prompts) + 1)
        return max((saved(prompts[start:end]) + best(end) for end in ends), default=0)

    places, total = 0, 0
    for count, shared in group(prompts, cost):
        run = prompts[places : places + count]
        assert len({tuple(prompt[:shared]) for prompt in run}) == 1
        assert shared < min(map(len, run))
        total += max(0, shared * (count - 1) - cost)
        places += count
    assert places == len(prompts)
    assert total == best(0)
