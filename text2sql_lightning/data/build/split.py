"""Divide rows into train, val and test so that no schema, no question and no query stands in two of them."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from text2sql_lightning.data.build.clean import CleanRow
from text2sql_lightning.data.build.groups import row_groups
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
        The rows of each split, each in a seeded order. Val and test have about the same share of each hardness as all
        rows have.

    Raises:
        DataError: A split that should have rows gets none.
    """
    groups: dict[str, list[CleanRow]] = defaultdict(list)
    for row, group in zip(rows, row_groups(rows, settings.split_by), strict=True):
        groups[group].append(row)
    assigned = _assign({group: Counter(row.hardness for row in members) for group, members in groups.items()}, settings)
    splits: dict[str, list[CleanRow]] = {}
    for split in SPLITS:
        members = [row for group, split_of in assigned.items() if split_of == split for row in groups[group]]
        members.sort(key=lambda row: (row.row.source, row.row.index))
        Random(f"{settings.seed} order {split}").shuffle(members)
        splits[split] = members
    _check_sizes(splits, settings, len(groups))
    return splits


def _assign(groups: Mapping[str, Counter[str]], settings: BuildSettings) -> dict[str, str]:
    """Give test, then val, groups in a seeded order until it has its share of the rows of each hardness.

    A group that would be a large part of a split goes to train, or the split's figures would be those of one schema.
    """
    levels = Counter[str]()
    for counts in groups.values():
        levels.update(counts)
    total = levels.total()
    order = sorted(groups)
    Random(f"{settings.seed} split").shuffle(order)
    # Rare rows stand in large groups, which find no room later on.
    order.sort(key=lambda group: min(levels[level] for level in groups[group]))
    usual = _USUAL_GROUPS * total / len(groups)
    assigned = dict.fromkeys(order, "train")
    for split, ratio in (("test", settings.test_ratio), ("val", settings.val_ratio)):
        room = _share(total, ratio)
        largest = max(room * _LARGEST_PART, usual)
        free = [group for group in order if assigned[group] == "train" and groups[group].total() <= largest]
        wanted = {level: count * ratio for level, count in levels.items()}
        assigned |= dict.fromkeys(_choose({group: groups[group] for group in free}, wanted, room), split)
    _fill_empty(assigned, {group: counts.total() for group, counts in groups.items()}, settings)
    return assigned


def _choose(groups: Mapping[str, Counter[str]], wanted: Mapping[str, float], room: int) -> list[str]:
    """Choose groups so that their rows are as many as there is room for, and of each hardness as many as wanted."""
    missing = dict(wanted)
    chosen: list[str] = []
    left: dict[tuple[tuple[str, int], ...], list[str]] = defaultdict(list)

    def take(name: str) -> int:
        chosen.append(name)
        for level, count in groups[name].items():
            missing[level] -= count
        return groups[name].total()

    for name, counts in groups.items():
        if counts.total() <= room and all(count <= missing[level] + 0.5 for level, count in counts.items()):
            room -= take(name)
        else:
            left[tuple(sorted(counts.items()))].append(name)
    while fitting := [kind for kind, names in left.items() if names and groups[names[0]].total() <= room]:
        best = max(fitting, key=lambda kind: (_gain(dict(kind), missing, wanted), kind))
        room -= take(left[best].pop(0))
    return chosen


def _gain(counts: Mapping[str, int], missing: Mapping[str, float], wanted: Mapping[str, float]) -> float:
    """Tell how much nearer to the wanted numbers a group brings: the fall of the squared distance, relative."""
    return sum(
        (missing[level] ** 2 - (missing[level] - count) ** 2) / max(wanted[level], 1.0)
        for level, count in counts.items()
    )


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
