"""Figures of each source of records, and which records can be scored by execution at all."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from text2sql_lightning.text.source_names import source_slug

T = TypeVar("T")

_EXECUTED_DIALECT: Final = "sqlite"


def is_executed(meta: Mapping[str, Any]) -> bool:
    """Tell whether a record's gold SQL can be executed here.

    Args:
        meta: The record's `meta`.

    Returns:
        False for a record of another dialect than SQLite's: execution accuracy is not available for it. It belongs
        in no denominator, and is counted.
    """
    return bool(meta.get("dialect", _EXECUTED_DIALECT) == _EXECUTED_DIALECT)


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


def figures_by_source(
    items: Iterable[T], source: Callable[[T], str], figures: Callable[[list[T]], Mapping[str, float]]
) -> dict[str, float]:
    """Give the figures of each source names of their own.

    Args:
        items: Verdicts or predictions.
        source: Gives the source of an item.
        figures: Gives the figures of some items, by name.

    Returns:
        `name/source-slug` -> figure, such as `execution_accuracy/shop.sqlite`; nothing where there is one source.
    """
    return {
        f"{name}/{slug}": value
        for slug, group in group_by_source(items, source).items()
        for name, value in figures(group).items()
    }
