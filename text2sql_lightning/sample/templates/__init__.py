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
    Template(rows.everything, 5),
    Template(rows.lookup, 14),
    Template(rows.filtered, 30),
    Template(rows.filtered_columns, 19),
    Template(rows.filtered_twice, 15),
    Template(rows.filtered_either, 4),
    Template(rows.filtered_one_of, 4),
    Template(rows.filtered_like, 5),
    Template(rows.filtered_between, 4),
    Template(rows.filtered_not, 3),
    Template(rows.filtered_missing, 24),
    Template(rows.filtered_in_year, 6),
    Template(rows.distinct, 4),
    Template(numbers.count, 2),
    Template(numbers.count_filtered, 18),
    Template(numbers.count_filtered_twice, 8),
    Template(numbers.count_distinct, 4),
    Template(numbers.one_aggregate, 11),
    Template(numbers.aggregate_filtered, 14),
    Template(numbers.two_aggregates, 4),
    Template(order.sorted_rows, 8),
    Template(order.top_row, 14),
    Template(order.top_filtered_row, 6),
    Template(order.top_rows, 6),
    Template(groups.count_per_group, 18),
    Template(groups.aggregate_per_group, 11),
    Template(groups.groups_with_count, 6),
    Template(groups.largest_group, 12),
    Template(nested.against_average, 11),
    Template(nested.without_children, 10),
    Template(nested.with_some_child, 11),
    Template(nested.average_count, 4),
    Template(sets.in_both, 4),
    Template(sets.in_one_only, 5),
    Template(sets.in_either, 7),
    Template(joins.child_with_parent, 26),
    Template(joins.child_of_parents, 70),
    Template(joins.parent_of_child, 44),
    Template(joins.count_children, 25),
    Template(joins.aggregate_children, 20),
    Template(joins.distinct_parents, 3),
    Template(joins.parent_of_top_child, 10),
    Template(joined_groups.count_per_parent, 20),
    Template(joined_groups.aggregate_per_parent, 10),
    Template(joined_groups.parents_with_count, 6),
    Template(joined_groups.parent_with_most, 7),
    Template(joined_groups.count_including_none, 4),
    Template(chains.through_bridge, 40),
)
"""Every template; one that a domain has no table for is left out there."""
