"""Whether two results are the same but for the order of columns, and of rows where no order was asked for."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Final, TypeAlias

_Rows: TypeAlias = Sequence[Sequence[Hashable]]

_MAX_STEPS: Final = 2_000


def same_rows(gold: _Rows, predicted: _Rows, *, ordered: bool) -> bool:
    """Compare two results as the official test-suite evaluator does.

    The predicted columns may stand in any order. Rows are a bag: how often one occurs counts, where it stands counts
    only if `ordered`. Two results without rows are equal, whatever their columns. Numbers are equal by value (1 and
    1.0), a number never equals a text.

    Args:
        gold: Rows of the gold query.
        predicted: Rows of the predicted query.
        ordered: Whether the order of the rows counts.
    """
    if not gold and not predicted:
        return True
    if len(gold) != len(predicted) or len(gold[0]) != len(predicted[0]):
        return False
    if gold == predicted:
        return True
    gold_columns, predicted_columns = list(zip(*gold, strict=True)), list(zip(*predicted, strict=True))
    if ordered:  # rows keep their places, so a permutation of columns exists if the columns are equal as a bag
        return Counter(gold_columns) == Counter(predicted_columns)
    if len(gold_columns) == 1:
        return Counter(gold_columns[0]) == Counter(predicted_columns[0])
    return _Search(gold_columns, predicted_columns).succeeds()


class _Search:
    """Look for an order of the predicted columns in which the bags of rows are equal.

    A column can only stand for one with the same signature: the same values, each in rows with the same bag of
    values. That leaves hardly ever a choice; where it does, columns are settled one after the other, and an order is
    given up as soon as the rows of the columns so far differ.
    """

    def __init__(self, gold: list[tuple[Hashable, ...]], predicted: list[tuple[Hashable, ...]]) -> None:
        self._gold, self._predicted = gold, predicted
        self._steps = _MAX_STEPS
        signatures, wanted = _signatures(predicted), _signatures(gold)
        self._candidates = [[i for i, s in enumerate(signatures) if s == signature] for signature in wanted]

    def succeeds(self) -> bool:
        if not all(self._candidates):
            return False
        return self._settle([], [()] * len(self._gold[0]), [()] * len(self._gold[0]))

    def _settle(self, taken: list[int], gold: list[Hashable], predicted: list[Hashable]) -> bool:
        at = len(taken)
        if at == len(self._gold):
            return True
        gold = list(zip(gold, self._gold[at], strict=True))
        bag = Counter(gold)
        tried: list[tuple[Hashable, ...]] = []
        for i in self._candidates[at]:
            column = self._predicted[i]
            if i in taken or column in tried:
                continue
            tried.append(column)
            self._steps -= 1
            if self._steps < 0:  # only results built to be hard to compare come here
                return False
            rows: list[Hashable] = list(zip(predicted, column, strict=True))
            if Counter(rows) == bag and self._settle([*taken, i], gold, rows):
                return True
        return False


def _signatures(columns: list[tuple[Hashable, ...]]) -> list[Counter[tuple[Hashable, int]]]:
    # The sum of hashes stands for a row's bag of values: equal bags have equal sums, and that is all that is needed.
    rows = [sum(map(hash, row)) for row in zip(*columns, strict=True)]
    return [Counter(zip(column, rows, strict=True)) for column in columns]
