"""Divide rows into train, val and test so that no schema and no question stands in two of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from hashlib import sha256
from random import Random
from typing import Final

from text2sql_lightning.data.build.clean import CleanRow
from text2sql_lightning.data.build.settings import BuildSettings
from text2sql_lightning.errors import DataError

SPLITS: Final = ("train", "val", "test")

_LARGEST_PART: Final = 0.1
"""A group may be this part of val or test; or `_USUAL_GROUPS` times the mean group where that is more."""

_USUAL_GROUPS: Final = 4


def split_rows(rows: Sequence[CleanRow], settings: BuildSettings) -> dict[str, list[CleanRow]]:
    """Divide rows.

    Args:
        rows: The rows in any order.
        settings: Ratios, seed, and whether rows of a schema stay together.

    Returns:
        The rows of each split, each in a seeded order.

    Raises:
        DataError: A split that should have rows gets none.
    """
    groups: dict[str, list[CleanRow]] = defaultdict(list)
    for row, group in zip(rows, row_groups(rows, settings.split_by), strict=True):
        groups[group].append(row)
    assigned = _assign({group: len(members) for group, members in groups.items()}, settings)
    splits: dict[str, list[CleanRow]] = {}
    for split in SPLITS:
        members = [row for group, split_of in assigned.items() if split_of == split for row in groups[group]]
        members.sort(key=lambda row: row.row.index)
        Random(f"{settings.seed} order {split}").shuffle(members)
        splits[split] = members
    _check_sizes(splits, settings, len(groups))
    return splits


def row_groups(rows: Sequence[CleanRow], split_by: str) -> list[str]:
    """Name the group of each row: what has to stay in one split.

    Args:
        rows: The rows.
        split_by: `schema` keeps rows on the same tables together, and always rows that ask the same question;
            `row` only the latter.

    Returns:
        A short hash for each row.
    """
    parents: dict[str, str] = {}

    def find(key: str) -> str:
        while (parent := parents.setdefault(key, key)) != key:
            parents[key] = parents[parent]
            key = parent
        return key

    keys = [(*(row.group_keys if split_by == "schema" else ()), f"question {row.question_key}") for row in rows]
    for first, *others in keys:
        for other in others:
            smaller, larger = sorted((find(first), find(other)))
            parents[larger] = smaller
    return [sha256(find(first).encode()).hexdigest()[:16] for first, *_ in keys]


def _assign(sizes: Mapping[str, int], settings: BuildSettings) -> dict[str, str]:
    """Fill test, then val, with groups in a seeded order; a group that does not fit goes on to the next split.

    A group that would be a large part of a split goes to train, or the split's figures would be those of one schema.
    """
    total = sum(sizes.values())
    order = sorted(sizes)
    Random(f"{settings.seed} split").shuffle(order)
    room: dict[str, int] = {
        "test": _share(total, settings.test_ratio),
        "val": _share(total, settings.val_ratio),
        "train": total,
    }
    usual = _USUAL_GROUPS * total / len(sizes)
    largest = {name: max(room[name] * _LARGEST_PART, usual) for name in ("test", "val")} | {"train": total}
    assigned: dict[str, str] = {}
    for group in order:
        split = next(name for name in room if sizes[group] <= min(room[name], largest[name]))
        room[split] -= sizes[group]
        assigned[group] = split
    _fill_empty(assigned, sizes, settings)
    return assigned


def _fill_empty(assigned: dict[str, str], sizes: Mapping[str, int], settings: BuildSettings) -> None:
    """Where every group is larger than a split, which happens with few rows, give it the smallest."""
    for split, ratio in (("val", settings.val_ratio), ("test", settings.test_ratio)):
        train = [group for group, name in assigned.items() if name == "train"]
        if ratio and split not in assigned.values() and len(train) > 1:
            assigned[min(train, key=sizes.__getitem__)] = split


def _share(total: int, ratio: float) -> int:
    return max(1, round(total * ratio)) if ratio else 0


def _check_sizes(splits: Mapping[str, Sequence[CleanRow]], settings: BuildSettings, groups: int) -> None:
    wanted: dict[str, float] = {"train": 1, "val": settings.val_ratio, "test": settings.test_ratio}
    for split in SPLITS:
        if wanted[split] and not splits[split]:
            raise DataError(
                f"no rows for {split}: {sum(map(len, splits.values()))} rows in {groups} groups cannot be divided with "
                f"--val_ratio {settings.val_ratio} --test_ratio {settings.test_ratio}; give more rows, other ratios "
                "(0 leaves a split empty) or --split_by row"
            )
