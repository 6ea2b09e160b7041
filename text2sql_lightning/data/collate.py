"""Encoded examples -> tensors."""

from collections.abc import Sequence
from typing import Any

import torch

from text2sql_lightning.constants import IGNORE_INDEX
from text2sql_lightning.data.encoding import EncodedExample
from text2sql_lightning.data.packing import Pack, pack_sequences, pack_shared_prefixes


def collate(
    examples: Sequence[EncodedExample], pad_token_id: int, pad_to_multiple_of: int | None = None
) -> dict[str, Any]:
    """Stack examples of different length into one batch, padded on the right.

    Example, prompt ``[5, 6]``, completion ``[7, 2]`` and a second example of 3 tokens, pad 0::

        input_ids      [[5, 6, 7, 2], [5, 8, 2, 0]]
        attention_mask [[1, 1, 1, 1], [1, 1, 1, 0]]
        labels         [[-100, -100, 7, 2], [-100, 8, 2, -100]]

    Args:
        examples: At least one.
        pad_token_id: Fills `input_ids` behind shorter examples.
        pad_to_multiple_of: Round the width up to a multiple of this many tokens; a width that is one already stays.

    Returns:
        `input_ids`, `attention_mask` and `labels`, int64 of shape (batch, tokens), labels not shifted; `ids`, the
        records' ids; `num_tokens`, without padding; `num_target_tokens`, how many labels count.
    """
    width = max(len(example.input_ids) for example in examples)
    if pad_to_multiple_of:
        width = -(-width // pad_to_multiple_of) * pad_to_multiple_of
    input_ids = torch.full((len(examples), width), pad_token_id, dtype=torch.long)
    attention_mask = torch.zeros_like(input_ids)
    labels = torch.full_like(input_ids, IGNORE_INDEX)
    for row, example in enumerate(examples):
        length = len(example.input_ids)
        input_ids[row, :length] = torch.tensor(example.input_ids, dtype=torch.long)
        attention_mask[row, :length] = 1
        labels[row, example.prompt_length : length] = input_ids[row, example.prompt_length : length]
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "labels": labels,
        "ids": [example.id for example in examples],
        **_counts(examples),
    }


def collate_shared_prefixes(examples: Sequence[EncodedExample]) -> dict[str, Any]:
    """Pack examples into one row in which shared prefixes stand once; returns what `collate_pack` does."""
    return collate_pack(examples, pack_shared_prefixes(examples))


def collate_sequences(examples: Sequence[EncodedExample]) -> dict[str, Any]:
    """Pack examples into one row, one behind the other; returns what `collate_pack` does."""
    return collate_pack(examples, pack_sequences(examples))


def collate_pack(examples: Sequence[EncodedExample], pack: Pack) -> dict[str, Any]:
    """Make tensors of a pack.

    Args:
        examples: At least one.
        pack: The same examples, packed.

    Returns:
        `input_ids` and `position_ids`, int64 of shape (1, tokens); `segments`, length and ancestors of each, which say
        which tokens see which; `target_positions` and `target_ids`, int64 of shape (targets,); and `ids`, `num_tokens`
        and `num_target_tokens` as in `collate`.
    """
    return {
        "input_ids": torch.tensor([pack.input_ids]),
        "position_ids": torch.tensor([pack.position_ids]),
        "segments": pack.layout(),
        "target_positions": torch.tensor(pack.target_positions),
        "target_ids": torch.tensor(pack.target_ids),
        "ids": [example.id for example in examples],
        **_counts(examples),
    }


def _counts(examples: Sequence[EncodedExample]) -> dict[str, int]:
    return {
        "num_tokens": sum(len(example.input_ids) for example in examples),
        "num_target_tokens": sum(example.num_target_tokens for example in examples),
    }
