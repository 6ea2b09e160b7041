"""The loss behind an output head that is not trained: its gradient is made while the scores are at hand.

The usual way keeps the scores of all targets, (targets, vocabulary), several times over until the backward pass. Here a
few targets at a time are projected, scored and turned into the gradient of their states, in the same memory, which is
what Liger Kernel does in one GPU kernel (https://arxiv.org/abs/2410.10989); the backward pass multiplies by a factor.
"""

from typing import Any, Final

import torch
from torch import Tensor

from text2sql_lightning.modeling.decoder import base_of, has_plain_logits, project
from text2sql_lightning.modeling.dequantized import dense_weight
from text2sql_lightning.modeling.fused_lora import dtype_of_products
from text2sql_lightning.modeling.loss import CompletionLoss, target_loss
from text2sql_lightning.modeling.products import by_onednn, product
from text2sql_lightning.modeling.projection import rounded

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
