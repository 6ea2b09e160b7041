"""Whether one system is better than another on the same examples, or only luckier."""

from math import comb


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return the two-sided p-value of McNemar's test in its exact, binomial form.

    Only examples on which exactly one of two systems is right say anything about which is better; if neither is, each
    such example is a fair coin (McNemar, Psychometrika 12, 1947).

    Args:
        only_first: Examples that only the first system has right.
        only_second: Examples that only the second system has right.
    """
    tosses = only_first + only_second
    tail: int = sum(comb(tosses, heads) for heads in range(min(only_first, only_second) + 1))
    return min(1.0, float(2 * tail / 2**tosses))
