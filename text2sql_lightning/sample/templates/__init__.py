"""The question templates: each makes a question and its query from a domain, and has a name and a weight."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from text2sql_lightning.sample.pen import Draft, Pen
from text2sql_lightning.sample.templates import chains, groups, joined_groups, joins, nested, numbers, order, rows, sets


@dataclass(frozen=True)
class Template:
    """A way to make a draft, and how often it is used compared with the others."""

    make: Callable[[Pen], Draft]
    weight: int

    @property
    def name(self) -> str:
        """The construct's name, as it stands in the rows."""
        return self.make.__name__


TEMPLATES: Final = (
    Template(rows.everything, 4),
    Template(rows.lookup, 6),
    Template(rows.filtered, 11),
    Template(rows.filtered_twice, 5),
    Template(rows.filtered_either, 3),
    Template(rows.filtered_one_of, 3),
    Template(rows.filtered_like, 4),
    Template(rows.filtered_between, 4),
    Template(rows.filtered_not, 2),
    Template(rows.filtered_missing, 9),
    Template(rows.filtered_in_year, 5),
    Template(rows.distinct, 4),
    Template(numbers.count, 3),
    Template(numbers.count_filtered, 6),
    Template(numbers.count_distinct, 4),
    Template(numbers.one_aggregate, 7),
    Template(numbers.two_aggregates, 3),
    Template(numbers.count_and_average, 2),
    Template(numbers.spread, 1),
    Template(order.sorted_rows, 6),
    Template(order.top_row, 5),
    Template(order.top_rows, 5),
    Template(groups.count_per_group, 6),
    Template(groups.aggregate_per_group, 5),
    Template(groups.count_per_year, 4),
    Template(groups.groups_with_count, 3),
    Template(groups.groups_with_average, 2),
    Template(groups.largest_group, 3),
    Template(groups.best_group, 2),
    Template(groups.above_overall, 2),
    Template(nested.against_average, 4),
    Template(nested.against_row, 3),
    Template(nested.same_as_row, 2),
    Template(nested.without_children, 5),
    Template(nested.with_some_child, 4),
    Template(nested.average_count, 2),
    Template(sets.in_both, 4),
    Template(sets.in_one_only, 2),
    Template(sets.in_either, 6),
    Template(joins.child_with_parent, 8),
    Template(joins.child_of_parents, 9),
    Template(joins.parent_of_child, 7),
    Template(joins.distinct_parents, 4),
    Template(joins.count_children, 6),
    Template(joins.aggregate_children, 5),
    Template(joins.parent_of_top_child, 4),
    Template(joins.top_children, 4),
    Template(joined_groups.count_per_parent, 6),
    Template(joined_groups.aggregate_per_parent, 5),
    Template(joined_groups.count_per_parent_group, 3),
    Template(joined_groups.aggregate_per_parent_group, 3),
    Template(joined_groups.parents_with_count, 4),
    Template(joined_groups.parents_with_average, 3),
    Template(joined_groups.parent_with_most, 5),
    Template(joined_groups.parent_with_best, 3),
    Template(joined_groups.count_including_none, 2),
    Template(chains.through_bridge, 16),
    Template(chains.bridge_listing, 6),
    Template(chains.along_chain, 16),
    Template(chains.count_along_chain, 5),
)
"""Every template; one that a domain has no table for is left out there."""
