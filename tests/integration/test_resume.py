"""Going on with a run: exactly where it stopped, also after Ctrl-C; and a loss that is not finite."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

ADAPTER = "adapters/adapter_model.safetensors"
DROPOUT = ["--model.lora.dropout", 0.2, "--model.learning_rate", 0.01]  # what is drawn at random has to be resumed too


def test_an_interrupted_fit_ends_like_one_that_was_not(
    tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path
) -> None:
    """5 steps are one epoch and a quarter: the resume starts within an epoch, with data, dropout and schedule."""
    flags = [*DROPOUT, "--model.schedule", "linear", "--trainer.max_steps", 7]
    done = text2sql("fit", *tiny.flags(tmp_path / "whole"), *flags)
    assert done.code == 0, done.err

    from text2sql_lightning.module import Text2SQLModule

    step = Text2SQLModule.training_step

    def interrupted(self: Any, batch: Any, batch_idx: int) -> Any:
        if self.global_step == 6:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text2SQLModule, "training_step", interrupted)
        stopped = text2sql("fit", *tiny.flags(tmp_path / "parts"), *flags, "--checkpoint.every_n_steps", 5)
    assert stopped.code == 130
    assert read_json(tmp_path / "parts" / "run_meta.json")["status"] == "interrupted"

    refused = text2sql("fit", *tiny.flags(tmp_path / "parts"), *flags)
    assert "interrupted" in refused.error
    assert "--ckpt_path last" in refused.error
    assert "--overwrite" in refused.error

    done = text2sql("fit", *tiny.flags(tmp_path / "parts"), *flags, "--ckpt_path", "last")
    assert done.code == 0, done.err
    assert (tmp_path / "parts" / ADAPTER).read_bytes() == (tmp_path / "whole" / ADAPTER).read_bytes()
    metas = [read_json(tmp_path / name / "run_meta.json") for name in ("whole", "parts")]
    assert [meta["status"] for meta in metas] == ["completed", "completed"]
    assert metas[0]["tokens_seen"] == metas[1]["tokens_seen"] > 0
    assert metas[0]["target_tokens_seen"] == metas[1]["target_tokens_seen"] > 0


def test_a_damaged_checkpoint_and_the_one_before_it(tiny: Any, text2sql: Any, tmp_path: Path) -> None:
    flags = [*DROPOUT, "--trainer.max_steps", 6, "--checkpoint.every_n_steps", 1, "--checkpoint.keep_earlier", 2]
    for name in ("whole", "parts"):
        assert text2sql("fit", *tiny.flags(tmp_path / name), *flags).code == 0
    checkpoints = tmp_path / "parts" / "checkpoints"
    assert sorted(path.name for path in checkpoints.iterdir()) == [
        "best.ckpt",
        "last.ckpt",
        "step-00000004.ckpt",
        "step-00000005.ckpt",
    ]
    last, before = checkpoints / "last.ckpt", checkpoints / "step-00000005.ckpt"
    last.write_bytes(last.read_bytes()[:5000])
    (checkpoints / "best.ckpt").unlink()
    error = text2sql("fit", *tiny.flags(tmp_path / "parts"), *flags, "--ckpt_path", "last").error
    assert f"--ckpt_path {last} is damaged" in error
    assert error.endswith(f"; the one before it: --ckpt_path {before}")
    done = text2sql("fit", *tiny.flags(tmp_path / "parts"), *flags, "--ckpt_path", before)
    assert done.code == 0, done.err
    assert (tmp_path / "parts" / ADAPTER).read_bytes() == (tmp_path / "whole" / ADAPTER).read_bytes()


def test_a_finished_fit_can_be_made_longer(tiny: Any, text2sql: Any, tmp_path: Path) -> None:
    for name, steps in (("short", 3), ("long", 6)):
        done = text2sql("fit", *tiny.flags(tmp_path / name), *DROPOUT, "--trainer.max_steps", steps)
        assert done.code == 0, done.err
    done = text2sql("fit", *tiny.flags(tmp_path / "short"), *DROPOUT, "--trainer.max_steps", 6, "--ckpt_path", "last")
    assert done.code == 0, done.err
    assert (tmp_path / "short" / ADAPTER).read_bytes() == (tmp_path / "long" / ADAPTER).read_bytes()


def test_a_fit_killed_after_its_last_step_still_gets_its_adapter(
    tiny_run: Path, tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path
) -> None:
    """There is nothing left to train or to validate when it goes on; Lightning then calls few hooks."""
    folder = tmp_path / "run"
    shutil.copytree(tiny_run, folder)
    shutil.rmtree(folder / "adapters")
    meta = read_json(folder / "run_meta.json")
    (folder / "run_meta.json").write_text(json.dumps(meta | {"status": "interrupted"}))
    done = text2sql("fit", *tiny.flags(folder), "--ckpt_path", "last")
    assert done.code == 0, done.err
    assert (folder / ADAPTER).read_bytes() == (tiny_run / ADAPTER).read_bytes()
    assert read_json(folder / "run_meta.json")["status"] == "completed"


def test_a_finished_fit_is_not_overwritten_by_going_on_with_another_run(
    tiny_run: Path, tiny: Any, text2sql: Any, tmp_path: Path
) -> None:
    shutil.copytree(tiny_run, tmp_path / "run")
    other = tiny_run / "checkpoints" / "last.ckpt"
    refused = text2sql("fit", *tiny.flags(tmp_path / "run"), "--ckpt_path", other, "--trainer.max_steps", 8)
    assert "holds a run that is completed" in refused.error


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(
    tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from text2sql_lightning.modeling.loss import CompletionLoss
    from text2sql_lightning.module import Text2SQLModule

    loss = Text2SQLModule.completion_loss

    def broken(self: Any, batch: Any) -> Any:
        sums = loss(self, batch)
        return CompletionLoss(sums.loss_sum * float("nan"), *sums[1:]) if self.global_step >= 5 else sums

    flags = [*tiny.flags(tmp_path / "run"), "--trainer.max_steps", 8]
    with monkeypatch.context() as patch:
        patch.setattr(Text2SQLModule, "completion_loss", broken)
        failed = text2sql("fit", *flags)
    assert "the loss is nan at step 5" in failed.error
    assert "model.learning_rate" in failed.error
    meta = read_json(tmp_path / "run" / "run_meta.json")
    assert meta["status"] == "failed"
    assert meta["error"].startswith("RunError: the loss is nan at step 5")
    assert torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 4
    refused = text2sql("fit", *flags)
    assert "failed" in refused.error
    assert "--ckpt_path last" in refused.error
    done = text2sql("fit", *flags, "--ckpt_path", "last")
    assert done.code == 0, done.err
    assert read_json(tmp_path / "run" / "run_meta.json")["status"] == "completed"


def test_a_learning_rate_that_breaks_the_model(tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path) -> None:
    """The first step ruins the weights; nothing of them is saved."""
    flags = ["--model.learning_rate", 1e30, "--trainer.max_steps", 20, "--trainer.val_check_interval", 1]
    failed = text2sql("fit", *tiny.flags(tmp_path / "run"), *flags)
    assert "loss is nan" in failed.error
    assert "model.learning_rate" in failed.error
    assert read_json(tmp_path / "run" / "run_meta.json")["status"] == "failed"
    assert not list((tmp_path / "run").rglob("*.ckpt"))
    assert not (tmp_path / "run" / "adapters").exists()


@pytest.fixture
def stop(tmp_path: Path) -> Any:
    """Start a fit in `folder`, send it a signal once `ready`, and give the end of its stderr."""

    def run(folder: Path, flags: list[Any], number: int, ready: Any) -> str:
        process = subprocess.Popen(
            [sys.executable, "-m", "text2sql_lightning", "fit", *(str(flag) for flag in flags)],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
        )
        try:
            deadline = time.monotonic() + 120
            while not ready() and time.monotonic() < deadline:
                assert process.poll() is None, process.stderr.read()[-3000:]
                time.sleep(0.1)
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
        assert process.returncode == 130, err[-3000:]
        assert "Traceback" not in err
        assert err.splitlines()[-1] == "interrupted"
        return str(err)

    return run


def test_ctrl_c(tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path, stop: Any) -> None:
    folder = tmp_path / "run"
    checkpoint = folder / "checkpoints" / "last.ckpt"
    flags = [*tiny.flags(folder), "--trainer.max_steps", 100_000, "--checkpoint.every_n_steps", 2]
    stop(folder, flags, signal.SIGINT, checkpoint.exists)
    assert read_json(folder / "run_meta.json")["status"] == "interrupted"
    done = text2sql("validate", *tiny.flags(tmp_path / "scored"), "--ckpt_path", checkpoint)
    assert done.code == 0, done.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_cluster_asks_to_stop(
    tiny: Any, text2sql: Any, read_json: Any, tmp_path: Path, stop: Any, number: Any
) -> None:
    """The step at work is finished, all its micro-batches, and saved; the resumed run ends like one never stopped."""
    import torch

    folder, steps = tmp_path / "run", 60
    flags = [*DROPOUT, "--trainer.accumulate_grad_batches", 3, "--trainer.max_steps", steps]
    flags += [
        "--checkpoint.every_n_steps",
        10_000,
        "--trainer.val_check_interval",
        9,
        "--trainer.limit_val_batches",
        1,
        "--trainer.check_val_every_n_epoch",
        "null",
    ]
    log = folder / "logs" / "version_0" / "metrics.csv"
    stop(folder, [*tiny.flags(folder), *flags], number, lambda: log.exists() and log.read_text().count("\n") > 4)
    assert read_json(folder / "run_meta.json")["status"] == "interrupted"
    saved = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert 0 < saved["global_step"] < steps
    done = text2sql("fit", *tiny.flags(folder), *flags, "--ckpt_path", "last")
    assert done.code == 0, done.err
    done = text2sql("fit", *tiny.flags(tmp_path / "whole"), *flags)
    assert done.code == 0, done.err
    assert (folder / ADAPTER).read_bytes() == (tmp_path / "whole" / ADAPTER).read_bytes()


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_a_cluster_asks_to_stop_while_answers_are_written(
    tiny: Any, text2sql: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Nothing is lost, so nobody has to wait for the batch."""
    from text2sql_lightning.module import Text2SQLModule

    before = signal.getsignal(signal.SIGTERM)

    def generate(self: Any, prompts: Any, progress: bool = False) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("went on")

    monkeypatch.setattr(Text2SQLModule, "generate", generate)
    done = text2sql(command, *tiny.flags(tmp_path / "run"))
    assert (done.code, done.err.splitlines()[-1]) == (130, "interrupted")
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_validation_between_the_micro_batches_of_a_step(
    tiny: Any, text2sql: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is saved after it describes the step before: with its data position, random state and counters."""
    import torch

    from text2sql_lightning.module import Text2SQLModule

    # Four batches an epoch make steps of three batches and one; batch 9 is the first of step 5.
    flags = [*DROPOUT, "--trainer.accumulate_grad_batches", 3, "--trainer.max_steps", 7]
    flags += ["--checkpoint.every_n_steps", 100, "--trainer.val_check_interval", 9]
    flags += ["--trainer.check_val_every_n_epoch", "null"]
    done = text2sql("fit", *tiny.flags(tmp_path / "whole"), *flags)
    assert done.code == 0, done.err
    step = Text2SQLModule.training_step

    def stopped(self: Any, batch: Any, batch_idx: int) -> Any:
        if self.global_step == 4 and batch_idx == 1:
            raise KeyboardInterrupt
        return step(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(Text2SQLModule, "training_step", stopped)
        assert text2sql("fit", *tiny.flags(tmp_path / "parts"), *flags).code == 130
    saved = torch.load(tmp_path / "parts" / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 4
    assert saved["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["processed"] == 8
    done = text2sql("fit", *tiny.flags(tmp_path / "parts"), *flags, "--ckpt_path", "last")
    assert done.code == 0, done.err
    assert (tmp_path / "parts" / ADAPTER).read_bytes() == (tmp_path / "whole" / ADAPTER).read_bytes()


def test_resumed_at_the_end_of_an_epoch_twice(tiny: Any, text2sql: Any, tmp_path: Path) -> None:
    """Lightning (2.6.6) does not count the epoch that begins after such a resume, and the next one trained it again."""
    from text2sql_lightning.callbacks.run_checkpoint import RunCheckpoint

    # four batches make two steps, and an epoch
    flags = [*DROPOUT, "--trainer.accumulate_grad_batches", 2, "--trainer.max_steps", 14]
    flags += ["--checkpoint.every_n_steps", 2, "--trainer.limit_val_batches", 0]
    done = text2sql("fit", *tiny.flags(tmp_path / "whole"), *flags)
    assert done.code == 0, done.err
    save = RunCheckpoint._save_last_checkpoint
    for number, step in enumerate((4, 10)):

        def stop(self: Any, trainer: Any, candidates: Any, step: int = step) -> None:
            save(self, trainer, candidates)
            if trainer.global_step == step:
                raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RunCheckpoint, "_save_last_checkpoint", stop)
            more = ["--ckpt_path", "last"] if number else []
            assert text2sql("fit", *tiny.flags(tmp_path / "parts"), *flags, *more).code == 130
    done = text2sql("fit", *tiny.flags(tmp_path / "parts"), *flags, "--ckpt_path", "last")
    assert done.code == 0, done.err
    assert (tmp_path / "parts" / ADAPTER).read_bytes() == (tmp_path / "whole" / ADAPTER).read_bytes()
