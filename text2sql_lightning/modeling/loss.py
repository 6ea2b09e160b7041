"""Completion-only loss over the positions that have a target; the other positions never meet the output head."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from text2sql_lightning.constants import IGNORE_INDEX

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
