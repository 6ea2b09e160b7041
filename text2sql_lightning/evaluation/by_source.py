"""Verdicts grouped by the source of their records, so that each source gets figures of its own."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from text2sql_lightning.text.source_names import source_slug

T = TypeVar("T")


def group_by_source(items: Iterable[T], source: Callable[[T], str]) -> dict[str, list[T]]:
    """Group verdicts, predictions or records by source.

    Args:
        items: What to group.
        source: Gives the source of an item, as records carry it.

    Returns:
        The items of each source in their order, by the source's slug (`text.source_names`), slugs sorted; nothing where
        all items are of one source, whose figures are those of the whole.
    """
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(source_slug(source(item)), []).append(item)
    return dict(sorted(groups.items())) if len(groups) > 1 else {}
