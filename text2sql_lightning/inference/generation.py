"""The built-in loop over tokens: shared prefixes are read once, a row leaves when its statement is complete."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from tqdm import tqdm

from text2sql_lightning.inference.prefix_cache import (
    Batch,
    Prefilled,
    gather,
    padded,
    read_padded,
    read_prompts,
    shares_prefixes,
)
from text2sql_lightning.modeling.backends.unsloth import stock_layers
from text2sql_lightning.modeling.cpu import accelerated_generation, grouped_attention
from text2sql_lightning.modeling.decoder import base_of, decoder_of, device_of, project
from text2sql_lightning.modeling.settings import GenerationSettings
from text2sql_lightning.text.sql_cleaning import ensure_sql_only, is_complete
from text2sql_lightning.text.tokenizer import encode_texts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

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

    @classmethod
    def from_tokens(cls, tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int], finished: bool) -> "Generation":
        """Decode an answer."""
        raw = decode(tokenizer, ids)
        return cls(raw, ensure_sql_only(raw), tuple(ids), finished)

    @property
    def num_tokens(self) -> int:
        """Generated tokens, the EOS included."""
        return len(self.token_ids)


def decode(tokenizer: "PreTrainedTokenizerBase", ids: Sequence[int]) -> str:
    """Return the text of generated tokens, special tokens left out."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=True))


@dataclass
class _Row:
    index: int
    sample: int
    prompt_ids: tuple[int, ...]
    random: Random
    new_ids: list[int] = field(default_factory=list)
    finished: bool = False


def generate_samples(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    prompts: Sequence[str],
    settings: GenerationSettings,
    progress: bool = False,
) -> list[list[Generation]]:
    """Answer each prompt `settings.num_answers` times.

    Args:
        model: The causal language model, with or without adapters, in inference mode.
        tokenizer: Its tokenizer.
        prompts: Built by `build_prompt`.
        settings: Limits, sampling and beams.
        progress: Show a progress bar.

    Returns:
        The answers to each prompt, in the order of the prompts; beams from the most likely one on. In float32 they do
        not depend on what else is asked nor on the batch size, except where the two most likely tokens are closer than
        rounding.
    """
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
        stack.enter_context(accelerated_generation(model))
        bar = stack.enter_context(tqdm(total=len(rows), desc="Generating SQL", disable=not progress))
        loop = _TokenLoop(model, tokenizer, settings, bar)
        (loop.search_beams if settings.num_beams > 1 else loop.answer_all)(in_order)
    answers = [Generation.from_tokens(tokenizer, row.new_ids, row.finished) for row in rows]
    return [answers[at : at + settings.num_answers] for at in range(0, len(answers), settings.num_answers)]


class _TokenLoop:
    """Writes the answers of rows into them."""

    def __init__(
        self,
        model: "PreTrainedModel",
        tokenizer: "PreTrainedTokenizerBase",
        settings: GenerationSettings,
        bar: "tqdm[Any]",
    ) -> None:
        self._model, self._tokenizer, self._settings, self._bar = model, tokenizer, settings, bar
        self._eos, self._pad = tokenizer.eos_token_id, tokenizer.pad_token_id

    def answer_all(self, rows: list[_Row]) -> None:
        """Answer rows that are sorted by their prompts."""
        longest = max((len(row.prompt_ids) for row in rows), default=0) + self._settings.max_new_tokens
        shared = bool(rows) and shares_prefixes(self._model, longest)
        with grouped_attention(self._model) as grouped:
            for batch, members in self._batches(rows, shared, grouped):
                self._answer(batch, members)

    def _batches(self, rows: list[_Row], shared: bool, grouped: bool) -> Iterator[tuple[Batch, list[_Row]]]:
        """Read the prompts, batch by batch, just before they are answered."""
        size = self._settings.batch_size
        if not shared:
            for start in range(0, len(rows), size):
                part = rows[start : start + size]
                yield read_padded(self._model, [row.prompt_ids for row in part], self._pad), part
            return
        once = list(dict.fromkeys(row.prompt_ids for row in rows))
        pending = _with_rows(read_prompts(self._model, once), rows)
        while members := list(islice(pending, size)):
            yield gather([prompt for prompt, _ in members], grouped), [row for _, row in members]

    def _answer(self, batch: Batch, alive: list[_Row]) -> None:
        while True:
            tokens = self._choose_tokens(project(self._model, batch.hidden).float(), alive)
            going_on = [line for line, token in enumerate(tokens.tolist()) if self._goes_on(alive[line], token)]
            if not going_on:
                return
            if len(going_on) < _KEEP_SHARE * len(alive):
                batch.select(going_on)
                tokens = tokens[torch.tensor(going_on, device=tokens.device)]
                alive = [alive[line] for line in going_on]
            batch.mask = torch.cat([batch.mask, batch.mask.new_ones(len(alive), 1)], dim=1)
            batch.positions = batch.positions + 1
            batch.hidden = decoder_of(self._model)(
                input_ids=tokens[:, None],
                attention_mask=batch.mask,
                position_ids=batch.positions,
                past_key_values=batch.cache,
                use_cache=True,
                **({} if batch.prefixes is None else {"prefixes": batch.prefixes}),
            ).last_hidden_state[:, -1]

    def _choose_tokens(self, logits: Tensor, rows: list[_Row]) -> Tensor:
        if self._settings.temperature == 0:
            return logits.argmax(-1)
        return draw(logits, [row.random.random() for row in rows], self._settings.temperature, self._settings.top_p)

    def _goes_on(self, row: _Row, token: int) -> bool:
        """Add a token to an answer that is not finished; return whether more are to come."""
        limit = self._settings.max_new_tokens
        if row.finished or len(row.new_ids) >= limit:
            return False
        row.new_ids.append(token)
        row.finished = self._ends(row)
        if not row.finished and len(row.new_ids) < limit:
            return True
        self._bar.update()
        return False

    def _ends(self, row: _Row) -> bool:
        return row.new_ids[-1:] == [self._eos] or is_complete(decode(self._tokenizer, row.new_ids))

    def search_beams(self, rows: list[_Row]) -> None:
        """Answer rows, those of a prompt next to each other, with the most likely answers of a beam search."""
        count = self._settings.num_answers
        size = max(1, self._settings.batch_size // self._settings.num_beams) * count
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            found = self._beams([row.prompt_ids for row in part[::count]])
            for row, ids in zip(part, found, strict=True):
                row.new_ids = _until_end(ids, self._eos, self._pad)
                row.finished = self._ends(row)
                self._bar.update()

    def _beams(self, prompts: list[tuple[int, ...]]) -> list[list[int]]:
        """Search with transformers' own beams, which end where a statement is complete."""
        from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

        ids, mask = padded(prompts, self._pad, device_of(self._model))
        width, pad, tokenizer = ids.shape[1], self._pad, self._tokenizer

        class Complete(StoppingCriteria):
            def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
                texts = [decode(tokenizer, [t for t in row if t != pad]) for row in input_ids[:, width:].tolist()]
                return torch.tensor([is_complete(text) for text in texts], device=input_ids.device, dtype=torch.bool)

        describe: Any = GenerationConfig
        config = describe(
            num_beams=self._settings.num_beams,
            num_return_sequences=self._settings.num_answers,
            do_sample=False,
            max_new_tokens=self._settings.max_new_tokens,
            pad_token_id=pad,
            eos_token_id=self._eos,
            use_cache=True,
        )
        base: Any = base_of(self._model)
        whole = base.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=config,
            stopping_criteria=StoppingCriteriaList([Complete()]),
        )
        answers: list[list[int]] = whole[:, width:].tolist()
        return answers


def _with_rows(prompts: Iterator[Prefilled], rows: list[_Row]) -> Iterator[tuple[Prefilled, _Row]]:
    prompt = None
    for row in rows:
        if prompt is None or prompt.ids != row.prompt_ids:
            prompt = next(prompts)
        yield prompt, row


def _until_end(tokens: list[int], eos_token_id: int, pad_token_id: int) -> list[int]:
    if eos_token_id in tokens:
        return tokens[: tokens.index(eos_token_id) + 1]
    while tokens and tokens[-1] == pad_token_id:
        tokens.pop()
    return tokens


def row_random(prompt_ids: Sequence[int], sample: int, seed: int) -> Random:
    """Return the random numbers of one answer: they depend on the prompt, the sample's number and the seed alone."""
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
