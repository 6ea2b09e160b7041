"""A sample of examples that is like the whole."""

from collections.abc import Sequence
from random import Random

from text2sql_lightning.errors import ConfigError


def stratified_sample(strata: Sequence[str], count: int | None, *, seed: int) -> list[int]:
    """Choose examples so that every stratum, e.g. every hardness, has the share that it has in the whole.

    Args:
        strata: The stratum of each example.
        count: How many to choose; None, or more than there are, chooses all.
        seed: Same seed, same choice.

    Returns:
        Positions in ascending order.

    Raises:
        ConfigError: When less than one is asked for.
    """
    if count is None or count >= len(strata):
        return list(range(len(strata)))
    if count < 1:
        raise ConfigError(f"--max_examples is {count}; it must be at least 1, or left out for all")
    members: dict[str, list[int]] = {}
    for position, stratum in enumerate(strata):
        members.setdefault(stratum, []).append(position)
    quotas = {name: count * len(those) / len(strata) for name, those in members.items()}
    sizes = {name: int(quota) for name, quota in quotas.items()}
    by_remainder = sorted(quotas, key=lambda name: (sizes[name] - quotas[name], name))
    for name in by_remainder[: count - sum(sizes.values())]:
        sizes[name] += 1
    rng = Random(f"stratified_sample/{seed}")
    return sorted(position for name in sorted(members) for position in rng.sample(members[name], sizes[name]))
