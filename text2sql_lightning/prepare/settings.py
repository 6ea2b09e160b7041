"""Settings of a build, and the weights of its sources."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Final, Literal, get_args

from text2sql_lightning.errors import ConfigError
from text2sql_lightning.text.prompts import source_slug


@dataclass(frozen=True)
class MixWeight:
    """Share of a source among the training rows.

    Attributes:
        source: The source, as records name it, or its slug.
        weight: The share is this over the sum of all weights.
        repeat: How often each row of the source may occur; 1 never repeats one.
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
                "source occur up to REPEAT times"
            )
        return parsed


def match_weights(weights: Iterable[MixWeight], sources: Iterable[str]) -> dict[str, MixWeight]:
    """Return the weight of each source.

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


LiteralCase = Literal["question", "keep"]
SplitBy = Literal["schema", "row"]
LITERAL_CASES: Final[tuple[str, ...]] = get_args(LiteralCase)
SPLIT_KINDS: Final[tuple[str, ...]] = get_args(SplitBy)

MOST_DISTRACTORS: Final = 20


@dataclass(frozen=True)
class BuildSettings:
    """Settings of a build; the same rows and settings give the same bytes, whatever `workers` is.

    Attributes:
        val_ratio: Share of the kept rows that goes to val, 0 to 1.
        test_ratio: Share of the kept rows that goes to test, 0 to 1.
        seed: Decides the sample, the split and the order of the records.
        max_rows: Read a seeded sample of this many rows; None reads all.
        literal_case: `question` spells a literal as the question does where they differ in case alone; `keep` does not.
        split_by: `schema` keeps all rows of a schema in one split; `row` splits rows one by one.
        distractors: Mean number of columns in a row's schema that its answer does not need; 0 adds none and leaves
            schemas as they are.
        decontaminate: Whether rows that occur in Spider dev are dropped.
        decontaminate_against: Test sets that are searched as well: Spider folders, or files of `read_benchmark`.
        mix: The weight of each source among the training rows; nothing keeps every row.
        workers: Processes that clean rows; few rows are cleaned in this one whatever is given.
    """

    val_ratio: float = 0.08
    test_ratio: float = 0.05
    seed: int = 42
    max_rows: int | None = None
    literal_case: LiteralCase = "question"
    split_by: SplitBy = "schema"
    distractors: float = 3.0
    decontaminate: bool = True
    decontaminate_against: tuple[Path, ...] = ()
    mix: tuple[MixWeight, ...] = ()
    workers: int = 1

    def __post_init__(self) -> None:
        """Refuse settings that cannot work.

        Raises:
            ConfigError: Names the flag, the value and what is allowed.
        """
        for name, ratio in (("val_ratio", self.val_ratio), ("test_ratio", self.test_ratio)):
            if not 0 <= ratio < 1:
                raise ConfigError(f"--{name} {ratio}: give a share of at least 0 and below 1")
        if self.val_ratio + self.test_ratio >= 1:
            raise ConfigError(
                f"--val_ratio {self.val_ratio} and --test_ratio {self.test_ratio} leave nothing to train on: "
                "their sum must be below 1"
            )
        if not 0 <= self.distractors <= MOST_DISTRACTORS:
            raise ConfigError(f"--distractors {self.distractors}: give a mean of 0 (none) to {MOST_DISTRACTORS}")
        for name, number in (("max_rows", self.max_rows), ("workers", self.workers)):
            if number is not None and number < 1:
                raise ConfigError(f"--{name} {number}: give a whole number of at least 1")
        for name, value, allowed in (
            ("literal_case", self.literal_case, LITERAL_CASES),
            ("split_by", self.split_by, SPLIT_KINDS),
        ):
            if value not in allowed:
                raise ConfigError(f"--{name} {value}: give {' or '.join(allowed)}")
        if self.decontaminate_against and not self.decontaminate:
            raise ConfigError("--no_decontaminate and --decontaminate_against exclude each other: give one of them")
