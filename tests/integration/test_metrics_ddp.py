"""Two real processes: an example that both have seen counts once, and one that has seen nothing blocks nobody."""

from pathlib import Path

import pytest
import torch.distributed as dist
import torch.multiprocessing as mp

from text2sql_lightning.evaluation.metrics import RunMetrics
from text2sql_lightning.evaluation.results import RUN_MEASURES, ScoredExample

pytestmark = pytest.mark.integration

Updates = list[list[tuple[str, bool | None]]]


def scored(key: str, right: bool | None) -> ScoredExample:
    verdicts = {} if right is None else {measure.verdict: right for measure in RUN_MEASURES}
    return ScoredExample(key, "", "", "", "", verdicts, "easy" if int(key) < 3 else "hard", None)


def judge(rank: int, folder: str, updates: tuple[Updates, Updates]) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    metric = RunMetrics(["easy", "hard"])
    for update in updates[rank]:
        metric.update([scored(*example) for example in update])
    found = metric.compute()
    shares = {round(found[measure.figure].item(), 4) for measure in RUN_MEASURES}
    Path(folder, f"rank{rank}").write_text(f"{shares} {found['num_scored'].item()} {found.keys()}")
    dist.destroy_process_group()


def results(folder: Path, updates: tuple[Updates, Updates]) -> set[str]:
    mp.spawn(judge, args=(str(folder), updates), nprocs=2)
    return {(folder / f"rank{rank}").read_text() for rank in (0, 1)}


def test_each_id_counts_once(tmp_path: Path) -> None:
    """Id 1 twice in one process, id 2 in both, id 4 in the other; the gold query of 9 does not run."""
    first: Updates = [[("1", True), ("1", True), ("2", False)], [("9", None)]]
    (found,) = results(tmp_path, (first, [[("2", False), ("4", True)]]))
    assert found.startswith("{0.6667} 3.0")
    assert "execution_accuracy_hard" in found


def test_a_process_that_has_seen_nothing(tmp_path: Path) -> None:
    (found,) = results(tmp_path, ([[("1", True), ("2", True), ("3", False)]], []))
    assert found.startswith("{0.6667} 3.0")
