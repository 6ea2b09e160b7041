"""The state of a model after each prompt: what prompts share is computed once, whatever batch they end up in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from text2sql_lightning.inference.prefix_tree import Ids, count_tokens, lay_out, shared_length, split
from text2sql_lightning.inference.row_cache import row_cache
from text2sql_lightning.modeling.decoder import decoder_of
from text2sql_lightning.modeling.segment_attention import NAME as SEGMENTS_NAME

_MOST_TOKENS: Final = 512
"""Of one forward pass: in a longer one the attention to tokens of other prompts, masked but computed, would cost more
than the larger matrix products gain."""

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

    def layers(self) -> _Layers:
        """Give its keys and values, each (heads, length, size), layer by layer."""
        return [(keys[0, :, self._places], values[0, :, self._places]) for keys, values in self._layers]


@dataclass
class Batch:
    """Rows that are answered together.

    Attributes:
        hidden: The hidden state of each row's last token, (rows, width).
        cache: Their keys and values, right-aligned.
        mask: Which columns of the cache a row sees, (rows, columns).
        positions: Position of the last token of each row, (rows, 1).
    """

    hidden: Tensor
    cache: Any
    mask: Tensor
    positions: Tensor


def shares_prefixes(model: Any, longest: int) -> bool:
    """Say whether a model can read a prefix tree: it takes a mask of four dimensions and attends to everything.

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


def read_prompts(model: Any, prompts: Sequence[Ids]) -> Iterator[Prefilled]:
    """Read prompts, each shared prefix once.

    Args:
        model: A model for which `shares_prefixes` holds, in inference mode.
        prompts: Sorted, each once, none empty.

    Yields:
        The prompts in their order, read as late as possible: states that nobody holds are gone.
    """
    if prompts:
        yield from _read(model, prompts, 0, [])


def _read(model: Any, prompts: Sequence[Ids], depth: int, past: _Layers) -> Iterator[Prefilled]:
    if len(prompts) == 1 or count_tokens(prompts, depth) <= _MOST_TOKENS:
        yield from _read_pack(model, prompts, depth, past)
        return
    shared = shared_length(prompts)
    if shared > depth:
        _, past = _forward(model, [prompts[0][:shared]], depth, past)
    runs = split(prompts, shared, _MOST_TOKENS)
    for run in runs:
        if len(runs) == 1:  # one of them is the beginning of all others: they do not part here
            yield from _read_pack(model, run, shared, past)
        else:
            yield from _read(model, run, shared, past)


def _read_pack(model: Any, prompts: Sequence[Ids], depth: int, past: _Layers) -> Iterator[Prefilled]:
    hidden, layers = _forward(model, prompts, depth, past)
    for ids, path in zip(prompts, lay_out(prompts, depth).paths, strict=True):
        places = torch.tensor([*range(depth), *(depth + place for place in path)], device=hidden.device)
        yield Prefilled(tuple(ids), hidden[path[-1]], layers, places)


def _forward(model: Any, prompts: Sequence[Ids], depth: int, past: _Layers) -> tuple[Tensor, _Layers]:
    """Read the prompts from `depth` on; give hidden states (tokens, width), and keys and values with the past."""
    from transformers import DynamicCache

    layout = lay_out(prompts, depth)
    weight = model.get_input_embeddings().weight
    cache: Any = DynamicCache()
    for index, (keys, values) in enumerate(past):
        cache.update(keys, values, index)
    hidden = decoder_of(model)(
        input_ids=torch.tensor([layout.input_ids], device=weight.device),
        position_ids=torch.tensor([layout.position_ids], device=weight.device),
        attention_mask=layout.allowed().to(weight.device)[None, None],
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state[0]
    return hidden, [(layer.keys, layer.values) for layer in cache.layers]


def gather(prefilled: Sequence[Prefilled]) -> Batch:
    """Put prompts that were read into a batch; one may stand in it several times."""
    width = max(len(prompt.ids) for prompt in prefilled)
    states = [prompt.layers() for prompt in prefilled]
    layers = [tuple(zip(*rows, strict=True)) for rows in zip(*states, strict=True)]
    hidden = torch.stack([prompt.hidden for prompt in prefilled])
    lengths = torch.tensor([[len(prompt.ids)] for prompt in prefilled], device=hidden.device)
    columns = torch.arange(width, device=hidden.device)
    mask = (columns >= width - lengths).long()
    return Batch(hidden, row_cache([(keys, values) for keys, values in layers], width), mask, lengths - 1)


def read_padded(model: Any, prompts: Sequence[Ids], pad_token_id: int) -> Batch:
    """Read the prompts of a batch side by side, padded at the left: what every model can do."""
    from transformers import DynamicCache

    device = model.get_input_embeddings().weight.device
    width = max(len(ids) for ids in prompts)
    ids = torch.tensor([[pad_token_id] * (width - len(row)) + list(row) for row in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in prompts], device=device)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    cache = DynamicCache()
    hidden = decoder_of(model)(
        input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
    ).last_hidden_state[:, -1]
    return Batch(hidden, cache, mask, positions[:, -1:])
