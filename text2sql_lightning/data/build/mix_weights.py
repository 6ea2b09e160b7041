"""The weights of `--mix`: how much of the training rows each source gives."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.text.source_names import source_slug


@dataclass(frozen=True)
class MixWeight:
    """How much of the training rows a source gives.

    Attributes:
        source: The source, as records name it, or its slug.
        weight: Its part: its share of the training rows is this over the sum of all weights.
        repeat: How often each of its rows may stand there; 1 never repeats one.
    """

    source: str
    weight: float
    repeat: int = 1

    @classmethod
    def parse(cls, text: str) -> "MixWeight":
        """Read `NAME=WEIGHT` or `NAME=WEIGHTxREPEAT`, such as `shop.sqlite=1x5`.

        Raises:
            ConfigError: The text has another form, or a number is not above zero.
        """
        name, _, numbers = text.rpartition("=")
        weight, _, repeat = numbers.partition("x")
        try:
            parsed = cls(name, float(weight), int(repeat or 1))
        except ValueError:
            parsed = cls("", 0)
        if not parsed.source or not isfinite(parsed.weight) or parsed.weight <= 0 or parsed.repeat < 1:
            raise ConfigError(
                f"--mix {text}: give NAME=WEIGHT with a weight above 0, or NAME=WEIGHTxREPEAT to let each row of the "
                "source stand up to REPEAT times"
            )
        return parsed


def match_weights(weights: Iterable[MixWeight], sources: Iterable[str]) -> dict[str, MixWeight]:
    """Give each source its weight.

    Args:
        weights: What the user gave.
        sources: The names of all sources.

    Returns:
        The weight of each source.

    Raises:
        ConfigError: A weight names no source or one that has a weight already, or a source has none.
    """
    names = sorted(sources)
    chosen: dict[str, MixWeight] = {}
    for weight in weights:
        source = next((name for name in names if weight.source in (name, source_slug(name))), None)
        if source is None or source in chosen:
            problem = "no training rows of a source of this name" if source is None else "two weights for one source"
            raise ConfigError(f"--mix {weight.source}: {problem}; the sources are {', '.join(names)}")
        chosen[source] = weight
    if missing := [name for name in names if name not in chosen]:
        raise ConfigError(f"--mix: no weight for {', '.join(missing)}; with --mix every source needs one")
    return chosen
