"""Encoded examples -> tensors: padded, or several in one row without padding; and which ones fill such a row.

`collate_sequences` puts examples one behind the other, each for itself. `collate_shared_prefixes` makes the prefix tree
of their prompts, with the instruction and often the same schema, so that these are computed once. Either way loss and
gradients are those of the separate sequences, up to rounding.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from statistics import fmean
from typing import Any, Final

import torch

from text2sql_lightning.constants import IGNORE_INDEX
from text2sql_lightning.data.encoding import EncodedExample
from text2sql_lightning.text.prefix_tree import PrefixTree, Segment

Batch = dict[str, Any]
"""Tensors of a batch, and what else `collate` and `collate_pack` return."""


def collate(examples: Sequence[EncodedExample], pad_token_id: int) -> Batch:
    """Stack examples of different length into one batch, padded on the right.

    Example, prompt ``[5, 6]``, completion ``[7, 2]`` and a second example of 3 tokens, pad 0::

        input_ids      [[5, 6, 7, 2], [5, 8, 2, 0]]
        attention_mask [[1, 1, 1, 1], [1, 1, 1, 0]]
        labels         [[-100, -100, 7, 2], [-100, 8, 2, -100]]

    Returns:
        `input_ids`, `attention_mask` and `labels`, int64 of shape (batch, tokens), labels not shifted; `ids`, the
        records' ids; `num_tokens`, without padding; `num_target_tokens`, how many labels count.
    """
    width = max(len(example.input_ids) for example in examples)
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


@dataclass
class Pack(PrefixTree):
    """Some examples as one row, with the tokens that predict and what they predict.

    Example, prompts ``[5, 6]`` and ``[5, 7]``, completions ``[8, 2]`` and ``[9, 2]``, their prefix tree::

        input_ids         [5, 6, 8, 2, 7, 9, 2]
        position_ids      [0, 1, 2, 3, 1, 2, 3]
        target_positions  [1, 2, 4, 5]
        target_ids        [8, 2, 9, 2]
        layout()          [(1, ()), (3, (0,)), (3, (0,))]
    """

    target_positions: list[int] = field(default_factory=list)
    target_ids: list[int] = field(default_factory=list)

    def add_targets(self, example: EncodedExample, leaf: Segment) -> None:
        """Note the targets of an example that ends with a segment."""
        first = example.prompt_length - leaf.depth  # the first target's index in the leaf
        before = leaf if first else leaf.ancestors[-1]
        last_of_prompt = before.start + (first or before.length) - 1
        self.target_positions += [last_of_prompt, *range(leaf.start + first, leaf.start + leaf.length - 1)]
        self.target_ids += example.input_ids[example.prompt_length :]


def pack_sequences(examples: Sequence[EncodedExample]) -> Pack:
    """Lay examples out one behind the other, in their order; none sees another."""
    pack = Pack()
    for example in examples:
        pack.add_targets(example, pack.add(example.input_ids))
    return pack


def pack_shared_prefixes(examples: Sequence[EncodedExample]) -> Pack:
    """Lay examples out as a prefix tree. Only prompts are shared, never completions."""
    pack = Pack()
    ordered = sorted(examples, key=lambda example: (list(example.input_ids), example.id))
    for number, leaf in pack.grow([(example.input_ids, example.prompt_length) for example in ordered]):
        pack.add_targets(ordered[number], leaf)
    return pack


def collate_shared_prefixes(examples: Sequence[EncodedExample]) -> Batch:
    """Pack examples into one row with shared prefixes once; returns what `collate_pack` does."""
    return collate_pack(examples, pack_shared_prefixes(examples))


def collate_sequences(examples: Sequence[EncodedExample]) -> Batch:
    """Pack examples into one row, one behind the other; returns what `collate_pack` does."""
    return collate_pack(examples, pack_sequences(examples))


def collate_pack(examples: Sequence[EncodedExample], pack: Pack) -> Batch:
    """Make tensors of the pack of some examples.

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


WINDOW: Final = 25
"""Packs that are filled together: enough to find a place for everything, few enough to stay random."""


@dataclass
class _Bin:
    """A pack that is being filled, or examples that have to stay together."""

    members: list[int] = field(default_factory=list)
    tokens: int = 0
    groups: set[int] = field(default_factory=set)

    def add(self, other: "_Bin") -> None:
        self.members += other.members
        self.tokens += other.tokens
        self.groups |= other.groups


def plan_packs(
    lengths: Sequence[int],
    most_tokens: int,
    *,
    seed: int,
    epoch: int = 0,
    world_size: int = 1,
    rank: int = 0,
    groups: Sequence[int] | None = None,
) -> list[list[int]]:
    """Plan one epoch of training packs.

    Every example occurs once in an epoch over all ranks, and every rank gets the same number of packs; only where each
    pack holds a single example, up to `world_size - 1` of them are repeated for that.

    Example: lengths ``[6, 3, 4, 7]`` and 10 tokens give the packs ``[3, 1]`` and ``[0, 2]``, in seeded order.

    Args:
        lengths: Tokens of each example.
        most_tokens: Of a pack. A longer example is a pack of its own.
        seed: Together with `epoch`, from 0, it decides which examples meet.
        epoch: Likewise.
        world_size: Number of processes.
        rank: This process, from 0.
        groups: For shared-prefix packing: a number for each example, equal where examples begin alike. Those of a group
            are kept together, but take at most half of a pack; what they share is counted for each of them.

    Returns:
        Packs of indices into `lengths`, for this rank.
    """
    if not lengths:
        return []
    generator = random.Random(f"packs-{seed}-{epoch}")
    items = list(_items(lengths, most_tokens, groups, generator))
    generator.shuffle(items)
    window = max(1, round(WINDOW * most_tokens / fmean(item.tokens for item in items)))
    packs: list[_Bin] = []
    rest: list[_Bin] = []
    for start in range(0, len(items), window):
        filled = _first_fit_decreasing([*rest, *items[start : start + window]], most_tokens)
        # The emptiest one meets the next window.
        emptiest = min(filled, key=lambda pack: pack.tokens)
        rest = [emptiest] if start + window < len(items) else []
        packs += [pack for pack in filled if pack is not emptiest or not rest]
    steps = [pack.members for pack in packs]
    generator.shuffle(steps)
    return _for_all_ranks(steps, world_size)[rank::world_size]


def _first_fit_decreasing(items: Sequence[_Bin], most_tokens: int) -> list[_Bin]:
    """Put items, the largest first, each into the first pack where it fits and that has nothing of its groups."""
    packs: list[_Bin] = []
    for item in sorted(items, key=lambda item: -item.tokens):
        for pack in packs:
            if pack.tokens + item.tokens <= most_tokens and pack.groups.isdisjoint(item.groups):
                pack.add(item)
                break
        else:
            packs.append(_Bin(list(item.members), item.tokens, set(item.groups)))
    return packs


def _items(
    lengths: Sequence[int], most_tokens: int, groups: Sequence[int] | None, generator: random.Random
) -> Iterator[_Bin]:
    """What stays together: examples, or parts of groups that take up to half of a pack."""
    order = generator.sample(range(len(lengths)), len(lengths))
    if groups is None:
        yield from (_Bin([index], lengths[index]) for index in order)
        return
    open_parts: dict[int, _Bin] = {}
    for index in order:
        group, one = groups[index], _Bin([index], lengths[index], {groups[index]})
        part = open_parts.get(group)
        if part is not None and part.tokens + one.tokens <= most_tokens // 2:
            part.add(one)
            continue
        if part is not None:
            yield part
        open_parts[group] = one
    yield from open_parts.values()


def _for_all_ranks(packs: list[list[int]], world_size: int) -> list[list[int]]:
    """Halve the packs of most examples until every rank gets the same number of packs."""
    packs = list(packs)
    while len(packs) % world_size:
        place = max(range(len(packs)), key=lambda number: len(packs[number]))
        members = packs[place]
        if len(members) == 1:
            return packs + list(islice(cycle(packs), -len(packs) % world_size))
        packs[place] = members[: len(members) // 2]
        packs.append(members[len(members) // 2 :])
    return packs
