"""Which examples stand together in packs of limited size: first-fit-decreasing over windows, seeded.

`batching.plan_batches` fills batches by number, this one by tokens: steps then take even time and memory whatever the
lengths, and nothing is left empty but what no example fits into. Pure: lengths in, places out.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from statistics import fmean
from typing import Final

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
