"""Completion-only loss over the positions that have a target; the other positions never meet the output head."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NotRequired, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from text2sql_lightning.constants import IGNORE_INDEX
from text2sql_lightning.errors import RunError
from text2sql_lightning.modeling.cpu.linear import dense_weight, linear
from text2sql_lightning.modeling.decoder import base_of, decoder_of, has_plain_logits, project
from text2sql_lightning.modeling.packs import Segments

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_CHUNK: Final = {"cpu": 128, "cuda": 2048}
"""Targets at a time: on a CPU as many as a cache holds scores of."""


class Batch(TypedDict):
    """What the collators of `data.packing` make: right-padded rows with `labels`, or a pack with `segments`."""

    input_ids: Tensor
    ids: list[str]
    num_tokens: int
    labels: NotRequired[Tensor]
    segments: NotRequired[Segments]
    position_ids: NotRequired[Tensor]
    target_positions: NotRequired[Tensor]
    target_ids: NotRequired[Tensor]


class CompletionLoss(NamedTuple):
    """Sums over target tokens, so that micro-batches and ranks can be added up before anything is divided.

    Attributes:
        loss_sum: Cross entropy in nats, float32.
        num_targets: Target tokens.
        num_correct: Targets that are the most likely token.
    """

    loss_sum: Tensor
    num_targets: Tensor
    num_correct: Tensor

    def detach(self) -> "CompletionLoss":
        """Return the sums without the graph behind them."""
        return self._replace(loss_sum=self.loss_sum.detach())


def select_targets(hidden: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Keep the hidden states that predict a target token.

    Args:
        hidden: Last hidden states, (batch, length, width).
        labels: Token ids, (batch, length), IGNORE_INDEX where there is no target. Not shifted.

    Returns:
        Hidden states (targets, width) and their token ids (targets,).
    """
    shifted = labels[:, 1:]
    kept = shifted != IGNORE_INDEX
    return hidden[:, :-1][kept], shifted[kept]


def select_positions(states: Tensor, positions: Tensor) -> Tensor:
    """Return the rows of states (tokens, width) at positions (targets,), of which some may occur twice.

    Their gradients are added in order. Those of `states[positions]` are added by several threads, and a sum of three
    numbers then depends on which thread came first.
    """
    return states.index_select(0, positions)


def completion_loss(
    model: nn.Module,
    batch: Batch,
    pack_arguments: "Callable[[PreTrainedModel, Tensor, Segments], dict[str, object]]",
) -> CompletionLoss:
    """Sum the loss over the target tokens of a batch.

    Padding needs no attention mask: under a causal mask no target position sees the tokens to its right.

    Args:
        model: A causal language model.
        batch: A pack, or right-padded rows, as the data module makes them.
        pack_arguments: Of the backend: what the decoder needs to attend within a pack.
    """
    decoder, ids = decoder_of(model), batch["input_ids"]
    if "segments" not in batch:
        hidden = decoder(input_ids=ids, use_cache=False).last_hidden_state
        return head_loss(model, *select_targets(hidden, batch["labels"]))
    arguments = pack_arguments(decoder, ids, batch["segments"])
    arguments |= {"input_ids": ids, "position_ids": batch["position_ids"], "use_cache": False}
    (hidden,) = decoder(**arguments).last_hidden_state
    return head_loss(model, select_positions(hidden, batch["target_positions"]), batch["target_ids"])


def head_loss(model: nn.Module, states: Tensor, targets: Tensor) -> CompletionLoss:
    """Sum the cross entropy of states (targets, width) that predict token ids (targets,), by the model's own head."""
    weight = _frozen_weight(model, states.device)
    if weight is None:
        return target_loss(states, targets, lambda states: project(model, states))
    chunk = _CHUNK.get(states.device.type, _CHUNK["cuda"])
    loss, correct = FrozenHeadLoss.apply(states, targets, weight, chunk)  # type: ignore[no-untyped-call]
    return CompletionLoss(loss, torch.tensor(targets.numel(), device=loss.device), correct)


def _frozen_weight(model: nn.Module, device: torch.device) -> Tensor | None:
    """The head's matrix (vocabulary, width) if the scores are products with it and nothing else."""
    weight, bias = dense_weight(base_of(model).get_output_embeddings()) or (None, None)
    if weight is None or bias is not None or not has_plain_logits(model):
        return None
    if weight.dtype not in (torch.float32, torch.bfloat16):  # float16 needs its loss scale before the gradient
        return None
    if torch.is_autocast_enabled(device.type) and weight.dtype != torch.get_autocast_dtype(device.type):
        return None
    return weight


class FrozenHeadLoss(torch.autograd.Function):
    """Sum of cross entropies behind a frozen head; the gradient of the states is computed with the scores at hand."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, targets: Tensor, weight: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
        """Return the sum of losses, and how many targets are the most likely token."""
        gradient = torch.empty_like(states) if ctx.needs_input_grad[0] else None
        loss = torch.zeros((), device=states.device)
        correct = torch.zeros((), dtype=torch.long, device=states.device)
        with torch.autocast(states.device.type, enabled=False):
            for start in range(0, len(states), chunk):
                ids = targets[start : start + chunk]
                scores = linear(states[start : start + chunk].to(weight.dtype), weight, None).float()
                loss_of_chunk, correct_of_chunk = _to_probabilities(scores, ids)
                loss += loss_of_chunk
                correct += correct_of_chunk
                if gradient is not None:
                    scores[torch.arange(len(ids), device=ids.device), ids] -= 1.0
                    gradient[start : start + chunk] = linear(scores.to(weight.dtype), weight.t(), None)
                del scores  # before the next ones are made
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(correct)
        return loss, correct

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Return the gradients of the arguments."""
        (of_states,) = ctx.saved_tensors
        return of_states * gradients[0].to(of_states.dtype), None, None, None


def _to_probabilities(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Write probabilities over scores; return the sum of losses and how many targets have the highest score."""
    highest, best = scores.max(-1, keepdim=True)
    of_targets = scores.gather(1, targets[:, None])
    total = scores.sub_(highest).exp_().sum(-1, keepdim=True)
    scores.div_(total)
    return (total.log() + highest - of_targets).sum(), (best[:, 0] == targets).sum()


def target_loss(
    states: Tensor, targets: Tensor, head: Callable[[Tensor], Tensor], chunk_size: int = 2048
) -> CompletionLoss:
    """Sum the cross entropy over targets with any head, projecting `chunk_size` of them at a time.

    Args:
        states: Last hidden states that predict a target, (targets, width).
        targets: Token ids, (targets,).
        head: The output head: hidden states (targets, width) -> logits (targets, vocabulary).
        chunk_size: Targets per projection. Beyond one chunk the logits are recomputed in the backward pass, so at most
            one chunk of them exists at a time.
    """
    count = torch.tensor(targets.numel(), device=states.device)
    if states.shape[0] <= chunk_size:
        loss, correct = _chunk_loss(states, targets, head)
        return CompletionLoss(loss, count, correct)
    chunks = [
        checkpoint(_chunk_loss, part, ids, head, use_reentrant=False)
        for part, ids in zip(torch.split(states, chunk_size), torch.split(targets, chunk_size), strict=True)
    ]
    losses, corrects = zip(*chunks, strict=True)
    return CompletionLoss(torch.stack(losses).sum(), count, torch.stack(corrects).sum())


def _chunk_loss(states: Tensor, targets: Tensor, head: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    logits = head(states).float()
    loss = functional.cross_entropy(logits, targets, reduction="sum")
    with torch.no_grad():
        correct = (logits.argmax(-1) == targets).sum()
    return loss, correct


@contextmanager
def named_out_of_memory() -> Iterator[None]:
    """Context manager that names the settings to change if a training step runs out of memory.

    Raises:
        RunError: Memory does not suffice, on a GPU, in its libraries or on a CPU.
    """
    try:
        yield
    except RuntimeError as error:
        words = ("out of memory", "ALLOC_FAILED", "can't allocate memory")
        if not isinstance(error, torch.OutOfMemoryError) and not any(word in str(error) for word in words):
            raise
        raise RunError(
            "out of memory in a training step: lower --data.batch_size and raise --trainer.accumulate_grad_batches by "
            "as much; if it is 1, lower --data.max_seq_length, or use --model.gradient_checkpointing true or "
            "--model.quantization nf4"
        ) from error
