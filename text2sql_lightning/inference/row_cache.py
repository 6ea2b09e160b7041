"""The keys and values of the prompts in a batch, with room for what is generated."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import torch
from torch import Tensor

_ROOM: Final = 64
"""Tokens that are made room for at a time: appending one by one would copy the whole cache at every step."""


def row_cache(layers: Sequence[tuple[Sequence[Tensor], Sequence[Tensor]]], width: int) -> Any:
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
    """Stack tensors (heads, length, size) to (rows, heads, width + room, size)."""
    heads, _, size = rows[0].shape
    stacked = rows[0].new_zeros(len(rows), heads, width + _ROOM, size)
    for line, row in enumerate(rows):
        stacked[line, :, width - row.shape[1] : width] = row
    return stacked


@lru_cache(maxsize=1)
def _growing_layer() -> Any:
    from transformers.cache_utils import DynamicLayer

    class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]
        """A layer whose tensors have room to grow, so that a step writes one column and copies nothing."""

        def __init__(self, keys: Tensor, values: Tensor) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
            self._stores = [keys, values]
            self._show(keys.shape[2] - _ROOM)

        def _show(self, length: int) -> tuple[Tensor, Tensor]:
            self._length = length
            keys, values = (store[:, :, :length] for store in self._stores)
            self.keys, self.values = keys, values
            return keys, values

        def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
            start = self._length
            end = start + key_states.shape[2]
            if end > self._stores[0].shape[2]:
                self._stores = [_with_room(store[:, :, :start], end) for store in self._stores]
            for store, states in zip(self._stores, (key_states, value_states), strict=True):
                store[:, :, start:end] = states
            return self._show(end)

        def batch_select_indices(self, indices: Tensor) -> None:
            self._stores = [_with_room(store[indices, :, : self._length], self._length) for store in self._stores]
            self._show(self._length)

    return GrowingLayer


def _with_room(states: Tensor, length: int) -> Tensor:
    rows, heads, filled, size = states.shape
    larger = states.new_zeros(rows, heads, length + _ROOM, size)
    larger[:, :, :filled] = states
    return torch.as_tensor(larger)
