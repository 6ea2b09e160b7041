"""A disk that is full at each write: one line that names the path, older files as they were, the run goes on."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from small_disk import SmallDisk, small_disk

pytestmark = pytest.mark.integration

ADAPTER = "adapters/adapter_model.safetensors"
TRAINING = [
    "--model.lora.dropout",
    0.2,
    "--model.learning_rate",
    0.01,
    "--checkpoint.every_n_steps",
    2,
    "--trainer.val_check_interval",
    2,
    "--trainer.check_val_every_n_epoch",
    "null",
]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", mib=24) as disk:
        yield disk


def contents(folder: Path) -> dict[str, str]:
    """Path -> SHA-256 of each file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def leftovers(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob(".*")]


def check_readable(folder: Path) -> None:
    """Open the files that a run has written so far."""
    import torch
    from safetensors.torch import load_file

    for path in folder.rglob("*.ckpt"):
        torch.load(path, weights_only=True, map_location="cpu")
    for path in folder.rglob("*.safetensors"):
        load_file(path)
    for path in folder.rglob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))
    for path in folder.rglob("*.jsonl"):
        assert [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] != [{}]


def failed_path(outcome: Any, disk: SmallDisk) -> str:
    """Check the line that a full disk gets; gives the path in it, below the disk."""
    path, _, problem = outcome.error.partition(": ")
    assert problem == "no space left on the disk; free some or write elsewhere", outcome.error
    assert Path(path).is_relative_to(disk.path)
    assert not Path(path).name.startswith("."), path
    return str(Path(path).relative_to(disk.path))


def sweep(fill: Callable[[int], str], few: list[int], *, most: int) -> dict[int, str]:
    """Run a command with less and less space left, each time giving where it failed (or "").

    The sizes between two different places are halved down to a page: the more space there is, the further a command
    gets.
    """
    edges = sorted({0, most, *few})
    found = {kib: fill(kib) for kib in edges}
    spans = list(pairwise(edges))
    while spans:
        low, high = spans.pop()
        middle = (low + high) // 8 * 4
        if found[low] == found[high] or not low < middle < high:
            continue
        found[middle] = fill(middle)
        spans += [(low, middle), (middle, high)]
    return found


Moment = Callable[[], AbstractContextManager[Any]]


def moments(disk: SmallDisk, few: list[int] | None, run: Callable[[], Any]) -> list[Moment]:
    """Ways to fill the disk: with so many KiB left from the start, or just before each write that a run does."""
    if few is not None:
        return [partial(disk.with_space, kib) for kib in few]
    with disk.full_from(None) as opened:
        run()
    return [partial(disk.full_from, number) for number in range(len(opened))]


def test_fit_on_a_full_disk(disk: SmallDisk, tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path) -> None:
    check_fit(disk, tiny, text2sql, read_json, tmp_path, [0, 4, 40, 700, 1400])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_fit_on_a_disk_that_is_full_from_each_write_on(
    disk: SmallDisk, tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path
) -> None:
    found = check_fit(disk, tiny, text2sql, read_json, tmp_path, None)
    assert found >= {
        "run/config.yaml",
        "run/run_meta.json",
        "run/logs/version_0/metrics.csv",
        "run/checkpoints/last.ckpt",
        "run/checkpoints/best.ckpt",
        "run/adapters",
        "run/samples.jsonl",
        "run/metrics.json",
    }


def check_fit(
    disk: SmallDisk, tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path, few: list[int] | None
) -> set[str]:
    """Fit on a disk that is full, or becomes so, then with the space freed; gives the places where it failed."""
    flush = ["--trainer.logger.init_args.flush_logs_every_n_steps", 1]
    steps = [*TRAINING, *flush, "--trainer.max_steps", 4]
    whole = tmp_path / "whole"
    done = text2sql("fit", *tiny.flags(whole), *steps)
    assert done.code == 0, done.err
    shutil.copytree(whole, disk.path / "earlier")
    earlier = contents(disk.path / "earlier")
    run = disk.path / "run"

    def fit_while(filled: Moment) -> str:
        shutil.rmtree(run, ignore_errors=True)
        with filled():
            outcome = text2sql("fit", *tiny.flags(run), *steps)
        place = failed_path(outcome, disk) if outcome.code else ""
        assert contents(disk.path / "earlier") == earlier
        assert leftovers(run) == []
        disk.free()
        if place:
            check_readable(run)
            go_on = ["--ckpt_path", "last"] if (run / "checkpoints" / "last.ckpt").exists() else ["--overwrite", "true"]
            done = text2sql("fit", *tiny.flags(run), *steps, *(go_on if (run / "run_meta.json").exists() else []))
            assert done.code == 0, (filled, place, done.err)
        assert (run / ADAPTER).read_bytes() == (whole / ADAPTER).read_bytes(), (filled, place)
        assert read_json(run / "run_meta.json")["status"] == "completed"
        return place

    ways = moments(disk, few, lambda: text2sql("fit", *tiny.flags(run), *steps))
    return {fit_while(filled) for filled in ways} - {""}


def test_going_on_with_a_finished_run_on_a_full_disk(disk: SmallDisk, tiny: Any, text2sql: Any, tmp_path: Path) -> None:
    check_going_on(disk, tiny, text2sql, tmp_path, [0, 40, 700])


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_going_on_with_a_finished_run_on_a_disk_that_is_full_from_each_write_on(
    disk: SmallDisk, tiny: Any, text2sql: Any, tmp_path: Path
) -> None:
    found = check_going_on(disk, tiny, text2sql, tmp_path, None)
    assert found >= {
        "run/config.yaml",
        "run/run_meta.json",
        "run/checkpoints/last.ckpt",
        "run/adapters",
        "run/metrics.json",
    }  # (what is appended to a file fits into its last page)


def check_going_on(disk: SmallDisk, tiny: Any, text2sql: Any, tmp_path: Path, few: list[int] | None) -> set[str]:
    """Make a finished run longer on such a disk: each of its files is the old one or a whole new one."""
    whole, run, short = tmp_path / "whole", disk.path / "run", tmp_path / "short"
    for folder, steps in ((short, 2), (whole, 4)):
        done = text2sql("fit", *tiny.flags(folder), *TRAINING, "--trainer.max_steps", steps)
        assert done.code == 0, done.err
    longer = [*TRAINING, "--trainer.max_steps", 4, "--ckpt_path", "last"]
    old_log = contents(short / "logs")

    def go_on_while(filled: Moment) -> str:
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(short, run)
        with filled():
            outcome = text2sql("fit", *tiny.flags(run), *longer)
        place = failed_path(outcome, disk) if outcome.code else ""
        assert contents(run / "logs").items() >= old_log.items()
        assert leftovers(run) == []
        check_readable(run)
        disk.free()
        if place == "run/config.yaml":
            assert contents(run) == contents(short)
        elif place == "run/run_meta.json" and few is not None:  # the first time that it is written
            assert contents(run).items() >= {**contents(short), "config.yaml": contents(run)["config.yaml"]}.items()
        done = text2sql("fit", *tiny.flags(run), *longer)
        assert done.code == 0, (filled, place, done.err)
        assert (run / ADAPTER).read_bytes() == (whole / ADAPTER).read_bytes(), (filled, place)
        return place

    def once() -> None:
        shutil.copytree(short, run)
        text2sql("fit", *tiny.flags(run), *longer)

    return {go_on_while(filled) for filled in moments(disk, few, once)} - {""}


def test_predict_on_a_full_disk(disk: SmallDisk, tiny: Any, tiny_run: Path, text2sql: Any) -> None:
    """Predictions of before stay until there are new ones."""
    run = disk.path / "run"
    shutil.copytree(tiny_run, run)
    flags = [*tiny.flags(run), "--ckpt_path", run / "checkpoints" / "last.ckpt"]
    done = text2sql("predict", *flags)
    assert done.code == 0, done.err
    before = contents(run)
    predictions = (run / "predict" / "predictions.jsonl").read_bytes()

    def fill(kib: int) -> str:
        disk.leave(kib)
        outcome = text2sql("predict", *flags)
        place = failed_path(outcome, disk) if outcome.code else ""
        assert leftovers(run) == []
        check_readable(run)
        after = contents(run)
        rewritten = {"predict/config.yaml", "predict/run_meta.json", "predict/metrics.json"}
        assert {name: after[name] for name in before if name not in rewritten}.items() <= before.items()
        return place

    found = sweep(fill, [0, 12, 40], most=64)
    assert set(found.values()) >= {"run/predict/config.yaml", "run/predict/run_meta.json", ""}, found
    assert (run / "predict" / "predictions.jsonl").read_bytes() == predictions


def lake(number: int) -> dict[str, str]:
    return {
        "question": f"How large is lake {number}?",
        "context": f"CREATE TABLE lake_{number} (name VARCHAR, size INTEGER)",
        "answer": f"SELECT size FROM lake_{number} WHERE name = 'x'",
    }


def test_build_dataset_on_a_full_disk(disk: SmallDisk, command: Any, tmp_path: Path) -> None:
    """A dataset of before stays as it was until a whole new one takes its place."""
    from text2sql_lightning.commands.build import main

    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(lake(number)) + "\n" for number in range(60)))
    out = disk.path / "data"
    flags = ["--input_jsonl", rows, "--out_dir", out, "--workers", 1, "--overwrite"]
    done = command(main, *flags)
    assert done.code == 0, done.err
    before = contents(disk.path)

    def fill(kib: int) -> str:
        disk.leave(kib)
        outcome = command(main, *flags)
        place = failed_path(outcome, disk) if outcome.code else ""
        disk.free()
        assert contents(disk.path) == before
        return place

    found = sweep(fill, [0, 40, 80, 88, 96, 104], most=400)
    assert len(set(found.values()) - {""}) >= 5, found
    assert "" in found.values()


def test_evaluate_internal_on_a_full_disk(
    disk: SmallDisk, command: Any, records_file: Callable[..., Path], tmp_path: Path
) -> None:
    from text2sql_lightning.commands.evaluate import main

    records = records_file("test", 4)
    rows = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]
    predictions = tmp_path / "p.jsonl"
    predictions.write_text("".join(json.dumps({"id": row["id"], "sql": row["output"]}) + "\n" for row in rows))
    out = disk.path / "reports"
    flags = ["--records", records, "--predictions", predictions, "--out_dir", out]
    done = command(main, *flags)
    assert done.code == 0, done.err
    before = contents(out)

    def fill(kib: int) -> str:
        disk.leave(kib)
        outcome = command(main, *flags)
        place = failed_path(outcome, disk) if outcome.code else ""
        disk.free()
        assert contents(out) == before  # the same input gives the same files
        assert leftovers(out) == []
        return place

    found = sweep(fill, [0, 16], most=128)
    assert set(found.values()) >= {"reports/eval_internal.jsonl", ""}, found
