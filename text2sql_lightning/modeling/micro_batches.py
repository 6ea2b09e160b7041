"""Half a batch: what is computed instead where a whole one does not fit into memory."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor

from text2sql_lightning.constants import IGNORE_INDEX
from text2sql_lightning.errors import RunError
from text2sql_lightning.modeling.loss import CompletionLoss

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


logger = logging.getLogger(__name__)


class MicroBatches:
    """Adds up gradients; what runs out of memory, forward or backward, is split between examples and tried again.

    The step's gradient is the same up to rounding, for losses are sums over tokens. A batch of a size that has failed
    once is split beforehand from then on.

    Args:
        loss_of: Gives the sums of a batch.
        weights: Gives the trained weights.
    """

    def __init__(
        self, loss_of: Callable[[dict[str, Any]], CompletionLoss], weights: Callable[[], Iterable[Tensor]]
    ) -> None:
        self._loss_of = loss_of
        self._weights = weights
        self._too_large = float("inf")
        self._batch: dict[str, Any] = {}
        self._stand_in = torch.zeros(())
        self.splits = 0
        """How often memory did not suffice."""

    def begin(self, batch: dict[str, Any], device: torch.device) -> Tensor:
        """Take a micro-batch, and give Lightning a stand-in for its loss, a scalar.

        Nobody else may hold a graph that has to be freed when memory runs out.
        """
        self._batch, self._stand_in = batch, torch.zeros((), device=device, requires_grad=True)
        return self._stand_in

    def finish(self, loss: Tensor, autocast: Callable[[], AbstractContextManager[Any]]) -> list[CompletionLoss]:
        """Compute the micro-batch of `begin`; `loss` is what Lightning made of its stand-in, with float16's scale."""
        (factor,) = torch.autograd.grad(loss, self._stand_in)
        batch, self._batch = self._batch, {}
        return self.add_gradient(batch, factor, autocast)

    def add_gradient(
        self, batch: dict[str, Any], factor: Tensor, autocast: Callable[[], AbstractContextManager[Any]]
    ) -> list[CompletionLoss]:
        """Add the gradient of a batch's loss to the gradients of the weights.

        Args:
            batch: Padded rows or a pack.
            factor: What the sum of losses is multiplied with, a scalar.
            autocast: Gives the context of the forward pass.

        Returns:
            The sums of the parts that it was computed in, without their graph.

        Raises:
            RunError: A single example does not fit into memory.
        """
        size = batch["input_ids"].numel()
        parts = split_batch(batch) if size >= self._too_large else []
        if not parts:
            sums = self._attempt(batch, factor, autocast)
            if sums is not None:
                return [sums]
            parts = split_batch(batch)
        if not parts:
            raise RunError(
                f"out of memory with a single example of {size} tokens: lower --data.max_seq_length, or use "
                "--model.gradient_checkpointing true or --model.quantization nf4"
            )
        return [sums for part in parts for sums in self.add_gradient(part, factor, autocast)]

    def _attempt(
        self, batch: dict[str, Any], factor: Tensor, autocast: Callable[[], AbstractContextManager[Any]]
    ) -> CompletionLoss | None:
        weights = list(self._weights())
        before = [weight.grad for weight in weights]
        # What a backward pass leaves that stops halfway must not stand in the sum of those before it.
        _put(weights, [None] * len(weights))
        try:
            with autocast():
                sums = self._loss_of(batch)
            sums.loss_sum.backward(factor)  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        else:
            _add(weights, before)
            return CompletionLoss(sums.loss_sum.detach(), sums.num_targets, sums.num_correct)
        # Outside the handler: there the traceback still holds what has to be freed.
        _put(weights, before)
        self._note(batch)
        return None

    def _note(self, batch: dict[str, Any]) -> None:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.splits += 1
        size = batch["input_ids"].numel()
        if size < self._too_large:
            self._too_large = size
            logger.warning("Out of memory with a micro-batch of %d tokens: split from now on, same step.", size)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell lack of memory from other errors, on a GPU, in its libraries or on a CPU."""
    words = ("out of memory", "ALLOC_FAILED", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)


@contextmanager
def named_out_of_memory(batch_size: int) -> Iterator[None]:
    """Say which setting to change where a micro-batch cannot be split, because other processes wait for it.

    Raises:
        RunError: Memory does not suffice.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(
            f"out of memory with {batch_size} examples at a time; with several processes a micro-batch is not split: "
            "lower --data.batch_size and raise --trainer.accumulate_grad_batches by as much"
        ) from error


def _put(weights: list[Tensor], gradients: list[Tensor | None]) -> None:
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient


def _add(weights: list[Tensor], gradients: list[Tensor | None]) -> None:
    for weight, gradient in zip(weights, gradients, strict=True):
        if weight.grad is None:
            weight.grad = gradient
        elif gradient is not None:
            weight.grad.add_(gradient)
