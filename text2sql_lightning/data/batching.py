"""Which examples form a batch: similar lengths, every example once, the same on every machine.

Padding is wasted work, so a batch holds examples of similar length. `plan_batches` is a pure function of lengths, seed
and epoch; the sampler and the loader around it only remember how far an epoch has come, for an exact resume.
"""

import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import cycle, islice, pairwise
from typing import Any, Final, TypeVar

import torch
from torch.utils.data import DataLoader, Sampler

from text2sql_lightning.data.packing import plan_packs

T = TypeVar("T")

logger = logging.getLogger(__name__)

WINDOW: Final = 50
"""Steps whose examples are sorted by length together: enough for even batches, few enough to stay random."""


def plan_batches(
    lengths: Sequence[int],
    batch_size: int,
    *,
    seed: int,
    epoch: int = 0,
    shuffle: bool = True,
    world_size: int = 1,
    rank: int = 0,
    groups: Sequence[int] | None = None,
) -> list[list[int]]:
    """Plan one epoch of batches of similar length.

    Every rank gets the same number of batches, and in each step all ranks work on similar lengths. The examples of a
    step depend on `batch_size * world_size` only, so 2 processes x 4 see what 1 process x 8 sees.

    With `shuffle`, examples are permuted, sorted within windows of 50 steps, and the steps permuted. Every example
    occurs once in an epoch over all ranks; only where the last step has fewer examples than ranks, up to
    `world_size - 1` are repeated. Without `shuffle` (evaluation) every epoch has the same plan and nothing is repeated;
    a batch may then hold one example more than `batch_size` so that all ranks make equally many steps, and with fewer
    examples than ranks some ranks have none.

    Example: lengths ``[9, 2, 8, 1]``, batch size 2, no shuffling: ``[[3, 1], [2, 0]]`` or ``[[2, 0], [3, 1]]``.

    Args:
        lengths: Tokens of each example.
        batch_size: Examples per batch and rank.
        seed: Together with `epoch`, from 0, it decides the order.
        epoch: Likewise.
        shuffle: Training (True) or evaluation (False).
        world_size: Number of processes.
        rank: This process, from 0.
        groups: For shared-prefix packing: a number for each example, equal where examples begin alike. Examples of a
            group then meet instead of those of similar length, in training at most half a batch of them.

    Returns:
        Batches of indices into `lengths`, for this rank.
    """
    if not lengths:
        return []
    step_size = batch_size * world_size
    kind, of_epoch = "batches" if groups is None else "groups", shuffle or groups is not None
    generator = random.Random(f"{kind}-{seed}-{epoch}" if of_epoch else f"{kind}-{seed}")
    if not shuffle:
        steps = _evaluation_steps(lengths if groups is None else groups, step_size, world_size, generator)
    elif groups is None:
        steps = _training_steps(lengths, step_size, world_size, generator)
    else:
        steps = _grouped_steps(groups, batch_size, world_size, generator)
    parts = [step[rank::world_size] if groups is None else share_of(step, rank, world_size) for step in steps]
    return [list(part) for part in parts if part]


def share_of(items: Sequence[T], rank: int, world_size: int) -> Sequence[T]:
    """Return the items of a process: stretches in order of rank, equal to within one item."""
    return items[len(items) * rank // world_size : len(items) * (rank + 1) // world_size]


def _grouped_steps(
    groups: Sequence[int], batch_size: int, world_size: int, generator: random.Random
) -> list[list[int]]:
    members: dict[int, list[int]] = {}
    for index in generator.sample(range(len(groups)), len(groups)):
        members.setdefault(groups[index], []).append(index)
    most = max(1, batch_size // 2)
    chunks = [group[i : i + most] for group in members.values() for i in range(0, len(group), most)]
    generator.shuffle(chunks)
    # Large chunks first within a window, so that few of them are cut at a batch's end.
    order = [
        index
        for start in range(0, len(chunks), WINDOW)
        for chunk in sorted(chunks[start : start + WINDOW], key=len, reverse=True)
        for index in chunk
    ]
    step_size = batch_size * world_size
    steps = [order[i : i + step_size] for i in range(0, len(order), step_size)]
    return _mixed_and_filled(steps, order, world_size, generator)


def _training_steps(
    lengths: Sequence[int], step_size: int, world_size: int, generator: random.Random
) -> list[list[int]]:
    order = list(range(len(lengths)))
    generator.shuffle(order)
    steps = []
    for start in range(0, len(order), WINDOW * step_size):
        window = sorted(order[start : start + WINDOW * step_size], key=lengths.__getitem__)
        steps += [window[i : i + step_size] for i in range(0, len(window), step_size)]
    return _mixed_and_filled(steps, order, world_size, generator)


def _mixed_and_filled(
    steps: list[list[int]], order: list[int], world_size: int, generator: random.Random
) -> list[list[int]]:
    generator.shuffle(steps)
    for step in steps:
        # A rank without a batch would leave the others waiting.
        step += islice(cycle(order), max(0, world_size - len(step)))
    return steps


def _evaluation_steps(
    lengths: Sequence[int], step_size: int, world_size: int, generator: random.Random
) -> list[list[int]]:
    total = len(lengths)
    order = sorted(range(total), key=lengths.__getitem__)
    number = -(-total // step_size)
    if number * world_size > total:
        number = max(1, total // world_size)
    bounds = [total * i // number for i in range(number + 1)]
    steps = [order[start:end] for start, end in pairwise(bounds)]
    # Mixed, so that the first few batches (`limit_val_batches`) are not all of the shortest examples.
    generator.shuffle(steps)
    return steps


@dataclass(eq=False)
class LengthBucketBatchSampler(Sampler[list[int]]):
    """Yields the batches of `plan_batches`, or with `most_tokens` the packs of `plan_packs`, from number `start` on."""

    lengths: Sequence[int]
    batch_size: int
    _: KW_ONLY
    seed: int = 42
    shuffle: bool = True
    world_size: int = 1
    rank: int = 0
    groups: Sequence[int] | None = None
    most_tokens: int | None = None
    epoch: int = field(default=0, init=False)
    start: int = field(default=0, init=False)
    _plan: tuple[int, list[list[int]]] | None = field(default=None, init=False)

    @property
    def sampler(self) -> "LengthBucketBatchSampler":
        """Itself: Lightning announces a new epoch to `batch_sampler.sampler`."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration plans."""
        self.epoch = epoch

    def plan(self) -> list[list[int]]:
        """The batches of the current epoch, for this rank."""
        if self._plan is None or self._plan[0] != self.epoch:
            names = ("seed", "epoch", "world_size", "rank", "groups")
            place: dict[str, Any] = {name: getattr(self, name) for name in names}
            if self.most_tokens is not None:
                plan = plan_packs(self.lengths, self.most_tokens, **place)
            else:
                plan = plan_batches(self.lengths, self.batch_size, shuffle=self.shuffle, **place)
            self._plan = (self.epoch, plan)
        return self._plan[1]

    def __len__(self) -> int:
        return len(self.plan())

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.plan()[self.start :])


class ResumableLoader(DataLoader[T]):
    """A DataLoader that knows how many batches it has handed out: Lightning stores that in checkpoints by itself.

    The count is of batches that arrived, not of those that workers have prepared in advance.
    """

    def __init__(self, dataset: Sequence[T], batch_sampler: LengthBucketBatchSampler, **kwargs: Any) -> None:
        # Its own generator: starting an iteration must not draw from the global one, or a resumed run would see other
        # dropout masks than the uninterrupted one.
        kwargs.setdefault("generator", torch.Generator().manual_seed(batch_sampler.seed))
        super().__init__(dataset, batch_sampler=batch_sampler, **kwargs)  # type: ignore[arg-type]
        self.plan_sampler = batch_sampler
        self.position = 0
        self._resume_from: tuple[int, int] | None = None

    def __iter__(self) -> Iterator[object]:  # type: ignore[override]
        self.position = self.plan_sampler.start = self._take_start()
        batches = super().__iter__()
        self.plan_sampler.start = 0
        for batch in batches:
            self.position += 1
            yield batch

    def _take_start(self) -> int:
        """Where this iteration starts. A stored position is good for one iteration, of the epoch it belongs to."""
        epoch, position = self._resume_from or (self.plan_sampler.epoch, 0)
        self._resume_from = None
        return position if epoch == self.plan_sampler.epoch and position < len(self.plan_sampler) else 0

    def state_dict(self) -> dict[str, int]:
        """The position in the epoch, and what the plan was made of; plain integers only."""
        return {"epoch": self.plan_sampler.epoch, "position": self.position, **self._plan_facts()}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Continue behind the batches that were handed out when the state was taken.

        Where data, batch size or the number of processes have changed, a warning says that the rest is not exact.
        """
        plans = {key: (state_dict.get(key, 0), now) for key, now in self._plan_facts().items()}
        changed = {key: (before, now) for key, (before, now) in plans.items() if before != now}
        if changed:
            logger.warning(
                "The data plan has changed since the checkpoint (was, is): %s. The resume is not exact.", changed
            )
        self._resume_from = (state_dict["epoch"], state_dict["position"])

    def _plan_facts(self) -> dict[str, int]:
        sampler = self.plan_sampler
        return {
            "num_examples": len(sampler.lengths),
            "num_tokens": sum(sampler.lengths),
            "batch_size": sampler.batch_size,
            "world_size": sampler.world_size,
            "seed": sampler.seed,
            "grouped": int(sampler.groups is not None),
            "most_tokens": sampler.most_tokens or 0,
        }
