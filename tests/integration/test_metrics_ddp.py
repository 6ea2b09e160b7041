"""Two real processes: an example that both have seen counts once, and one that has seen nothing blocks nobody."""

from pathlib import Path

import pytest
import torch.distributed as dist
import torch.multiprocessing as mp

from text2sql_lightning.evaluation.metrics import ExampleAccuracy

pytestmark = pytest.mark.integration


def judge(rank: int, folder: str, seen: list[list[str]]) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    metric = ExampleAccuracy()
    if seen[rank]:
        metric.update(seen[rank], [name.startswith("right") for name in seen[rank]])
    Path(folder, f"rank{rank}").write_text(f"{metric.compute().item():.4f}")
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("seen", "accuracy"),
    [([["right 1", "wrong 2"], ["right 1", "wrong 3"]], "0.3333"), ([["right 1", "right 2", "wrong 3"], []], "0.6667")],
)
def test_two_processes_agree(tmp_path: Path, seen: list[list[str]], accuracy: str) -> None:
    mp.spawn(judge, args=(str(tmp_path), seen), nprocs=2)
    assert [(tmp_path / f"rank{rank}").read_text() for rank in (0, 1)] == [accuracy, accuracy]
