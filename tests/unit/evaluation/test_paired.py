import pytest

from text2sql_lightning.evaluation.statistics import mcnemar_exact

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [
        (0, 0, 1.0),
        (0, 1, 1.0),
        (0, 5, 0.0625),
        (0, 6, 0.03125),
        (1, 9, 0.021484375),
        (9, 1, 0.021484375),
        (3, 9, 0.14599609375),
        (5, 5, 1.0),
        (6, 35, 4.874e-06),
        (30, 108, 1.550e-11),
    ],
)
def test_values_of_the_binomial_distribution(only_first: int, only_second: int, p_value: float) -> None:
    assert mcnemar_exact(only_first, only_second) == pytest.approx(p_value, rel=1e-3)


def test_many_examples() -> None:
    assert mcnemar_exact(500, 500) == 1.0
    assert 0 < mcnemar_exact(480, 620) < 1e-4
