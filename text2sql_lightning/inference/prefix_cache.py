"""The KV cache of the rows in a batch: prompts are read as prefix trees, and what rows share may be kept once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from text2sql_lightning.inference.prefix_tree import count_tokens, group, lay_out, shared_length, split
from text2sql_lightning.modeling.cpu import SharedPrefixes
from text2sql_lightning.modeling.decoder import decoder_of, device_of
from text2sql_lightning.modeling.packs import SEGMENTS_NAME
from text2sql_lightning.text.prefix_tree import Ids

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel

_SPARE: Final = 64
"""Columns that are reserved at a time: appending one by one would copy the whole cache at every step."""
_MOST_TOKENS: Final = 512
"""Of one forward pass: in a longer one the attention to tokens of other prompts, masked but computed, would cost more
than the larger matrix products gain."""
_GROUP_COST: Final = 128
"""Tokens: what a group of rows with a shared prefix costs a step, in keys and values that could be read instead."""

_Layers = list[tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Prefilled:
    """A prompt that the model has read.

    Attributes:
        ids: Its tokens.
        hidden: The hidden state of its last token, (width,).
    """

    ids: tuple[int, ...]
    hidden: Tensor
    _layers: _Layers
    _places: Tensor

    def layers(self, start: int, end: int) -> _Layers:
        """Return the keys and values of some of its tokens, each (heads, length, size), layer by layer."""
        places = self._places[start:end]
        return [(keys[0, :, places], values[0, :, places]) for keys, values in self._layers]


@dataclass
class Batch:
    """Rows that are answered together.

    Attributes:
        hidden: The hidden state of each row's last token, (rows, width).
        cache: Their keys and values, right-aligned.
        mask: Attention mask over the columns of the cache, (rows, columns).
        positions: Position of the last token of each row, (rows, 1).
        prefixes: What comes before the cache, None where every row holds all of its prompt.
    """

    hidden: Tensor
    cache: "Cache"
    mask: Tensor
    positions: Tensor
    prefixes: SharedPrefixes | None = None

    def select(self, rows: list[int]) -> None:
        """Keep some rows, in order; `hidden` is for the next step to set."""
        index = torch.tensor(rows, device=self.mask.device)
        self.cache.batch_select_indices(index)
        self.mask, self.positions = self.mask[index], self.positions[index]
        if self.prefixes is not None:
            self.prefixes = self.prefixes.select(rows)


def shares_prefixes(model: "PreTrainedModel", longest: int) -> bool:
    """Return whether a model can read a prefix tree: it takes a mask of four dimensions and attends to everything.

    Args:
        model: The model, with transformers' own layers at work (`stock_layers`).
        longest: Tokens of the longest sequence: a sliding window must not be shorter.
    """
    config = getattr(decoder_of(model), "config", None)
    if getattr(config, "_attn_implementation", None) not in ("sdpa", SEGMENTS_NAME):
        return False
    if set(getattr(config, "layer_types", None) or ["full_attention"]) - {"full_attention", "sliding_attention"}:
        return False
    window = getattr(config, "sliding_window", None)
    return window is None or window >= longest


def read_prompts(model: "PreTrainedModel", prompts: Sequence[Ids]) -> Iterator[Prefilled]:
    """Read prompts, each shared prefix once.

    Args:
        model: A model for which `shares_prefixes` holds, in inference mode.
        prompts: Sorted, each once, none empty.

    Yields:
        The prompts in their order, read as late as possible: states that nobody holds are gone.
    """
    if prompts:
        yield from _read(model, prompts, 0, [])


def _read(model: "PreTrainedModel", prompts: Sequence[Ids], depth: int, past: _Layers) -> Iterator[Prefilled]:
    if len(prompts) == 1 or count_tokens(prompts, depth) <= _MOST_TOKENS:
        yield from _read_tree(model, prompts, depth, past)
        return
    shared = shared_length(prompts)
    if shared > depth:
        _, past = _forward(model, [prompts[0][:shared]], depth, past)
    runs = split(prompts, shared, _MOST_TOKENS)
    for run in runs:
        if len(runs) == 1:  # one of them is the beginning of all others: they do not part here
            yield from _read_tree(model, run, shared, past)
        else:
            yield from _read(model, run, shared, past)


def _read_tree(model: "PreTrainedModel", prompts: Sequence[Ids], depth: int, past: _Layers) -> Iterator[Prefilled]:
    hidden, layers = _forward(model, prompts, depth, past)
    for ids, path in zip(prompts, lay_out(prompts, depth).paths, strict=True):
        places = torch.tensor([*range(depth), *(depth + place for place in path)], device=hidden.device)
        yield Prefilled(tuple(ids), hidden[path[-1]], layers, places)


def _forward(model: "PreTrainedModel", prompts: Sequence[Ids], depth: int, past: _Layers) -> tuple[Tensor, _Layers]:
    """Read the prompts from `depth` on; return hidden states (tokens, width), and keys and values with the past."""
    from transformers import DynamicCache

    layout, device = lay_out(prompts, depth), device_of(model)
    cache: Any = DynamicCache()
    for index, (keys, values) in enumerate(past):
        cache.update(keys, values, index)
    hidden = decoder_of(model)(
        input_ids=torch.tensor([layout.input_ids], device=device),
        position_ids=torch.tensor([layout.position_ids], device=device),
        attention_mask=layout.allowed().to(device)[None, None],
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state[0]
    return hidden, [(layer.keys, layer.values) for layer in cache.layers]


def gather(prefilled: Sequence[Prefilled], share: bool) -> Batch:
    """Put prompts that were read into a batch; one may be in it several times.

    Args:
        prefilled: Sorted by their tokens.
        share: Keep prefixes that rows share once, for a model in which `grouped_attention` is at work.
    """
    groups = group([prompt.ids for prompt in prefilled], _GROUP_COST) if share else [(len(prefilled), 0)]
    starts = [shared for count, shared in groups for _ in range(count)]
    states = [prompt.layers(start, len(prompt.ids)) for prompt, start in zip(prefilled, starts, strict=True)]
    layers = [tuple(zip(*rows, strict=True)) for rows in zip(*states, strict=True)]
    hidden = torch.stack([prompt.hidden for prompt in prefilled])
    lengths = torch.tensor([[len(prompt.ids)] for prompt in prefilled], device=hidden.device)
    own = lengths - torch.tensor(starts, device=hidden.device)[:, None]
    width = int(own.max())
    mask = (torch.arange(width, device=hidden.device) >= width - own).long()
    prefixes = _shared(prefilled, groups) if any(starts) else None
    return Batch(hidden, row_cache([(keys, values) for keys, values in layers], width), mask, lengths - 1, prefixes)


def _shared(prefilled: Sequence[Prefilled], groups: Sequence[tuple[int, int]]) -> SharedPrefixes:
    firsts = [sum(count for count, _ in groups[:number]) for number in range(len(groups))]
    layers = [prefilled[first].layers(0, shared) for first, (_, shared) in zip(firsts, groups, strict=True)]
    return SharedPrefixes([count for count, _ in groups], list(zip(*layers, strict=True)))


def row_cache(layers: Sequence[tuple[Sequence[Tensor], Sequence[Tensor]]], width: int) -> "Cache":
    """Build a cache in which every row ends at the same column.

    Args:
        layers: For each layer the keys of the rows and their values, each (heads, length, size); rows may differ in
            length.
        width: Columns; rows are filled up with zeros at the left, which a mask has to hide.

    Returns:
        A cache of transformers that also drops rows (`batch_select_indices`).
    """
    from transformers import Cache

    kind = _growing_layer()
    return Cache(layers=[kind(_right_aligned(keys, width), _right_aligned(values, width)) for keys, values in layers])


def _right_aligned(rows: Sequence[Tensor], width: int) -> Tensor:
    """Stack tensors (heads, length, size) to (rows, heads, width + spare, size)."""
    heads, _, size = rows[0].shape
    stacked = rows[0].new_zeros(len(rows), heads, width + _SPARE, size)
    for line, row in enumerate(rows):
        stacked[line, :, width - row.shape[1] : width] = row
    return stacked


@lru_cache(maxsize=1)
def _growing_layer() -> Any:
    from transformers.cache_utils import DynamicLayer

    class GrowingLayer(DynamicLayer):
        """A layer whose tensors have spare columns, so that a step writes one column and copies nothing."""

        def __init__(self, keys: Tensor, values: Tensor) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
            self._stores = [keys, values]
            self._show(keys.shape[2] - _SPARE)

        def _show(self, length: int) -> tuple[Tensor, Tensor]:
            self._length = length
            self.keys, self.values = keys, values = [store[:, :, :length] for store in self._stores]
            return keys, values

        def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
            start = self._length
            end = start + key_states.shape[2]
            if end > self._stores[0].shape[2]:
                self._stores = [_with_spare(store[:, :, :start], end) for store in self._stores]
            for store, states in zip(self._stores, (key_states, value_states), strict=True):
                store[:, :, start:end] = states
            return self._show(end)

        def batch_select_indices(self, indices: Tensor) -> None:
            self._stores = [_with_spare(store[indices, :, : self._length], self._length) for store in self._stores]
            self._show(self._length)

    return GrowingLayer


def _with_spare(states: Tensor, length: int) -> Tensor:
    rows, heads, filled, size = states.shape
    larger = states.new_zeros(rows, heads, length + _SPARE, size)
    larger[:, :, :filled] = states
    return torch.as_tensor(larger)


def padded(prompts: Sequence[Ids], pad_token_id: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return prompts padded at the left and their attention mask, both (prompts, longest)."""
    width = max(len(ids) for ids in prompts)
    ids = torch.tensor([[pad_token_id] * (width - len(row)) + list(row) for row in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts], device=device)
    return ids, mask


def read_padded(model: "PreTrainedModel", prompts: Sequence[Ids], pad_token_id: int) -> Batch:
    """Read the prompts of a batch row by row, padded at the left: what every model can do."""
    from transformers import DynamicCache

    ids, mask = padded(prompts, pad_token_id, device_of(model))
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = DynamicCache()
    hidden = decoder_of(model)(
        input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
    ).last_hidden_state[:, -1]
    return Batch(hidden, cache, mask, positions[:, -1:])
