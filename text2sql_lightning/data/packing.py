"""Packing: several examples in one row without padding; what they begin with can stand there once.

`pack_sequences` puts examples one behind the other, each for itself. `pack_shared_prefixes` goes further: under a
causal mask the hidden state of a token depends on the tokens before it alone, so examples that begin alike, with the
instruction and often the same schema, can share those states. A pack is then the prefix tree of its examples, each
segment attends to its ancestors and to itself, and positions count from the root. Either way loss and gradients are
those of the separate sequences, up to rounding.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, groupby, islice
from statistics import fmean
from typing import Final

from text2sql_lightning.data.encoding import EncodedExample


@dataclass(frozen=True)
class Segment:
    """A run of tokens of a pack that belong together.

    Attributes:
        number: Its place among the segments of the pack.
        start: Place of its first token in the pack.
        length: Tokens.
        depth: Position of its first token in the sequences that it is part of.
        ancestors: The segments before it, from the root.
    """

    number: int
    start: int
    length: int
    depth: int
    ancestors: tuple["Segment", ...]


@dataclass
class Pack:
    """The prefix tree of some examples, laid out flat.

    Example, prompts ``[5, 6]`` and ``[5, 7]``, completions ``[8, 2]`` and ``[9, 2]``::

        input_ids         [5, 6, 8, 2, 7, 9, 2]
        position_ids      [0, 1, 2, 3, 1, 2, 3]
        target_positions  [1, 2, 4, 5]      the tokens that predict
        target_ids        [8, 2, 9, 2]      what they predict
        lengths and ancestors of its segments: (1, ()), (3, (0,)), (3, (0,))
    """

    input_ids: list[int] = field(default_factory=list)
    position_ids: list[int] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    target_positions: list[int] = field(default_factory=list)
    target_ids: list[int] = field(default_factory=list)

    def add_segment(self, ids: Sequence[int], ancestors: tuple[Segment, ...]) -> Segment:
        """Append tokens that follow their ancestors."""
        depth = ancestors[-1].depth + ancestors[-1].length if ancestors else 0
        segment = Segment(len(self.segments), len(self.input_ids), len(ids), depth, ancestors)
        self.input_ids += ids
        self.position_ids += range(depth, depth + len(ids))
        self.segments.append(segment)
        return segment

    def layout(self) -> list[tuple[int, tuple[int, ...]]]:
        """Give each segment's length and the numbers of its ancestors: who sees whom."""
        return [(part.length, tuple(ancestor.number for ancestor in part.ancestors)) for part in self.segments]


def pack_sequences(examples: Sequence[EncodedExample]) -> Pack:
    """Lay examples out one behind the other, in their order; none sees another."""
    pack = Pack()
    for example in examples:
        _add_leaf(pack, example, 0, ())
    return pack


def pack_shared_prefixes(examples: Sequence[EncodedExample]) -> Pack:
    """Lay examples out as a prefix tree. Only prompts are shared; every completion stands for itself."""
    pack = Pack()
    _grow(pack, sorted(examples, key=lambda example: (list(example.input_ids), example.id)), ())
    return pack


def _grow(pack: Pack, examples: Sequence[EncodedExample], ancestors: tuple[Segment, ...]) -> None:
    """Add the subtree of examples that are alike up to the end of their ancestors."""
    depth = ancestors[-1].depth + ancestors[-1].length if ancestors else 0
    if len(examples) == 1:
        _add_leaf(pack, examples[0], depth, ancestors)
        return
    shared = common_prefix_length(examples)
    if shared > depth:
        ancestors = (*ancestors, pack.add_segment(list(examples[0].input_ids[depth:shared]), ancestors))
    ended = [example for example in examples if example.prompt_length == shared]
    for example in ended:
        _add_leaf(pack, example, shared, ancestors)
    going_on = [example for example in examples if example.prompt_length > shared]
    for _, branch in groupby(going_on, key=lambda example: example.input_ids[shared]):
        _grow(pack, list(branch), ancestors)


def _add_leaf(pack: Pack, example: EncodedExample, depth: int, ancestors: tuple[Segment, ...]) -> None:
    leaf = pack.add_segment(list(example.input_ids[depth:]), ancestors)
    first = example.prompt_length - depth  # place of the first target in the leaf
    last_of_prompt = leaf.start + first - 1 if first else ancestors[-1].start + ancestors[-1].length - 1
    pack.target_positions += [last_of_prompt, *range(leaf.start + first, leaf.start + leaf.length - 1)]
    pack.target_ids += example.input_ids[example.prompt_length :]


def common_prefix_length(examples: Sequence[EncodedExample]) -> int:
    """Count the prompt tokens that all examples begin with; `examples` are sorted by their ids."""
    first, last = examples[0].input_ids, examples[-1].input_ids
    limit = min(example.prompt_length for example in examples)
    return next((place for place in range(limit) if first[place] != last[place]), limit)


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
        seed: Together with `epoch` it decides which examples meet.
        epoch: From 0.
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
        filled = first_fit_decreasing([*rest, *items[start : start + window]], most_tokens)
        # The emptiest one meets the next window.
        emptiest = min(filled, key=lambda pack: pack.tokens)
        rest = [emptiest] if start + window < len(items) else []
        packs += [pack for pack in filled if pack is not emptiest or not rest]
    steps = [pack.members for pack in packs]
    generator.shuffle(steps)
    return _for_all_ranks(steps, world_size)[rank::world_size]


def first_fit_decreasing(items: Sequence[_Bin], most_tokens: int) -> list[_Bin]:
    """Put items, the largest first, each into the first pack that has room and nothing of its groups."""
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
    """Give what stays together: examples, or parts of groups that take up to half of a pack."""
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
    """Halve the packs of most examples until each rank gets as many packs as the others."""
    packs = list(packs)
    while len(packs) % world_size:
        place = max(range(len(packs)), key=lambda number: len(packs[number]))
        members = packs[place]
        if len(members) == 1:
            return packs + list(islice(cycle(packs), -len(packs) % world_size))
        packs[place] = members[: len(members) // 2]
        packs.append(members[len(members) // 2 :])
    return packs
