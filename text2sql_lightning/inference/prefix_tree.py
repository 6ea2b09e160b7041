"""Prompts that begin alike, read once: their layout and its attention mask, and which prompts are read together.

Prompts share the instruction always and the schema often. Sorted, those that begin alike are neighbours.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

import torch
from torch import Tensor

from text2sql_lightning.text.prefix_tree import Ids, PrefixTree, common_prefix_length


@dataclass
class Layout(PrefixTree):
    """Some prompts as one sequence; what comes before `depth` is in a cache already, and every token sees it.

    Example, prompts ``[5, 6, 8]`` and ``[5, 7]`` with depth 0::

        input_ids     [5, 6, 8, 7]
        position_ids  [0, 1, 2, 1]
        paths         [[0, 1, 2], [0, 3]]     the indices of the tokens of each prompt, from `depth` on
    """

    paths: list[list[int]] = field(default_factory=list)

    def allowed(self) -> Tensor:
        """Return the attention mask: bool, (tokens, depth + tokens), rows attend to columns."""
        size = len(self.input_ids)
        allowed = torch.zeros(size, self.depth + size, dtype=torch.bool)
        allowed[:, : self.depth] = True
        for segment in self.segments:
            rows = slice(segment.start, segment.start + segment.length)
            for part in (*segment.ancestors, segment):
                allowed[rows, self.depth + part.start : self.depth + part.start + part.length] = True
            allowed[rows, self.depth + segment.start : self.depth + rows.stop].tril_()
        return allowed


def lay_out(prompts: Sequence[Ids], depth: int = 0) -> Layout:
    """Lay out prompts that are sorted, each once, equal in their first `depth` tokens and longer than that."""
    layout = Layout(depth)
    layout.paths += [leaf.path() for _, leaf in layout.grow([(prompt, len(prompt)) for prompt in prompts])]
    return layout


def count_tokens(prompts: Sequence[Ids], depth: int) -> int:
    """Count the tokens of a layout without making it."""
    tails = (len(two) - max(depth, common_prefix_length(one, two)) for one, two in pairwise(prompts))
    return len(prompts[0]) - depth + sum(tails)


def shared_length(prompts: Sequence[Ids]) -> int:
    """Count the tokens that all sorted prompts begin with, leaving each at least one token."""
    return min(common_prefix_length(prompts[0], prompts[-1]), *(len(prompt) - 1 for prompt in prompts))


def split(prompts: Sequence[Ids], depth: int, most_tokens: int) -> list[Sequence[Ids]]:
    """Cut sorted prompts where they part at `depth`, into runs whose layouts have at most `most_tokens` if possible."""
    runs: list[list[Ids]] = []
    for _, branch in groupby(prompts, key=lambda prompt: prompt[depth]):
        members = list(branch)
        if runs and count_tokens([*runs[-1], *members], depth) <= most_tokens:
            runs[-1] += members
        else:
            runs.append(members)
    return list(runs)


def group(prompts: Sequence[Ids], cost: int) -> list[tuple[int, int]]:
    """Group sorted prompts so that what the members of a group share, counted once for each but one, adds up to most.

    Args:
        prompts: None empty; the same may be there several times.
        cost: Tokens that a group has to save to be worth it.

    Returns:
        How many prompts each group has, and how many tokens they share: 0 where nothing is gained, and always fewer
        than the shortest has.
    """
    alike = [common_prefix_length(one, two) for one, two in pairwise(prompts)]
    saved, groups = [0], [(0, 0)]  # the most that the first prompts save, and the last group of the way to do so
    for end in range(1, len(prompts) + 1):
        best, last, shared = saved[end - 1], (1, 0), len(prompts[end - 1]) - 1
        for start in range(end - 2, -1, -1):
            shared = min(shared, alike[start], len(prompts[start]) - 1)
            total = saved[start] + shared * (end - start - 1) - cost
            if total > best:
                best, last = total, (end - start, shared)
        saved.append(best)
        groups.append(last)
    found, end = [], len(prompts)
    while end:
        found.append(groups[end])
        end -= groups[end][0]
    return _joined(reversed(found))


def _joined(groups: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Make one group of neighbours that share nothing."""
    joined: list[tuple[int, int]] = []
    for count, shared in groups:
        if joined and shared == joined[-1][1] == 0:
            joined[-1] = (joined[-1][0] + count, 0)
        else:
            joined.append((count, shared))
    return joined
