"""Generation of SQL in batches: shared prefixes are read once, a row leaves when its statement is complete."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain, islice
from random import Random
from typing import Any, Final

import torch
from torch import Tensor
from tqdm import tqdm

from text2sql_lightning.inference.beams import draw, row_random, search
from text2sql_lightning.inference.prefix_cache import (
    Batch,
    Prefilled,
    gather,
    read_padded,
    read_prompts,
    shares_prefixes,
)
from text2sql_lightning.modeling.cpu.attention import grouped_attention
from text2sql_lightning.modeling.cpu.generation_layers import merged_adapters, onednn_layers, stock_layers
from text2sql_lightning.modeling.cpu.products import dequantized
from text2sql_lightning.modeling.decoder import decoder_of, project
from text2sql_lightning.modeling.settings import Choice, GenerationSettings
from text2sql_lightning.text.sql_cleaning import ensure_sql_only, is_complete
from text2sql_lightning.text.tokenizer import encode_texts

_KEEP_SHARE: Final = 0.75
"""A batch is compacted when fewer than this share of its rows is still being answered: compaction copies the cache."""


@dataclass(frozen=True)
class Generation:
    """One answer.

    Args:
        raw: The generated text, without special tokens.
        sql: The statement in it.
        token_ids: What was generated, the EOS included.
        finished: Whether it ended by itself or with a complete statement, rather than at the token limit.
    """

    raw: str
    sql: str
    token_ids: tuple[int, ...]
    finished: bool

    @property
    def num_tokens(self) -> int:
        """Generated tokens, the EOS included."""
        return len(self.token_ids)


@dataclass
class _Row:
    index: int
    sample: int
    prompt_ids: tuple[int, ...]
    chance: Random
    new_ids: list[int] = field(default_factory=list)
    finished: bool = False


def generate_sql(
    model: Any, tokenizer: Any, prompts: Sequence[str], settings: GenerationSettings, progress: bool = False
) -> list[Generation]:
    """Answer each prompt once.

    Args:
        model: The causal language model, with or without adapters, in inference mode.
        tokenizer: Its tokenizer.
        prompts: Built by `build_prompt`.
        settings: Limits, sampling, and how one of several samples is chosen.
        progress: Show a progress bar.

    Returns:
        One answer for each prompt, in their order. In float32 the answers do not depend on what else is asked nor on
        the batch size, except where the two most likely tokens are closer than rounding.
    """
    samples = generate_samples(model, tokenizer, prompts, settings, progress)
    if settings.retries:
        first = [answers[0] for answers in samples]
        return _retry_failing(model, tokenizer, prompts, first, settings, progress)
    if settings.choice == "first":
        return [answers[0] for answers in samples]
    return [_best(prompt, answers, settings.choice) for prompt, answers in zip(prompts, samples, strict=True)]


def _best(prompt: str, answers: Sequence[Generation], choice: Choice) -> Generation:
    from text2sql_lightning.inference.voting import choose_for_prompt

    return answers[choose_for_prompt(prompt, [answer.sql for answer in answers], choice)]


def _retry_failing(
    model: Any, tokenizer: Any, prompts: Sequence[str], answers: list[Generation], settings: GenerationSettings,
    progress: bool,
) -> list[Generation]:  # fmt: skip
    from text2sql_lightning.inference.voting import runs_on_schema

    failing = [
        number
        for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
        if answer.sql and not runs_on_schema(answer.sql, prompt)
    ]
    if not failing:
        return answers
    again = generate_samples(model, tokenizer, [prompts[number] for number in failing], settings.of_retries(), progress)
    for number, samples in zip(failing, again, strict=True):
        answers[number] = _best(prompts[number], [answers[number], *samples], "first_executable")
    return answers


def generate_samples(
    model: Any, tokenizer: Any, prompts: Sequence[str], settings: GenerationSettings, progress: bool = False
) -> list[list[Generation]]:
    """Answer each prompt `settings.num_answers` times; arguments as for `generate_sql`."""
    encoded = encode_texts(tokenizer, prompts)
    rows = [
        _Row(index, sample, tuple(ids), row_random(ids, sample, settings.seed))
        for index, ids in enumerate(encoded)
        for sample in range(settings.num_answers)
    ]
    in_order = sorted(rows, key=lambda row: (row.prompt_ids, row.index, row.sample))
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        stack.enter_context(stock_layers(model))
        stack.enter_context(dequantized(model))
        stack.enter_context(merged_adapters(model))
        stack.enter_context(onednn_layers(model))
        bar = stack.enter_context(tqdm(total=len(rows), desc="Generating SQL", disable=not progress))
        if settings.num_beams > 1:
            _search_beams(model, tokenizer, in_order, settings, bar)
        else:
            _answer_all(model, tokenizer, in_order, settings, bar)
    answers = [_finish(tokenizer, row) for row in rows]
    return [answers[at : at + settings.num_answers] for at in range(0, len(answers), settings.num_answers)]


def _finish(tokenizer: Any, row: _Row) -> Generation:
    raw = tokenizer.decode(row.new_ids, skip_special_tokens=True)
    return Generation(raw, ensure_sql_only(raw), tuple(row.new_ids), row.finished)


def _answer_all(model: Any, tokenizer: Any, rows: list[_Row], settings: GenerationSettings, bar: Any) -> None:
    longest = max((len(row.prompt_ids) for row in rows), default=0) + settings.max_new_tokens
    shared = bool(rows) and shares_prefixes(model, longest)
    with grouped_attention(model) as grouped:
        for batch, members in _batches(model, tokenizer, rows, settings, shared=shared, grouped=grouped):
            _answer(model, tokenizer, batch, members, settings, bar)


def _batches(
    model: Any, tokenizer: Any, rows: list[_Row], settings: GenerationSettings, *, shared: bool, grouped: bool
) -> Iterator[tuple[Batch, list[_Row]]]:
    """Read the prompts, batch by batch, just before they are answered."""
    if not shared:
        for start in range(0, len(rows), settings.batch_size):
            part = rows[start : start + settings.batch_size]
            yield read_padded(model, [row.prompt_ids for row in part], tokenizer.pad_token_id), part
        return
    once = list(dict.fromkeys(row.prompt_ids for row in rows))
    pending = _with_rows(read_prompts(model, once), rows)
    while members := list(islice(pending, settings.batch_size)):
        yield gather([prompt for prompt, _ in members], grouped), [row for _, row in members]


def _with_rows(prompts: Iterator[Prefilled], rows: list[_Row]) -> Iterator[tuple[Prefilled, _Row]]:
    prompt = None
    for row in rows:
        if prompt is None or prompt.ids != row.prompt_ids:
            prompt = next(prompts)
        yield prompt, row


def _answer(model: Any, tokenizer: Any, batch: Batch, rows: list[_Row], settings: GenerationSettings, bar: Any) -> None:
    alive = list(rows)
    while True:
        tokens = _choose(project(model, batch.hidden).float(), alive, settings)
        going_on = []
        for line, token in enumerate(tokens.tolist()):
            row = alive[line]
            if row.finished or len(row.new_ids) >= settings.max_new_tokens:
                continue
            if _append(tokenizer, row, token) or len(row.new_ids) == settings.max_new_tokens:
                bar.update()
            else:
                going_on.append(line)
        if not going_on:
            return
        if len(going_on) < _KEEP_SHARE * len(alive):
            batch.select(going_on)
            tokens = tokens[torch.tensor(going_on, device=tokens.device)]
            alive = [alive[line] for line in going_on]
        batch.mask = torch.cat([batch.mask, batch.mask.new_ones(len(alive), 1)], dim=1)
        batch.positions = batch.positions + 1
        batch.hidden = decoder_of(model)(
            input_ids=tokens[:, None],
            attention_mask=batch.mask,
            position_ids=batch.positions,
            past_key_values=batch.cache,
            use_cache=True,
            **({} if batch.prefixes is None else {"prefixes": batch.prefixes}),
        ).last_hidden_state[:, -1]


def _choose(logits: Tensor, rows: list[_Row], settings: GenerationSettings) -> Tensor:
    if settings.temperature == 0:
        return logits.argmax(-1)
    return draw(logits, [row.chance.random() for row in rows], settings.temperature, settings.top_p)


def _append(tokenizer: Any, row: _Row, token: int) -> bool:
    """Add a token to an answer; say whether the answer is finished."""
    row.new_ids.append(token)
    row.finished = token == tokenizer.eos_token_id or _is_answered(tokenizer, row.new_ids)
    return row.finished


def _is_answered(tokenizer: Any, ids: list[int]) -> bool:
    return is_complete(tokenizer.decode(ids, skip_special_tokens=True))


def _search_beams(model: Any, tokenizer: Any, rows: list[_Row], settings: GenerationSettings, bar: Any) -> None:
    size = max(1, settings.batch_size // settings.num_beams) * settings.num_answers
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        found = search(
            model, [row.prompt_ids for row in part[:: settings.num_answers]], lambda ids: _is_answered(tokenizer, ids),
            num_beams=settings.num_beams, num_answers=settings.num_answers, max_new_tokens=settings.max_new_tokens,
            pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id,
        )  # fmt: skip
        for row, ids in zip(part, chain.from_iterable(found), strict=True):
            row.new_ids = ids
            row.finished = ids[-1:] == [tokenizer.eos_token_id] or _is_answered(tokenizer, ids)
            bar.update()
