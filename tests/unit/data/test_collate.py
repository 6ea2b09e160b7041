from array import array

import pytest
import torch

from text2sql_lightning.data.encoding import EncodedExample
from text2sql_lightning.data.packing import collate

pytestmark = pytest.mark.unit


def example(id: str, ids: list[int], prompt_length: int) -> EncodedExample:
    return EncodedExample(id, array("i", ids), prompt_length)


def test_the_example_of_the_docstring() -> None:
    batch = collate([example("a", [5, 6, 7, 2], 2), example("b", [5, 8, 2], 1)], pad_token_id=0)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 2], [5, 8, 2, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert batch["labels"].tolist() == [[-100, -100, 7, 2], [-100, 8, 2, -100]]
    assert batch["ids"] == ["a", "b"]
    assert batch["num_target_tokens"] == 4
    assert {batch[key].dtype for key in ("input_ids", "attention_mask", "labels")} == {torch.int64}


def test_a_real_token_that_equals_pad_keeps_its_label() -> None:
    batch = collate([example("a", [0, 9, 0, 2], 1), example("b", [4, 2], 1)], pad_token_id=0)
    assert batch["labels"].tolist() == [[-100, 9, 0, 2], [-100, 2, -100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]


def test_without_a_multiple_the_longest_decides() -> None:
    batch = collate([example("a", [3] * 7, 3), example("b", [3] * 5, 3)], pad_token_id=1)
    assert batch["input_ids"].shape == (2, 7)
    assert int((batch["labels"] != -100).sum()) == batch["num_target_tokens"] == 6
