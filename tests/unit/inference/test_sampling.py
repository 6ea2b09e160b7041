"""Which token is drawn."""

import pytest
import torch

from text2sql_lightning.inference.generation import draw, row_random

pytestmark = pytest.mark.unit

LOGITS = torch.log(torch.tensor([[0.1, 0.6, 0.3]]))


@pytest.mark.parametrize(("chance", "token"), [(0.0, 1), (0.59, 1), (0.61, 2), (0.89, 2), (0.91, 0), (0.9999999, 0)])
def test_the_likeliest_come_first(chance: float, token: int) -> None:
    assert draw(LOGITS, [chance], 1.0, 1.0).tolist() == [token]


@pytest.mark.parametrize(("top_p", "tokens"), [(0.5, {1}), (0.61, {1, 2}), (0.95, {0, 1, 2})])
def test_top_p_keeps_the_token_that_crosses_the_line(top_p: float, tokens: set[int]) -> None:
    drawn = {int(draw(LOGITS, [number / 100], 1.0, top_p)) for number in range(100)}
    assert drawn == tokens


def test_temperature_sharpens() -> None:
    drawn = [int(draw(LOGITS, [number / 1000], 0.5, 1.0)) for number in range(1000)]
    assert drawn.count(1) == 783  # 0.36 / (0.36 + 0.09 + 0.01)


def test_rows_are_drawn_by_themselves() -> None:
    rows = torch.cat([LOGITS, LOGITS.flip(1)])
    assert draw(rows, [0.7, 0.95], 1.0, 1.0).tolist() == [2, 2]


def test_chance_depends_on_prompt_sample_and_seed() -> None:
    first = row_random([1, 2], 0, 0).random()
    assert row_random((1, 2), 0, 0).random() == first
    assert len({first, *(row_random(*given).random() for given in (([1], 0, 0), ([1, 2], 1, 0), ([1, 2], 0, 1)))}) == 4
