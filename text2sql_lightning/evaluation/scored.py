"""A prediction with its verdicts, as a line of `eval_*.jsonl` holds it, and the measures that are made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from text2sql_lightning.errors import DataError

HARDNESS: Final = ("easy", "medium", "hard", "extra", "unknown")
"""Ratings in the order in which they are shown."""


@dataclass(frozen=True)
class Measure:
    """A verdict, the figure that is the share of examples with it, and the name that people read.

    Attributes:
        verdict: Key of a line of `eval_*.jsonl`.
        figure: Key of `eval_*.json`.
        label: Its name in tables.
    """

    verdict: str
    figure: str
    label: str


SPIDER_MEASURES: Final = (
    Measure("exec", "execution_accuracy", "Execution accuracy"),
    Measure("exec_suite", "test_suite_accuracy", "Test-suite accuracy"),
    Measure("exact", "exact_set_match", "Exact set match"),
)
INTERNAL_MEASURES: Final = (
    Measure("exec", "execution_accuracy", "Execution accuracy"),
    Measure("exec_case_blind", "execution_accuracy_case_blind", "Ignoring letter case of text"),
    Measure("exact", "exact_match", "Exact match"),
    Measure("exact_set", "exact_set_match", "Exact set match"),
    Measure("valid", "valid_sql_rate", "Valid SQL"),
    Measure("adheres", "schema_adherence", "Schema adherence"),
)
ALL_VERDICTS: Final = ("exec", "exec_suite", "exec_case_blind", "exact", "exact_set", "valid", "adheres")


@dataclass(frozen=True)
class ScoredExample:
    """One prediction and what was found.

    Attributes:
        key: The example's number or id, as text; no other example of the file has the same.
        group: Its database or schema: what intervals resample as a whole.
        question: The question in words.
        gold: The query that is right.
        predicted: The query that was judged.
        verdicts: Name of a verdict -> whether it holds; None where it was not asked for.
        hardness: Rating of the gold query.
        error: Class of the error (docs/evaluation.md), None for a right answer.
        seconds: Time that judging it took.
        source: Where the example comes from; empty where there is one source.
    """

    key: str
    group: str
    question: str
    gold: str
    predicted: str
    verdicts: Mapping[str, bool | None]
    hardness: str
    error: str | None
    seconds: float = 0.0
    source: str = ""

    def holds(self, verdict: str) -> bool | None:
        """Give a verdict; None where it was not asked for."""
        return self.verdicts.get(verdict)


def from_row(row: Mapping[str, Any], place: str) -> ScoredExample:
    """Read a line of `eval_spider.jsonl` or `eval_internal.jsonl`.

    Args:
        row: The JSON object.
        place: File and line, for messages.

    Raises:
        DataError: It is no such line; says what is missing.
    """
    key = row.get("id", row.get("index"))
    group = row.get("db_id", row.get("schema"))
    texts = [row.get(name) for name in ("question", "gold", "predicted", "hardness")]
    if key is None or group is None or not all(isinstance(text, str) for text in texts):
        raise DataError(
            f"{place}: no line of an evaluation (it needs index or id, db_id or schema, question, gold, predicted, "
            "hardness); give the eval_*.jsonl of an evaluation command"
        )
    question, gold, predicted, hardness = (str(text) for text in texts)
    verdicts = {name: _verdict(row[name], f"{place}, field {name}") for name in ALL_VERDICTS if name in row}
    error = row.get("error")
    return ScoredExample(
        str(key), str(group), question, gold, predicted, verdicts, hardness, None if error is None else str(error)
    )


def _verdict(value: Any, place: str) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    raise DataError(f"{place}: {value!r} is no verdict; true, false or null is expected")


def share(examples: Sequence[ScoredExample], verdict: str) -> float | None:
    """Give the share of examples for which a verdict holds; None where there is none to ask."""
    asked = [example.holds(verdict) for example in examples if example.holds(verdict) is not None]
    return sum(map(bool, asked)) / len(asked) if asked else None
