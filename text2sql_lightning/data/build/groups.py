"""Which rows have to stay in one split, because one of them tells a model too much about the other."""

from array import array
from collections.abc import Iterable, Sequence
from typing import Final

from text2sql_lightning.data.build.kept import KeptRows, Lists

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
    """Give a group's name, a short hash: the same whatever the order of the rows is."""
    return f"{rows.hashes[group]:016x}"


class _Forest:
    """Sets of keys that grow together; a set is known by the first of its keys in the order of the alphabet."""

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
