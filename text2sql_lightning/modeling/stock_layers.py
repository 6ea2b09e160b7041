"""Transformers' own layers in a model that Unsloth loaded on a GPU, for the time in which it generates.

Unsloth's layers there keep keys and values as tuples and go through their cache one new token at a time, in a loop of
their own. A batch that reads prefixes once and drops finished rows needs the layers of transformers, which Unsloth
leaves in place behind a mark on each module. On a CPU the layers are transformers' anyway, and nothing has a mark.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_MARK: Final = "_unsloth_fast_path"


@contextmanager
def stock_layers(model: Any) -> Iterator[None]:
    """Let the modules of a model compute as transformers wrote them; afterwards they are what they were.

    Args:
        model: Any model; only modules that Unsloth marked change.
    """
    marked = [module for module in model.modules() if vars(module).get(_MARK)]
    try:
        for module in marked:
            setattr(module, _MARK, False)
        yield
    finally:
        for module in marked:
            setattr(module, _MARK, True)
