"""Greedy generation of SQL in batches: a row leaves its batch as soon as its statement is complete."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from text2sql_lightning.modeling.decoder import decoder_of, project
from text2sql_lightning.modeling.settings import GenerationSettings
from text2sql_lightning.text.sql_cleaning import ensure_sql_only, is_complete
from text2sql_lightning.tokenizer import encode_prompt

log = logging.getLogger(__name__)

_KEEP_SHARE = 0.75
"""A batch is compacted when fewer than this share of its rows is still being answered: compaction copies the cache."""


@dataclass(frozen=True)
class Generation:
    """One answer.

    Args:
        raw: The generated text, without special tokens.
        sql: The statement in it.
        num_tokens: Generated tokens, the EOS included.
        finished: Whether it ended by itself or with a complete statement, rather than at the token limit.
    """

    raw: str
    sql: str
    num_tokens: int
    finished: bool


@dataclass
class _Row:
    index: int
    prompt_ids: list[int]
    new_ids: list[int] = field(default_factory=list)
    finished: bool = False


def generate_sql(
    model: Any, tokenizer: Any, prompts: Sequence[str], settings: GenerationSettings, progress: bool = False
) -> list[Generation]:
    """Answer prompts greedily.

    Args:
        model: The causal language model, with or without adapters, in inference mode.
        tokenizer: Its tokenizer.
        prompts: Built by `build_prompt`.
        settings: Token limit and batch size.
        progress: Show a progress bar.

    Returns:
        One answer for each prompt, in their order. In float32 the answers do not depend on the batch size, except
        where the two most likely tokens are closer than rounding.
    """
    rows = [_Row(index, list(encode_prompt(tokenizer, prompt))) for index, prompt in enumerate(prompts)]
    rows.sort(key=lambda row: (len(row.prompt_ids), row.index))
    with torch.inference_mode(), tqdm(total=len(rows), desc="Generating SQL", disable=not progress) as bar:
        for start in range(0, len(rows), settings.batch_size):
            _answer_batch(model, tokenizer, rows[start : start + settings.batch_size], settings.max_new_tokens, bar)
    rows.sort(key=lambda row: row.index)
    return [_finish(tokenizer, row) for row in rows]


def _finish(tokenizer: Any, row: _Row) -> Generation:
    raw = tokenizer.decode(row.new_ids, skip_special_tokens=True)
    return Generation(raw, ensure_sql_only(raw), len(row.new_ids), row.finished)


def _answer_batch(model: Any, tokenizer: Any, rows: list[_Row], max_new_tokens: int, bar: Any) -> None:
    from transformers import DynamicCache

    device = model.get_input_embeddings().weight.device
    ids, mask = _left_pad([row.prompt_ids for row in rows], tokenizer.pad_token_id, device)
    cache = DynamicCache()
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    alive = list(range(len(rows)))  # cache line -> row
    done: set[int] = set()
    for _ in range(max_new_tokens):
        hidden = decoder_of(model)(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        ).last_hidden_state[:, -1]
        tokens = project(model, hidden).float().argmax(-1)
        for line, token in enumerate(tokens.tolist()):
            row = rows[alive[line]]
            if not row.finished and _append(tokenizer, row, token):
                done.add(line)
                bar.update()
        if len(done) == len(alive):
            return
        positions = positions[:, -1:] + 1
        ids = tokens[:, None]
        mask = torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1)
        if len(alive) - len(done) < _KEEP_SHARE * len(alive):
            keep = [line for line in range(len(alive)) if line not in done]
            index = torch.tensor(keep, device=device)
            cache.batch_select_indices(index)
            ids, mask, positions = ids[index], mask[index], positions[index]
            alive, done = [alive[line] for line in keep], set()
    bar.update(len(alive) - len(done))


def _append(tokenizer: Any, row: _Row, token: int) -> bool:
    """Add a token to an answer; say whether the answer is finished."""
    row.new_ids.append(token)
    row.finished = token == tokenizer.eos_token_id or is_complete(
        tokenizer.decode(row.new_ids, skip_special_tokens=True)
    )
    return row.finished


def _left_pad(rows: list[list[int]], pad_token_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    width = max(len(row) for row in rows)
    ids = torch.tensor([[pad_token_id] * (width - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask
