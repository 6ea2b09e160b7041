"""Half a batch: what is computed instead where a whole one does not fit into memory."""

from collections.abc import Sequence
from typing import Any

import torch

from text2sql_lightning.constants import IGNORE_INDEX

Layout = Sequence[tuple[int, tuple[int, ...]]]
"""Of each segment of a pack its length and the numbers of its ancestors."""


def split_batch(batch: dict[str, Any]) -> list[dict[str, Any]]:
    """Split a batch between examples into two whose losses add up to its own.

    Args:
        batch: Padded rows or a pack, as the data module makes them.

    Returns:
        Two batches with the tensors that the loss needs; nothing where the batch is a single example.
    """
    if "segments" in batch:
        return _split_pack(batch)
    rows = batch["input_ids"].shape[0]
    halves = (slice(0, rows // 2), slice(rows // 2, rows))
    return [_rows(batch, half) for half in halves] if rows > 1 else []


def _rows(batch: dict[str, Any], half: slice) -> dict[str, Any]:
    labels = batch["labels"][half]
    # The last label of a row is its EOS, so the rows are no longer than that.
    width = int((labels != IGNORE_INDEX).any(0).nonzero().max()) + 1
    return {"input_ids": batch["input_ids"][half, :width], "labels": labels[:, :width]}


def _split_pack(batch: dict[str, Any]) -> list[dict[str, Any]]:
    segments: Layout = batch["segments"]
    parents = {ancestor for _, ancestors in segments for ancestor in ancestors}
    leaves = [number for number in range(len(segments)) if number not in parents]
    middle = len(leaves) // 2
    ends = _target_ends(segments, leaves, batch["target_positions"].tolist())
    if middle == 0:
        return []
    return [
        _part(batch, leaves[:middle], slice(0, ends[middle - 1])),
        _part(batch, leaves[middle:], slice(ends[middle - 1], None)),
    ]


def _starts(segments: Layout) -> list[int]:
    starts = [0]
    for length, _ in segments:
        starts.append(starts[-1] + length)
    return starts


def _target_ends(segments: Layout, leaves: Sequence[int], positions: Sequence[int]) -> list[int]:
    """Say for each leaf, an example's own tokens, where its targets end in the list of all targets.

    The first target is predicted by the last token of the prompt: where that stands in the leaf, the leaf's tokens
    behind it are the targets; where an ancestor ends with it, all of the leaf's tokens are.
    """
    starts = _starts(segments)
    ends: list[int] = []
    for leaf in leaves:
        first = ends[-1] if ends else 0
        start, end = starts[leaf], starts[leaf + 1]
        inside = start <= positions[first] < end
        ends.append(first + (end - 1 - positions[first] if inside else end - start))
    return ends


def _part(batch: dict[str, Any], leaves: Sequence[int], targets: slice) -> dict[str, Any]:
    """Keep some leaves and what they follow, with new numbers and places."""
    segments, starts = batch["segments"], _starts(batch["segments"])
    kept = sorted({number for leaf in leaves for number in (leaf, *segments[leaf][1])})
    numbers = {number: place for place, number in enumerate(kept)}
    device = batch["input_ids"].device
    tokens = torch.cat([torch.arange(starts[number], starts[number + 1]) for number in kept]).to(device)
    places = torch.full((starts[-1],), -1, device=device)
    places[tokens] = torch.arange(len(tokens), device=device)
    return {
        "input_ids": batch["input_ids"][:, tokens],
        "position_ids": batch["position_ids"][:, tokens],
        "segments": [(segments[n][0], tuple(numbers[ancestor] for ancestor in segments[n][1])) for n in kept],
        "target_positions": places[batch["target_positions"][targets]],
        "target_ids": batch["target_ids"][targets],
    }
