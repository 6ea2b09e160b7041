"""The prefix tree of token sequences, laid out flat: what they begin with is there once. Pure: ids in, places out.

Under a causal mask the hidden state of a token depends on the tokens before it alone, so sequences that begin alike can
share those states. Each segment of the tree attends to its ancestors and, causally, to itself; positions count from the
root. Both packed training and the reading of prompts use it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

Ids = Sequence[int]


@dataclass(frozen=True)
class Segment:
    """A run of tokens of a tree that belong together.

    Attributes:
        number: Its index among the segments of the tree.
        start: Index of its first token in the tree.
        length: Tokens.
        depth: Position of its first token in the sequences that it is part of.
        ancestors: The segments before it, from the root.
    """

    number: int
    start: int
    length: int
    depth: int
    ancestors: tuple["Segment", ...]

    def path(self) -> list[int]:
        """Return the indices of the tokens from the root to the end of the segment."""
        return [at for part in (*self.ancestors, self) for at in range(part.start, part.start + part.length)]


@dataclass
class PrefixTree:
    """Sequences as one row of tokens, from position `depth` on: those before are left out.

    Attributes:
        depth: Position of the first token.
        input_ids: The tokens.
        position_ids: Their positions in the sequences.
        segments: The runs of tokens that belong together, from the root down.
    """

    depth: int = 0
    input_ids: list[int] = field(default_factory=list)
    position_ids: list[int] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)

    def add(self, ids: Ids, ancestors: tuple[Segment, ...] = ()) -> Segment:
        """Append tokens that follow their ancestors."""
        depth = ancestors[-1].depth + ancestors[-1].length if ancestors else self.depth
        segment = Segment(len(self.segments), len(self.input_ids), len(ids), depth, ancestors)
        self.input_ids += ids
        self.position_ids += range(depth, depth + len(ids))
        self.segments.append(segment)
        return segment

    def grow(self, sequences: Sequence[tuple[Ids, int]]) -> Iterator[tuple[int, Segment]]:
        """Append sequences, each with how many of its tokens may be shared.

        Args:
            sequences: Sorted by their tokens, and alike up to `depth`.

        Yields:
            The index of a sequence and the segment with its end, which may be empty; shorter ones before those that go
            on behind them.
        """
        yield from self._grow([(number, ids, limit) for number, (ids, limit) in enumerate(sequences)], ())

    def _grow(
        self, members: list[tuple[int, Ids, int]], ancestors: tuple[Segment, ...]
    ) -> Iterator[tuple[int, Segment]]:
        depth = shared = ancestors[-1].depth + ancestors[-1].length if ancestors else self.depth
        first = members[0][1]
        if len(members) > 1:
            limit = min(limit for _, _, limit in members)
            shared = common_prefix_length(first, members[-1][1], depth, limit)
        if shared > depth:
            ancestors = (*ancestors, self.add(first[depth:shared], ancestors))
        for number, ids, limit in members:
            if len(members) == 1 or limit == shared:
                yield number, self.add(ids[shared:], ancestors)
        going_on = [member for member in members if len(members) > 1 and member[2] > shared]
        for _, branch in groupby(going_on, key=lambda member: member[1][shared]):
            yield from self._grow(list(branch), ancestors)

    def layout(self) -> list[tuple[int, tuple[int, ...]]]:
        """Return each segment's length and the numbers of its ancestors: which tokens see which."""
        return [(part.length, tuple(ancestor.number for ancestor in part.ancestors)) for part in self.segments]


def common_prefix_length(one: Ids, two: Ids, start: int = 0, limit: int | None = None) -> int:
    """Count the tokens that two sequences begin with: at least `start`, which are alike already, at most `limit`."""
    end = min(len(one), len(two)) if limit is None else limit
    return next((place for place in range(start, end) if one[place] != two[place]), end)
