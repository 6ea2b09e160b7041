"""Beam search: transformers' own, with this project's end of an answer."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from random import Random
from typing import Any

import torch
from torch import Tensor

from text2sql_lightning.modeling.decoder import base_of
from text2sql_lightning.text.prefix_tree import Ids


def search(
    model: Any, prompts: Sequence[Ids], ends: Callable[[list[int]], bool], *, num_beams: int, num_answers: int,
    max_new_tokens: int, pad_token_id: int, eos_token_id: int,
) -> list[list[list[int]]]:  # fmt: skip
    """Look for the most likely answers with several beams.

    Args:
        model: The model, in inference mode.
        prompts: Token ids of the prompts of one batch.
        ends: Says of the tokens of an answer whether it is complete.
        num_beams: Answers that are followed at the same time.
        num_answers: How many of them are given, at most all.
        max_new_tokens: Tokens at which an answer is cut.
        pad_token_id: What shorter prompts are filled up with.
        eos_token_id: What ends an answer.

    Returns:
        The tokens of the answers to each prompt, the most likely one first, the EOS included.
    """
    from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

    width = max(len(ids) for ids in prompts)

    class Complete(StoppingCriteria):
        def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Tensor:
            done = [ends([token for token in row if token != pad_token_id]) for row in input_ids[:, width:].tolist()]
            return torch.tensor(done, device=input_ids.device, dtype=torch.bool)

    device = model.get_input_embeddings().weight.device
    ids = torch.tensor([[pad_token_id] * (width - len(row)) + list(row) for row in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts], device=device)
    describe: Any = GenerationConfig
    config = describe(
        num_beams=num_beams, num_return_sequences=num_answers, do_sample=False, max_new_tokens=max_new_tokens,
        pad_token_id=pad_token_id, eos_token_id=eos_token_id, use_cache=True,
    )  # fmt: skip
    whole = base_of(model).generate(
        input_ids=ids, attention_mask=mask, generation_config=config,
        stopping_criteria=StoppingCriteriaList([Complete()]),
    )  # fmt: skip
    answers = [_until_end(row, eos_token_id, pad_token_id) for row in whole[:, width:].tolist()]
    return [answers[start : start + num_answers] for start in range(0, len(answers), num_answers)]


def _until_end(tokens: list[int], eos_token_id: int, pad_token_id: int) -> list[int]:
    if eos_token_id in tokens:
        return tokens[: tokens.index(eos_token_id) + 1]
    while tokens and tokens[-1] == pad_token_id:
        tokens.pop()
    return tokens


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
