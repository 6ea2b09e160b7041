"""Which rows have to stay in one split, because one of them tells a model too much about the other."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

from text2sql_lightning.data.build.clean import CleanRow

_LARGEST_SHARE: Final = 0.05
_LARGEST_AT_LEAST: Final = 100


def row_groups(rows: Sequence[CleanRow], split_by: str) -> list[str]:
    """Name the group of each row: what has to stay in one split.

    Rows with the same set of tables, the same question, or the same query but for literals are always together. Rows
    that have a table in common (the other `group_keys`) are too, as long as the group they make is at most a
    twentieth of all rows: such links go on from row to row, and a few common words (`customers`, `products`) would
    tie many databases into one group. The rarest links are made first.

    Args:
        rows: The rows.
        split_by: `schema` for all of this; `row` keeps only rows that ask the same question together.

    Returns:
        A short hash for each row, the same whatever the order of the rows is.
    """
    forest = _Forest()
    for row in rows:
        forest.join(_firm_keys(row) if split_by == "schema" else [_question_key(row)])
    if split_by == "schema":
        _link_tables(rows, forest)
    return [_short_hash(forest.find(_question_key(row))) for row in rows]


def template_key(row: CleanRow) -> str:
    """Name a row's query without its literals, together with its tables."""
    return f"template {','.join(row.query.tables)} {row.query.canonical}"


def _question_key(row: CleanRow) -> str:
    return f"question {row.question_key}"


def _firm_keys(row: CleanRow) -> list[str]:
    return [*row.group_keys[:1], _question_key(row), template_key(row)]


class _Forest:
    """Sets of keys that grow together; a set is known by the first of its keys in the order of the alphabet."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def find(self, key: str) -> str:
        while (parent := self._parents.setdefault(key, key)) != key:
            self._parents[key] = self._parents[parent]
            key = parent
        return key

    def join(self, keys: Iterable[str]) -> str:
        first, *others = sorted({self.find(key) for key in keys})
        for other in others:
            self._parents[other] = first
        return first


def _link_tables(rows: Sequence[CleanRow], forest: _Forest) -> None:
    sizes = Counter(forest.find(_question_key(row)) for row in rows)
    largest = max(_LARGEST_AT_LEAST, int(len(rows) * _LARGEST_SHARE))
    linked: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for key in row.group_keys:
            linked[key].add(forest.find(_question_key(row)))
    for _, groups in sorted(linked.items(), key=lambda item: (len(item[1]), item[0])):
        roots = {forest.find(group) for group in groups}
        size = sum(sizes[root] for root in roots)
        if len(roots) > 1 and size <= largest:
            sizes[forest.join(roots)] = size


def _short_hash(key: str) -> str:
    return sha256(key.encode()).hexdigest()[:16]
