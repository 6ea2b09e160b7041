"""Two real processes: an example that both have seen counts once, and one that has seen nothing blocks nobody."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist
import torch.multiprocessing as mp

from text2sql_lightning.evaluation import metrics
from text2sql_lightning.evaluation.execution_accuracy import Verdict
from text2sql_lightning.sql.schema import Schema

pytestmark = pytest.mark.integration

SCHEMA = Schema.from_ddl("CREATE TABLE t (a INT, b TEXT)")
GOLD, SAME, OTHER = "SELECT a FROM t WHERE b = 'x'", "SELECT a FROM t WHERE b = 'y'", "SELECT b FROM t"
RIGHT, CASE = Verdict(True, True, None, True), Verdict(False, True, None, True)
WRONG, BROKEN = Verdict(False, False, None, True), Verdict(False, False, "syntax", True)
NO_GOLD = Verdict(False, False, None, False)

# For each metric what the two processes give to `update`: id 1 twice in one process, id 2 in both, id 4 in the other.
UPDATES: dict[str, tuple[list[Any], list[Any]]] = {
    "ExampleAccuracy": (
        [(["1", "1", "2"], [True, True, False])],
        [(["2", "4"], [False, True])],
    ),
    "ExecutionAccuracy": (
        [(["1", "1", "2"], [RIGHT, RIGHT, WRONG]), (["9"], [NO_GOLD])],
        [(["2", "4"], [WRONG, RIGHT])],
    ),
    "ValidSQLRate": (
        [(["1", "1", "2"], [WRONG, WRONG, BROKEN]), (["9"], [NO_GOLD])],
        [(["2", "4"], [BROKEN, CASE])],
    ),
    "ExactMatch": (
        [(["1", "1", "2"], [GOLD] * 3, [GOLD, GOLD, SAME])],
        [(["2", "4"], [GOLD] * 2, [SAME, GOLD + ";"])],
    ),
    "SchemaAdherence": (
        [(["1", "1", "2"], [GOLD, GOLD, "SELECT zz FROM t"], [SCHEMA] * 3)],
        [(["2", "4"], ["SELECT zz FROM t", OTHER], [SCHEMA] * 2)],
    ),
    "ExactSetMatch": (
        [(["1", "1", "2"], [GOLD] * 3, [GOLD, SAME, OTHER], [SCHEMA] * 3)],
        [(["2", "4"], [GOLD] * 2, [OTHER, SAME], [SCHEMA] * 2)],
    ),
}


def judge(rank: int, folder: str, name: str, updates: tuple[list[Any], list[Any]]) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    metric = getattr(metrics, name)()
    for update in updates[rank]:
        metric.update(*update)
    Path(folder, f"rank{rank}").write_text(f"{metric.compute().item():.4f}")
    dist.destroy_process_group()


def results(folder: Path, name: str, updates: tuple[list[Any], list[Any]]) -> list[str]:
    mp.spawn(judge, args=(str(folder), name, updates), nprocs=2)
    return [(folder / f"rank{rank}").read_text() for rank in (0, 1)]


@pytest.mark.parametrize("name", UPDATES)
def test_each_id_counts_once(tmp_path: Path, name: str) -> None:
    if name == "ExactSetMatch" and find_spec("text2sql_lightning.evaluation.spider.exact_set_match") is None:
        pytest.skip("exact set match is not there yet")
    assert results(tmp_path, name, UPDATES[name]) == ["0.6667", "0.6667"]


def test_a_process_that_has_seen_nothing(tmp_path: Path) -> None:
    assert results(tmp_path, "ExampleAccuracy", ([(["1", "2", "3"], [True, True, False])], [])) == ["0.6667"] * 2
