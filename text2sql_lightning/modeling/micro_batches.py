"""The gradient of a micro-batch, computed in halves where the whole does not fit into memory."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor

from text2sql_lightning.errors import RunError
from text2sql_lightning.modeling.loss import CompletionLoss
from text2sql_lightning.modeling.split_batch import split_batch

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
