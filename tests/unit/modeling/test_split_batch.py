"""Halves of a batch: nothing lost, nothing twice, the same tokens in the same places."""

from typing import Any

import pytest
import torch

from text2sql_lightning.data.encoding import EncodedExample
from text2sql_lightning.data.packing import collate, collate_sequences, collate_shared_prefixes
from text2sql_lightning.modeling.micro_batches import split_batch

pytestmark = pytest.mark.unit


def example(name: str, prompt: list[int], completion: list[int]) -> EncodedExample:
    return EncodedExample(id=name, input_ids=(*prompt, *completion), prompt_length=len(prompt))


def plain(batch: dict[str, Any]) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, torch.Tensor) else value for name, value in batch.items()}


def test_rows_are_cut_at_their_width() -> None:
    short, long = example("a", [5, 6], [7, 2]), example("b", [5, 6, 9, 9], [8, 8, 2])
    halves = split_batch(collate([short, long], pad_token_id=0, pad_to_multiple_of=8))
    assert [plain(half) for half in halves] == [
        {"input_ids": [[5, 6, 7, 2]], "labels": [[-100, -100, 7, 2]]},
        {"input_ids": [[5, 6, 9, 9, 8, 8, 2]], "labels": [[-100, -100, -100, -100, 8, 8, 2]]},
    ]


def test_a_pack_keeps_what_each_half_follows() -> None:
    # [5] is shared by all, [5, 6] by the first two; the second has no prompt token of its own, nor has the first.
    pack = collate_shared_prefixes(
        [example("a", [5, 6], [8, 2]), example("b", [5, 6], [9, 2]), example("c", [5, 7, 7], [4, 2])]
    )
    assert pack["segments"] == [(1, ()), (1, (0,)), (2, (0, 1)), (2, (0, 1)), (4, (0,))]
    assert [plain(half) for half in split_batch(pack)] == [
        {
            "input_ids": [[5, 6, 8, 2]],
            "position_ids": [[0, 1, 2, 3]],
            "segments": [(1, ()), (1, (0,)), (2, (0, 1))],
            "target_positions": [1, 2],
            "target_ids": [8, 2],
        },
        {
            "input_ids": [[5, 6, 9, 2, 7, 7, 4, 2]],
            "position_ids": [[0, 1, 2, 3, 1, 2, 3, 4]],
            "segments": [(1, ()), (1, (0,)), (2, (0, 1)), (4, (0,))],
            "target_positions": [1, 2, 5, 6],
            "target_ids": [9, 2, 4, 2],
        },
    ]


@pytest.mark.parametrize("make", [collate_sequences, collate_shared_prefixes])
@pytest.mark.parametrize("seed", range(20))
def test_split_down_to_single_examples(make: Any, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def numbers(low: int, high: int, most: int) -> list[int]:
        count = int(torch.randint(1, most + 1, (), generator=generator))
        return torch.randint(low, high, (count,), generator=generator).tolist()

    examples = [example(str(i), [1, *numbers(3, 5, 3)], [*numbers(5, 9, 2)[1:], 2]) for i in range(7)]
    singles, waiting = [], [make(examples)]
    while waiting:
        batch = waiting.pop()
        parts = split_batch(batch)
        waiting += parts
        singles += [] if parts else [plain(batch)]
    found = sorted((batch["input_ids"][0], batch["target_ids"]) for batch in singles)
    assert found == sorted((list(one.input_ids), list(one.input_ids[one.prompt_length :])) for one in examples)
    for batch in singles:
        length, targets = len(batch["input_ids"][0]), len(batch["target_ids"])
        assert batch["position_ids"] == [list(range(length))]
        assert batch["target_positions"] == list(range(length - 1 - targets, length - 1))


def test_one_example_stays_whole() -> None:
    one = [example("a", [5, 6], [7, 2])]
    assert split_batch(collate(one, pad_token_id=0)) == []
    assert split_batch(collate_sequences(one)) == []
