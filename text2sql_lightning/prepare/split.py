"""Divide rows into train, val and test so that no schema, no question and no query is in two of them; mix train's."""

from array import array
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Final, TypeAlias

from text2sql_lightning.constants import HARDNESS
from text2sql_lightning.errors import DataError
from text2sql_lightning.prepare.settings import BuildSettings, MixWeight, match_weights
from text2sql_lightning.prepare.store import KeptRows, Lists

SPLITS: Final = ("train", "val", "test")

Kind: TypeAlias = tuple[tuple[str, int], ...]
"""How many rows of each hardness a group has, by the names of hardness in their order."""

_LARGEST_PART: Final = 0.1
"""A group may be this part of val or test; or `_USUAL_GROUPS` times the mean group where that is more."""

_USUAL_GROUPS: Final = 4
_LARGEST_SHARE: Final = 0.05
_LARGEST_AT_LEAST: Final = 100


def row_groups(rows: KeptRows, split_by: str, counts: Sequence[int] | None = None) -> "array[int]":
    """Find the group of each row: what has to stay in one split.

    Rows with the same set of tables, the same question, or the same query but for literals are always together. Rows
    that have a table in common (the other `group_keys`) are too, as long as the group they make is at most a
    twentieth of all rows: such links go on from row to row, and a few common words (`customers`, `products`) would
    tie many databases into one group. The rarest links are made first.

    Args:
        rows: The rows.
        split_by: `schema` for all of this; `row` keeps only rows that ask the same question together.
        counts: How often each row counts; 0 leaves it out. Each counts once when None.

    Returns:
        For each row the number of the first key of its group; `group_name` names it.
    """
    counts = counts or bytes([1]) * len(rows)
    forest = _Forest(len(rows.hashes))
    if split_by == "schema":
        for place, count in enumerate(counts):
            if count:
                forest.join((rows.tables[place], rows.question[place], rows.template[place]))
        _link_tables(rows, counts, forest)
    return array("I", map(forest.find, rows.question))


def group_name(rows: KeptRows, group: int) -> str:
    """Return a group's name, a short hash: the same whatever the order of the rows is."""
    return f"{rows.hashes[group]:016x}"


class _Forest:
    """Disjoint sets of keys (union-find); a set is known by the first of its keys in the order of the alphabet."""

    def __init__(self, size: int) -> None:
        self._parents = array("I", range(size))

    def find(self, key: int) -> int:
        parents = self._parents
        while (parent := parents[key]) != key:
            parents[key] = parents[parent]
            key = parent
        return key

    def join(self, keys: Iterable[int]) -> int:
        first, *others = sorted({self.find(key) for key in keys})
        for other in others:
            self._parents[other] = first
        return first


def _link_tables(rows: KeptRows, counts: Sequence[int], forest: _Forest) -> None:
    sizes = array("I", bytes(4 * len(rows.hashes)))
    for place, count in enumerate(counts):
        sizes[forest.find(rows.question[place])] += count
    largest = max(_LARGEST_AT_LEAST, int(sum(counts) * _LARGEST_SHARE))
    linked = Lists()
    for at in range(len(rows.links)):
        groups = {forest.find(rows.question[place]) for place in rows.links[at] if counts[place]}
        if len(groups) > 1:
            linked.add(groups)
    # Links are in the order of the alphabet, which decides between those that are as rare.
    for at in sorted(range(len(linked)), key=lambda at: len(linked[at])):
        roots = {forest.find(group) for group in linked[at]}
        size = sum(sizes[root] for root in roots)
        if len(roots) > 1 and size <= largest:
            sizes[forest.join(roots)] = size


def split_rows(rows: KeptRows, groups: Sequence[int], settings: BuildSettings) -> dict[str, "array[int]"]:
    """Divide rows.

    Args:
        rows: The rows in any order.
        groups: The group of each row, as `row_groups` finds it.
        settings: Ratios and seed.

    Returns:
        The places of each split's rows, in a seeded order. Val and test have about the same share of each hardness as
        all rows have.

    Raises:
        DataError: A split that should have rows gets none.
    """
    found = _Groups(rows, groups)
    assigned = _assign(found, settings)
    splits: dict[str, array[int]] = {}
    ordered = rows.in_order()
    for number, split in enumerate(SPLITS):
        splits[split] = array("I", (at for at in ordered if assigned[found.number[groups[at]]] == number))
        Random(f"{settings.seed} order {split}").shuffle(splits[split])
    _check_sizes(splits, settings, len(found))
    return splits


class _Groups:
    """Groups, numbered in the order of their names, and how many rows of each hardness they have.

    Attributes:
        number: The number of each group by the key that names it.
        kind: For each group a place in `kinds`.
        kinds: Numbers of rows by hardness; few differ.
    """

    def __init__(self, rows: KeptRows, groups: Sequence[int]) -> None:
        import numpy as np

        found = np.unique(np.asarray(groups))
        roots = found[np.argsort(np.asarray(rows.hashes)[found])].tolist()
        self.number = array("I", bytes(4 * len(rows.hashes)))
        for number, root in enumerate(roots):
            self.number[root] = number
        counts = [array("I", bytes(4 * len(roots))) for _ in HARDNESS]
        for place, group in enumerate(groups):
            counts[rows.hardness[place]][self.number[group]] += 1
        numbers: dict[Kind, int] = {}
        self.kind = array("I")
        for of_group in zip(*counts, strict=True):
            kind = tuple(sorted((level, count) for level, count in zip(HARDNESS, of_group, strict=True) if count))
            self.kind.append(numbers.setdefault(kind, len(numbers)))
        self.kinds = [Counter(dict(kind)) for kind in numbers]

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, group: int) -> Counter[str]:
        return self.kinds[self.kind[group]]


def _assign(groups: _Groups, settings: BuildSettings) -> bytearray:
    """Return the split of each group, a place in `SPLITS`.

    Test, then val, get groups in a seeded order until they have their share of the rows of each hardness. A group that
    would be a large part of a split goes to train, or the split's figures would be those of one schema.
    """
    levels = Counter[str]()
    for group in range(len(groups)):
        levels.update(groups[group])
    total = levels.total()
    order = list(range(len(groups)))
    Random(f"{settings.seed} split").shuffle(order)
    # Rare rows are in large groups, which do not fit later on.
    rarest = [min(levels[level] for level in kind) for kind in groups.kinds]
    order.sort(key=lambda group: rarest[groups.kind[group]])
    usual = _USUAL_GROUPS * total / len(groups)
    assigned = bytearray(len(groups))
    for split, ratio in (("test", settings.test_ratio), ("val", settings.val_ratio)):
        size = max(1, round(total * ratio)) if ratio else 0
        largest = max(size * _LARGEST_PART, usual)
        free = [group for group in order if not assigned[group] and groups[group].total() <= largest]
        wanted = {level: count * ratio for level, count in levels.items()}
        for group in _choose(groups, free, wanted, size):
            assigned[group] = SPLITS.index(split)
    _fill_empty(assigned, groups, order, settings)
    return assigned


def _choose(groups: _Groups, free: Sequence[int], wanted: Mapping[str, float], size: int) -> list[int]:
    """Choose groups so that their rows are at most `size`, and of each hardness as many as wanted."""
    missing = dict(wanted)
    chosen: list[int] = []
    left: dict[Kind, deque[int]] = defaultdict(deque)

    def choose(group: int) -> int:
        chosen.append(group)
        for level, count in groups[group].items():
            missing[level] -= count
        return groups[group].total()

    for group in free:
        counts = groups[group]
        if counts.total() <= size and all(count <= missing[level] + 0.5 for level, count in counts.items()):
            size -= choose(group)
        else:
            left[tuple(counts.items())].append(group)
    while fitting := [kind for kind, names in left.items() if names and groups[names[0]].total() <= size]:
        best = max(fitting, key=lambda kind: (_gain(dict(kind), missing, wanted), kind))
        size -= choose(left[best].popleft())
    return chosen


def _gain(counts: Mapping[str, int], missing: Mapping[str, float], wanted: Mapping[str, float]) -> float:
    """Return how much nearer to the wanted numbers a group brings: the fall of the squared distance, relative."""
    return sum(
        (missing[level] ** 2 - (missing[level] - count) ** 2) / max(wanted[level], 1.0)
        for level, count in counts.items()
    )


def _fill_empty(assigned: bytearray, groups: _Groups, order: Sequence[int], settings: BuildSettings) -> None:
    """Where every group is larger than a split, which happens with few rows, give it the smallest."""
    for split, ratio in (("val", settings.val_ratio), ("test", settings.test_ratio)):
        train = [group for group in order if not assigned[group]]
        if ratio and SPLITS.index(split) not in assigned and len(train) > 1:
            assigned[min(train, key=lambda group: groups[group].total())] = SPLITS.index(split)


def _check_sizes(splits: Mapping[str, Sequence[int]], settings: BuildSettings, groups: int) -> None:
    wanted: dict[str, float] = {"train": 1, "val": settings.val_ratio, "test": settings.test_ratio}
    for split in SPLITS:
        if wanted[split] and not splits[split]:
            raise DataError(
                f"no rows for {split}: {sum(map(len, splits.values()))} rows in {groups} groups cannot be divided with "
                f"--val_ratio {settings.val_ratio} --test_ratio {settings.test_ratio}; give more rows, other ratios "
                "(0 leaves a split empty) or --split_by row"
            )


def mix_rows(places: "array[int]", rows: KeptRows, weights: Sequence[MixWeight], seed: int) -> "array[int]":
    """Sample training rows so that each source has its share.

    As many rows are kept as the shares allow: the source that has the fewest for its share keeps all it has, times
    its `repeat`, and the others are sampled down to it.

    Args:
        places: The places of the training rows of all sources, in a seeded order.
        rows: All rows.
        weights: One for each source; none leaves the rows as they are.
        seed: Decides what is sampled and the order of repeated rows.

    Returns:
        The places of the rows to train on. Without repeats their order is kept.

    Raises:
        ConfigError: A weight names no source, or a source has no weight.
    """
    if not weights:
        return places
    of_source: dict[str, array[int]] = {}
    for at, place in enumerate(places):
        of_source.setdefault(rows.sources[rows.source[place]], array("I")).append(at)
    chosen = match_weights(weights, of_source)
    scale = min(len(of_source[source]) * weight.repeat / weight.weight for source, weight in chosen.items())
    kept: list[int] = []
    for source, weight in sorted(chosen.items()):
        # Each row as often as any other, or once more.
        whole, rest = divmod(max(1, int(scale * weight.weight + 1e-9)), len(of_source[source]))
        kept += list(of_source[source]) * whole + Random(f"{seed} mix {source}").sample(of_source[source], rest)
    if len(set(kept)) < len(kept):
        Random(f"{seed} mix order").shuffle(kept)
    else:
        kept.sort()
    return array("I", (places[at] for at in kept))
