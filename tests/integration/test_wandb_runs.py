"""Which W&B run a command writes to: resumed, repeated, failed, of several processes, of a sweep."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from reference.wandb_file import RunFile, read_run

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
WANDB = ["--config", str(ROOT / "configs" / "logger" / "wandb.yaml")]
CONFIG = ROOT / "configs" / "experiment" / "tiny_test.yaml"
SWEEP = ROOT / "configs" / "sweep" / "learning_rate.yaml"


def runs_in(folder: Path) -> list[RunFile]:
    """The parts of runs in an output folder, in order of time."""
    import wandb

    wandb.teardown()  # the file is complete when W&B's own process has ended, not when `finish` returns
    return [read_run(file) for file in sorted(folder.glob("wandb/offline-run-*/run-*.wandb"))]


def steps(run: RunFile) -> list[int]:
    return [int(row["trainer/global_step"]) for row in run.history if "train/loss" in row]


def test_a_resumed_fit_goes_on_with_its_run_and_another_one_does_not(
    tiny: Any, text2sql: Any, read_json: Any, read_lines: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from text2sql_lightning.module import Text2SQLModule

    folder = tmp_path / "run"
    flags = [*tiny.flags(folder), *WANDB, "--trainer.max_steps", 6, "--trainer.val_check_interval", 2]
    step = Text2SQLModule.training_step

    def interrupted(self: Any, batch: Any, batch_idx: int) -> Any:
        if self.global_step == 3:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(Text2SQLModule, "training_step", interrupted)
        stopped = text2sql("fit", *flags)
    assert stopped.code == 130
    (first,) = runs_in(folder)
    assert (first.exit_code, steps(first)) == (1, [0, 1, 2])
    assert [artifact.type for artifact in first.artifacts if artifact.type == "model"] == []

    done = text2sql("fit", *flags, "--ckpt_path", "last")
    assert done.code == 0, done.err
    first, second = runs_in(folder)
    assert first.run_id == second.run_id == read_json(folder / "run_meta.json")["wandb_run_id"]
    assert second.resume
    assert (second.exit_code, steps(second)) == (0, [2, 3, 4, 5])
    assert max(row["_step"] for row in first.history) < min(row["_step"] for row in second.history) == 1_000_000
    assert all("trainer/global_step" in row for row in second.history)
    assert [artifact.name for artifact in second.artifacts if artifact.type == "model"] == [f"adapter-{first.run_id}"]
    table = [row["val/samples.path"] for row in second.history if "val/samples.path" in row][-1]
    part = max(folder.glob("wandb/offline-run-*"))
    rows = read_json(part / "files" / table)["data"]
    assert [row[0] for row in rows] == [line["step"] for line in read_lines(folder / "samples.jsonl")]
    assert {row[0] for row in rows} == {2, 4, 6}  # of both parts

    done = text2sql("fit", *flags, "--overwrite", "true")
    assert done.code == 0, done.err
    (third,) = runs_in(folder)
    assert third.run_id not in ("", first.run_id)
    assert steps(third) == [0, 1, 2, 3, 4, 5]


def test_every_command_has_a_run_of_its_own(tiny: Any, tiny_run: Path, text2sql: Any, tmp_path: Path) -> None:
    shutil.copytree(tiny_run, tmp_path / "run")
    done = text2sql("test", *tiny.flags(tmp_path / "run"), *WANDB, "--ckpt_path", "last")
    assert done.code == 0, done.err
    (run,) = runs_in(tmp_path / "run" / "test")
    assert run.exit_code == 0
    assert run.config["model.learning_rate"] == 2e-4
    assert any("test/execution_accuracy" in row for row in run.history)


def test_a_run_that_fails(tiny: Any, text2sql: Any, tmp_path: Path) -> None:
    failed = text2sql("fit", *tiny.flags(tmp_path / "run"), *WANDB, "--model.learning_rate", 1e30)
    assert "loss is nan" in failed.error
    (run,) = runs_in(tmp_path / "run")
    assert run.exit_code == 1


@pytest.fixture
def settings_are_read_again() -> Iterator[None]:
    """W&B reads its settings once a process."""
    import wandb

    wandb.teardown()
    yield
    wandb.teardown()


def test_switched_off(
    tiny: Any, text2sql: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings_are_read_again: None
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    done = text2sql("fit", *tiny.flags(tmp_path / "run"), *WANDB)
    assert done.code == 0, done.err
    assert "wandb sync" not in done.err
    assert list(tmp_path.rglob("*.wandb")) == []


def test_a_key_that_is_none(
    tiny: Any,
    text2sql: Any,
    read_json: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings_are_read_again: None,
) -> None:
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_API_KEY", "too-short")
    error = text2sql("fit", *tiny.flags(tmp_path / "run"), *WANDB).error
    assert error.startswith("W&B: ")
    assert error.endswith("to write the run offline and upload it later: WANDB_MODE=offline")
    assert "too-short" not in error
    assert read_json(tmp_path / "run" / "run_meta.json")["status"] == "failed"


def test_two_processes_have_one_run(tiny: Any, shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also: without a key the run is kept offline, though nobody has asked for it."""
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    ddp = ["--trainer.devices", 2, "--trainer.strategy", "ddp"]
    done = shell("-m", "text2sql_lightning", "fit", *tiny.flags(tmp_path / "run"), *WANDB, *ddp)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list(tmp_path.rglob("*.wandb"))) == 1
    (run,) = runs_in(tmp_path / "run")
    assert (run.exit_code, steps(run), run.config["trainer.devices"]) == (0, [0, 1], "2")
    assert len(re.findall("wandb sync", done.stderr)) == 1


def test_sweep(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that W&B's own agent makes of the file, run on a tiny model by that agent."""
    from wandb.wandb_agent import Agent

    sweep = yaml.safe_load(SWEEP.read_text(encoding="utf-8"))
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep123")
    monkeypatch.setenv("WANDB_PROJECT", sweep["project"])  # as `wandb agent` does before it makes this object
    chosen = {"model.learning_rate": 8.5e-05, "model.lora.r": sweep["parameters"]["model.lora.r"]["values"][0]}
    assert set(chosen) == set(sweep["parameters"])
    small = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    del small["output_dir"]
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(small))
    flags = ["--config", "small.yaml", *tiny.flags(Path())[2:]]
    del flags[flags.index("--output_dir") : flags.index("--output_dir") + 2]
    agent = Agent(api=None, queue=None, sweep_id="sweep123")
    agent._sweep_command = [*sweep["command"], *flags]
    args = {name: {"value": value} for name, value in chosen.items()}
    agent._command_run({"run_id": "run00001", "program": sweep["program"], "args": args})
    assert agent._run_processes["run00001"].wait(timeout=200) == 0
    (run,) = runs_in(tmp_path / "outputs" / "sweep" / "run00001")
    assert (run.run_id, run.sweep_id, run.project) == ("run00001", "sweep123", "text2sql_lightning")
    assert {name: run.config[name] for name in chosen} == chosen
    assert any(sweep["metric"]["name"] in row for row in run.history)
