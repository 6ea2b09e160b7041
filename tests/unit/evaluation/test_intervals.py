import pytest

from text2sql_lightning.errors import DataError
from text2sql_lightning.evaluation.statistics import cluster_bootstrap

pytestmark = pytest.mark.unit


def test_same_seed_same_interval() -> None:
    values, clusters = [1.0, 0.0, 1.0, 1.0, 0.0, 1.0], ["a", "a", "b", "c", "c", "d"]
    assert cluster_bootstrap(values, clusters, seed=3) == cluster_bootstrap(values, clusters, seed=3)
    low, high = cluster_bootstrap(values, clusters)
    assert (low, high) == (0.5, 1.0)


def test_a_known_interval() -> None:
    """100 independent values, half of them 1: 0.5 +- 1.96 * 0.05."""
    values = [1.0, 0.0] * 50
    low, high = cluster_bootstrap(values, [str(i) for i in range(100)], resamples=4000)
    assert low == pytest.approx(0.402, abs=0.015)
    assert high == pytest.approx(0.598, abs=0.015)


def test_clusters_that_stand_or_fall_together_widen_it() -> None:
    values = [1.0] * 50 + [0.0] * 50
    alone = cluster_bootstrap(values, [str(i) for i in range(100)])
    together = cluster_bootstrap(values, [str(i // 10) for i in range(100)])
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


def test_one_cluster_says_nothing() -> None:
    assert cluster_bootstrap([1.0, 0.0, 1.0], ["a", "a", "a"]) == (0.0, 1.0)


@pytest.mark.parametrize(("values", "clusters"), [([], []), ([1.0], ["a", "b"])])
def test_values_need_clusters(values: list[float], clusters: list[str]) -> None:
    with pytest.raises(DataError, match="clusters"):
        cluster_bootstrap(values, clusters)
