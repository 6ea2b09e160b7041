"""The output folder is never overwritten by accident."""

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.errors import RunError
from text2sql_lightning.runs.output_folder import (
    RUN_FILES,
    delete_run_files,
    make_writable,
    reserve_folder,
    resolve_checkpoint,
    status_of,
)
from text2sql_lightning.runs.run_meta import now, this_process

pytestmark = pytest.mark.unit


def make_run(folder: Any, status: Any = "completed", mode: Any = "train") -> Any:
    for name in ("adapters", "checkpoints", "validate", "logs"):
        (folder / name).mkdir(parents=True)
    (folder / "adapters" / "adapter_model.safetensors").write_bytes(b"weights")
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"checkpoint")
    (folder / "run_meta.json").write_text(json.dumps({"status": status, "mode": mode}))
    return folder


def test_a_new_folder_is_made(tmp_path: Path) -> None:
    reserve_folder(tmp_path / "a" / "b", resume=False, overwrite=False)
    assert list((tmp_path / "a" / "b").iterdir()) == []
    assert status_of(tmp_path / "a" / "b") is None


@pytest.mark.parametrize("status", ["completed", "failed", "interrupted"])
def test_a_run_is_refused(tmp_path: Path, status: Any) -> None:
    folder = make_run(tmp_path / "run", status)
    assert status_of(folder) == status
    with pytest.raises(RunError) as refused:
        reserve_folder(folder, resume=False, overwrite=False)
    message = str(refused.value)
    assert message.startswith(f"--output_dir {folder} holds a run that is {status}: give another folder, or ")
    assert "--overwrite true" in message
    assert ("--ckpt_path last" in message) is (status != "completed")
    assert (folder / "adapters" / "adapter_model.safetensors").read_bytes() == b"weights"


GONE = {"pid": 2**22 + 1, "host": socket.gethostname(), "started_at": "2026-01-01T00:00:00+00:00"}
GONE |= {"heartbeat_at": "2026-01-01T01:00:00+00:00"}  # no kernel gives such a number to a process


def write_running(folder: Path, **values: Any) -> Path:
    make_run(folder)
    (folder / "run_meta.json").write_text(json.dumps({"status": "running", "mode": "train", **GONE, **values}))
    return folder


def test_a_run_whose_process_is_gone_has_died(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_running(tmp_path / "run", host=socket.gethostname())
    assert status_of(folder) == "died"
    last_seen = f"process 4194305 on {socket.gethostname()}, last seen 2026-01-01T01:00:00+00:00"
    with pytest.raises(RunError) as refused:
        reserve_folder(folder, resume=False, overwrite=False)
    assert str(refused.value) == (
        f"--output_dir {folder} holds a run that died, {last_seen}: give another folder, or --ckpt_path last to go on, "
        "or --overwrite true"
    )
    reserve_folder(folder, resume=True, overwrite=False)
    assert caplog.messages == [f"The run in {folder} died, {last_seen}."]


@pytest.mark.parametrize(("resume", "overwrite"), [(False, False), (True, False), (False, True)])
def test_a_run_that_runs_is_left_alone(tmp_path: Path, resume: bool, overwrite: bool) -> None:
    folder = write_running(tmp_path / "run", pid=os.getppid(), started_at=now())
    assert status_of(folder) == "running"
    with pytest.raises(RunError) as refused:
        reserve_folder(folder, resume=resume, overwrite=overwrite)
    assert str(refused.value) == (
        f"--output_dir {folder} holds a run that is running, process {os.getppid()} on {socket.gethostname()}, last "
        "seen 2026-01-01T01:00:00+00:00: wait for it, or give another folder"
    )


def test_a_number_that_another_process_has_by_now(tmp_path: Path) -> None:
    assert status_of(write_running(tmp_path / "run", pid=os.getppid())) == "died"


def test_of_another_machine_the_heartbeat_counts(tmp_path: Path) -> None:
    assert status_of(write_running(tmp_path / "run", host="elsewhere", heartbeat_at=now())) == "running"


def test_of_another_machine_an_old_heartbeat_means_died(tmp_path: Path) -> None:
    folder = write_running(tmp_path / "run", host="elsewhere", heartbeat_at="2026-01-01T01:00:00+00:00")
    assert status_of(folder) == "died"


def test_a_run_of_this_very_process_is_over(tmp_path: Path) -> None:
    assert status_of(write_running(tmp_path / "run", **this_process(), started_at=now())) == "died"


def test_going_on_is_offered_only_where_there_is_a_checkpoint(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run", "failed")
    (folder / "checkpoints" / "last.ckpt").unlink()
    with pytest.raises(RunError) as refused:
        reserve_folder(folder, resume=False, overwrite=False)
    assert "--ckpt_path" not in str(refused.value)


@pytest.mark.parametrize("mode", ["dry_run", "smoke"])
def test_a_rehearsal_is_no_run(tmp_path: Path, mode: Any) -> None:
    folder = make_run(tmp_path / "run", mode=mode)
    assert status_of(folder) is None
    reserve_folder(folder, resume=False, overwrite=False)


@pytest.mark.parametrize(("resume", "overwrite"), [(True, False), (False, True), (True, True)])
def test_claiming_deletes_nothing(tmp_path: Path, resume: Any, overwrite: Any) -> None:
    folder = make_run(tmp_path / "run")
    reserve_folder(folder, resume=resume, overwrite=overwrite)
    assert (folder / "adapters" / "adapter_model.safetensors").read_bytes() == b"weights"
    assert sorted(path.name for path in folder.iterdir()) == [
        "adapters",
        "checkpoints",
        "logs",
        "run_meta.json",
        "validate",
    ]


def test_a_folder_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match=r"is not empty and holds no run; give another folder"):
        reserve_folder(tmp_path, resume=False, overwrite=True)
    reserve_folder(tmp_path, resume=False, overwrite=False)


def test_emptying_takes_what_a_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "run")
    (folder / "thesis.txt").write_text("years of work")
    (folder / "src").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("x")
    (folder / "wandb").symlink_to(elsewhere)
    delete_run_files(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["src", "thesis.txt"]
    assert (elsewhere / "precious").exists()
    assert RUN_FILES[-1] == "run_meta.json"


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"completed"', "\xff"])
def test_damaged_run_meta(tmp_path: Path, text: Any) -> None:
    (tmp_path / "run_meta.json").write_text(text, encoding="latin-1")
    with pytest.raises(RunError, match=r"run_meta.json cannot be read .*--overwrite true"):
        reserve_folder(tmp_path, resume=False, overwrite=False)
    reserve_folder(tmp_path, resume=False, overwrite=True)


def test_a_path_below_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"cannot be written: Not a directory; give another folder"):
        make_writable(tmp_path / "file" / "run")


def test_checkpoints_by_name_and_by_path(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").touch()
    (tmp_path / "other.ckpt").touch()
    assert resolve_checkpoint("last", tmp_path) == str(tmp_path / "last.ckpt")
    assert resolve_checkpoint(str(tmp_path / "other.ckpt"), tmp_path / "x") == str(tmp_path / "other.ckpt")
    with pytest.raises(
        RunError, match=r"--ckpt_path best: there is no file .*best.ckpt; .* holds last.ckpt, other.ckpt"
    ):
        resolve_checkpoint("best", tmp_path)
    with pytest.raises(RunError, match=r"holds none"):
        resolve_checkpoint("last", tmp_path / "nowhere")
