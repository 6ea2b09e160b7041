"""Completion-only loss over the positions that have a target; the other positions never meet the output head."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from text2sql_lightning.constants import IGNORE_INDEX
from text2sql_lightning.modeling.cpu.lora import dtype_of_products
from text2sql_lightning.modeling.cpu.products import by_onednn, dense_weight, product
from text2sql_lightning.modeling.cpu.projection import rounded
from text2sql_lightning.modeling.decoder import base_of, has_plain_logits, project

HeadFunction = Callable[[Tensor], Tensor]
"""Hidden states (positions, width) -> logits (positions, vocabulary)."""


class CompletionLoss(NamedTuple):
    """Sums over target tokens, so that micro-batches and ranks can be added up before anything is divided."""

    loss_sum: Tensor
    num_targets: Tensor
    num_correct: Tensor


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


def take(states: Tensor, positions: Tensor) -> Tensor:
    """Give the rows of states (tokens, width) at positions (targets,), of which some may stand there twice.

    Their gradients are added in order. Those of `states[positions]` are added by threads that meet, and a sum of
    three numbers then depends on which thread came first.
    """
    return states.index_select(0, positions)


def target_loss(states: Tensor, targets: Tensor, head: HeadFunction, chunk_size: int = 2048) -> CompletionLoss:
    """Sum the cross entropy over targets, projecting `chunk_size` of them at a time.

    Args:
        states: Last hidden states that predict a target, (targets, width).
        targets: Token ids, (targets,).
        head: The output head.
        chunk_size: Targets per projection. Beyond one chunk the logits are recomputed in the backward pass, so at most
            one chunk of them exists at a time.

    Returns:
        Sums in float32: loss (nats), target tokens, and targets that are the most likely token.
    """
    if states.shape[0] <= chunk_size:
        loss, correct = _chunk_loss(states, targets, head)
        return CompletionLoss(loss, torch.tensor(targets.numel(), device=loss.device), correct)
    losses, corrects = [], []
    for part, ids in zip(torch.split(states, chunk_size), torch.split(targets, chunk_size), strict=True):
        loss, correct = checkpoint(_chunk_loss, part, ids, head, use_reentrant=False)
        losses.append(loss)
        corrects.append(correct)
    total = torch.stack(losses).sum()
    return CompletionLoss(total, torch.tensor(targets.numel(), device=total.device), torch.stack(corrects).sum())


def _chunk_loss(states: Tensor, targets: Tensor, head: HeadFunction) -> tuple[Tensor, Tensor]:
    logits = head(states).float()
    loss = functional.cross_entropy(logits, targets, reduction="sum")
    with torch.no_grad():
        correct = (logits.argmax(-1) == targets).sum()
    return loss, correct


_CHUNK: Final = {"cpu": 128}
_CHUNK_ELSEWHERE: Final = 2048
"""Targets at a time: on a CPU as many as a cache holds scores of."""


def head_loss(model: Any, states: Tensor, targets: Tensor) -> CompletionLoss:
    """Sum the cross entropy of states (targets, width) that predict token ids (targets,).

    Args:
        model: The causal language model whose output head gives the scores.
        states: Last hidden states, those with a target alone.
        targets: Token ids.

    Returns:
        Sums in float32: loss (nats), target tokens, and targets that are the most likely token.
    """
    weight = _frozen_weight(model, states.device)
    if weight is None:
        return target_loss(states, targets, lambda states: project(model, states))
    loss, correct = FrozenHeadLoss.apply(  # type: ignore[no-untyped-call]
        states, targets, weight, _CHUNK.get(states.device.type, _CHUNK_ELSEWHERE)
    )
    return CompletionLoss(loss, torch.tensor(targets.numel(), device=loss.device), correct)


def _frozen_weight(model: Any, device: torch.device) -> Tensor | None:
    """Give the head's matrix (vocabulary, width) where the scores are products with it and nothing else."""
    weight, bias = dense_weight(base_of(model).get_output_embeddings()) or (None, None)
    if weight is None or bias is not None or not has_plain_logits(model):
        return None
    if weight.dtype not in (torch.float32, torch.bfloat16):  # float16 needs its loss scale before the gradient
        return None
    if torch.is_autocast_enabled(device.type) and weight.dtype != dtype_of_products(device):
        return None
    return weight


class FrozenHeadLoss(torch.autograd.Function):
    """Sum of cross entropies, with the gradient of the states alone."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, targets: Tensor, weight: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
        """Give the sum of losses, and how many targets are the most likely token."""
        gradient = torch.empty_like(states) if ctx.needs_input_grad[0] else None
        loss = torch.zeros((), device=states.device)
        correct = torch.zeros((), dtype=torch.long, device=states.device)
        rows = len(rounded(states[:chunk], weight.dtype))
        room = None if by_onednn(states, weight) else weight.new_empty(rows, len(weight))
        scores = None if weight.dtype == torch.float32 else states.new_empty(rows, len(weight), dtype=torch.float32)
        with torch.autocast(states.device.type, enabled=False):
            for start in range(0, len(states), chunk):
                ids = targets[start : start + chunk]
                part = rounded(states[start : start + chunk], weight.dtype)
                scored = product(part, weight.t(), out=None if room is None else room[: len(part)])
                own = scored[: len(ids)] if scores is None else scores[: len(ids)].copy_(scored[: len(ids)])
                loss_of_part, correct_of_part = _to_probabilities(own, ids)
                loss += loss_of_part
                correct += correct_of_part
                if gradient is not None:
                    own[torch.arange(len(ids), device=ids.device), ids] -= 1.0
                    if scores is not None:
                        scored[: len(ids)].copy_(own)
                    gradient[start : start + chunk] = product(scored, weight)[: len(ids)]
                del scored, own  # before the next ones are made
        ctx.save_for_backward(gradient)
        ctx.mark_non_differentiable(correct)
        return loss, correct

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Give the gradients of the arguments."""
        (of_states,) = ctx.saved_tensors
        return of_states * gradients[0].to(of_states.dtype), None, None, None


def _to_probabilities(scores: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Write probabilities over scores; give the sum of losses and how many targets have the highest score."""
    highest, best = scores.max(-1, keepdim=True)
    of_targets = scores.gather(1, targets[:, None])
    total = scores.sub_(highest).exp_().sum(-1, keepdim=True)
    scores.div_(total)
    return (total.log() + highest - of_targets).sum(), (best[:, 0] == targets).sum()
