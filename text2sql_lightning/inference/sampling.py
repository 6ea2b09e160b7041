"""Which token comes next: the most likely one, or one drawn at random, for each row by itself."""

from collections.abc import Sequence
from hashlib import sha256
from random import Random

import torch
from torch import Tensor


def row_random(prompt_ids: Sequence[int], sample: int, seed: int) -> Random:
    """Give the source of chance of one answer: it depends on the prompt, the sample's number and the seed alone."""
    digest = sha256(repr((list(prompt_ids), sample, seed)).encode()).digest()
    return Random(int.from_bytes(digest[:8], "big"))


def draw(logits: Tensor, chances: Sequence[float], temperature: float, top_p: float) -> Tensor:
    """Draw a token for each row.

    Args:
        logits: (rows, vocabulary), float32.
        chances: For each row a number in [0, 1) that decides.
        temperature: Divides the logits; above 0.
        top_p: Only the most likely tokens that reach this probability together are drawn (nucleus sampling,
            arXiv:1904.09751); the token that crosses the line is one of them.

    Returns:
        Token ids, (rows,).
    """
    likely, tokens = torch.softmax(logits / temperature, dim=-1).sort(dim=-1, descending=True, stable=True)
    likely = likely.double()
    before = likely.cumsum(-1) - likely
    likely = likely.masked_fill(before >= top_p, 0.0)
    upto = likely.cumsum(-1)
    wanted = torch.tensor(chances, dtype=torch.double, device=logits.device)[:, None] * upto[:, -1:]
    chosen = (upto > wanted).long().argmax(-1, keepdim=True)
    return tokens.gather(-1, chosen)[:, 0]
