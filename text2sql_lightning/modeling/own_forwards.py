"""Modules whose `forward` was replaced on the instance, given back what they had."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def forwards_kept(modules: Iterable[Any]) -> Iterator[None]:
    """Give modules back the `forward` that they had, or none of their own, whatever replaces it meanwhile.

    Args:
        modules: Of a model.
    """
    before = [(module, vars(module).get("forward")) for module in modules]
    try:
        yield
    finally:
        for module, forward in before:
            vars(module).pop("forward", None)
            if forward is not None:
                module.forward = forward
