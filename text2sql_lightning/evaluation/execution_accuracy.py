"""Execution accuracy: does the predicted query return what the gold query returns, on databases made for the record?"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from tqdm import tqdm

from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.result_match import same_rows
from text2sql_lightning.sql.execution import Execution, Row, execute
from text2sql_lightning.sql.testdb.filling import Filling, make_fillings
from text2sql_lightning.sql.workers import Lost, map_chunks
from text2sql_lightning.text.sql_tokens import is_top_level_ordered, tokenize

_log = logging.getLogger(__name__)

RULES: Final[dict[str, str]] = {
    "databases": "4 databases a record, made from its CREATE TABLE text and filled around the gold query; a prediction "
    "must agree with gold on every one; columns may hold NULL, so COUNT(column) is not COUNT(*)",
    "rows": "compared as a bag; in order only where gold has an ORDER BY outside every bracket",
    "columns": "may stand in any order; their names do not count",
    "values": "text exactly, letter case included; numbers by value",
    "distinct": "kept: a missing or added DISTINCT counts where it changes the result",
    "literals": "as predicted; none of gold's are inserted",
    "case_blind": "columns declared COLLATE NOCASE, text in results compared ignoring letter case",
    "exact_match": "equal text but for spaces, comments, case of keywords and names, kind of quotes, final semicolon",
    "gold_invalid": "records whose gold query does not run on their own tables are left out",
    "interval_95": "percentile bootstrap of execution accuracy, schemas resampled",
}
"""What the verdicts mean; printed with the figures, for figures of different rules do not compare."""

_CHUNK: Final = 16
_Item = tuple[str, str, str]


@dataclass(frozen=True)
class Verdict:
    """The judgement on one prediction.

    Attributes:
        exec: Whether the results agree on every filling, text compared exactly.
        exec_case_blind: Whether they agree when letter case is ignored: in the results, and wherever the queries
            compare columns with text. Always true where `exec` is.
        error: Class of the prediction's error (`sql.execution`, or `sql.workers.Lost` when it took the process down),
            None when it ran.
        gold_runs: Whether the gold query runs on its own tables; where it does not, the record says nothing about
            the prediction and belongs in no denominator.
    """

    exec: bool
    exec_case_blind: bool
    error: str | None
    gold_runs: bool


def execution_match(gold: Execution, predicted: Execution, *, ordered: bool, case_blind: bool = False) -> bool:
    """Compare two results by the official rules (`result_match.same_rows`); an error matches nothing.

    Args:
        gold: What the gold query gave.
        predicted: What the predicted query gave.
        ordered: Whether the order of rows counts: where gold has an ORDER BY outside every bracket.
        case_blind: Compare text ignoring letter case.
    """
    if gold.error is not None or predicted.error is not None:
        return False
    if case_blind:
        return same_rows(_folded(gold.rows), _folded(predicted.rows), ordered=ordered)
    return same_rows(gold.rows, predicted.rows, ordered=ordered)


def score(context: str, gold: str, predicted: str, *, seed: int = 0, timeout_s: float = 5.0) -> Verdict:
    """Judge a prediction on databases made from the record's own CREATE TABLE text.

    For the case-blind verdict both queries run again on the same fillings with every column declared COLLATE NOCASE,
    so that `genre = "rock"` finds Rock, GROUP BY and DISTINCT see one value where there were two, and LOWER(genre) =
    "rock" is no fault; then text in the results is compared ignoring case. NOCASE knows only the letters of ASCII: a
    literal with others takes gold's spelling first where the two differ in case alone.

    Args:
        context: CREATE TABLE text.
        gold: The query that is right.
        predicted: The query to judge; anything that a model may have written.
        seed: Seed of the fillings.
        timeout_s: Seconds that each query may take on each filling.
    """
    try:
        fillings = make_fillings(context, gold, seed=seed)
    except DataError as error:
        _log.debug("left out: %s", error)
        return Verdict(False, False, None, gold_runs=False)
    ordered = is_top_level_ordered(gold)
    exact, error_class, gold_runs = _agree(fillings, gold, predicted, ordered, timeout_s, case_blind=False)
    if exact or not gold_runs or error_class is not None:
        return Verdict(exact, exact, error_class, gold_runs)
    respelled = _respell(predicted, gold)
    case_blind, _, _ = _agree(fillings, gold, respelled, ordered, timeout_s, case_blind=True)
    return Verdict(False, case_blind, None, gold_runs=True)


def score_many(
    items: Sequence[_Item], *, seed: int = 0, timeout_s: float = 5.0, workers: int = 1, progress: bool = False
) -> list[Verdict]:
    """Judge many predictions; the verdicts do not depend on the number of workers.

    Args:
        items: (context, gold, predicted) of each record.
        seed: Seed of the fillings.
        timeout_s: Seconds that each query may take on each filling.
        workers: Processes; never this one, for a query may take its process down.
        progress: Show a progress bar.

    Returns:
        A verdict for each item, in their order.
    """
    chunks = [items[at : at + _CHUNK] for at in range(0, len(items), _CHUNK)]
    judge = partial(_score_chunk, seed=seed, timeout_s=timeout_s)
    verdicts: list[Verdict] = []
    with tqdm(total=len(items), desc="scoring", disable=not progress, unit="query") as bar:
        for part in map_chunks(judge, chunks, workers=workers):
            verdicts += [_of_lost(one) if isinstance(one, Lost) else one for one in part]
            bar.update(len(part))
    return verdicts


def _agree(
    fillings: Iterable[Filling], gold: str, predicted: str, ordered: bool, timeout_s: float, *, case_blind: bool
) -> tuple[bool, str | None, bool]:
    """Return whether the results agree on every filling, the prediction's error, and whether gold ran."""
    for filling in fillings:
        database = filling.to_database(case_blind=case_blind)
        right = execute(database, gold, timeout_s=timeout_s)
        if right.error is not None:
            return False, None, False
        answer = execute(database, predicted, timeout_s=timeout_s)
        if not execution_match(right, answer, ordered=ordered, case_blind=case_blind):
            return False, answer.error, True
    return True, None, True


def _folded(rows: Iterable[Row]) -> list[Row]:
    return [tuple(value.casefold() if isinstance(value, str) else value for value in row) for row in rows]


def _respell(predicted: str, gold: str) -> str:
    """Write non-ASCII literals as gold does where the two differ in case alone."""
    spellings = {
        t.value.casefold(): t for t in tokenize(gold) if t.kind in ("string", "quoted") and not t.text.isascii()
    }
    for token in reversed(tokenize(predicted) if spellings else []):
        known = spellings.get(token.value.casefold())
        if known is not None and token.kind in ("string", "quoted"):
            predicted = predicted[: token.start] + known.text + predicted[token.end :]
    return predicted


def _of_lost(lost: Lost) -> Verdict:
    return Verdict(False, False, lost.reason, gold_runs=True)


def _score_chunk(chunk: Sequence[_Item], seed: int, timeout_s: float) -> list[Verdict]:
    return [score(context, gold, predicted, seed=seed, timeout_s=timeout_s) for context, gold, predicted in chunk]
