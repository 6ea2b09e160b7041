"""run_meta.json: what a run was, from its start to its end, however it ends."""

import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any, Final, Literal

from text2sql_lightning.atomic import write_json
from text2sql_lightning.constants import RUN_META_FILE
from text2sql_lightning.run_facts import git_state, hardware, package_versions, peak_memory_bytes
from text2sql_lightning.sign_of_life import HEARTBEAT_S, now, this_process
from text2sql_lightning.text.prompts import prompt_sha256

FORMAT_VERSION: Final = 1
Status = Literal["running", "completed", "failed", "interrupted"]
Mode = Literal["train", "smoke", "dry_run", "validate", "test", "predict"]


class RunMeta:
    """Keeps `run_meta.json`: written when the run starts, updated when it ends, also when it fails.

    Args:
        folder: The folder of the command's outputs.
        mode: The kind of run.
        config: The resolved configuration, as plain values.
        command: The command line, to repeat the run.
    """

    def __init__(self, folder: Path, mode: Mode, config: dict[str, Any], command: list[str]) -> None:
        self.path = folder / RUN_META_FILE
        self._start = time.monotonic()
        self._lock = Lock()
        self._ended = Event()
        model, data = config.get("model", {}), config.get("data", {})
        self.meta: dict[str, Any] = {
            "format_version": FORMAT_VERSION,
            "mode": mode,
            "status": "running",
            "error": None,
            "base_model": model.get("base_model"),
            "backend": model.get("backend"),
            "quantization": model.get("quantization"),
            "precision": config.get("trainer", {}).get("precision"),
            "train_path": data.get("train_path"),
            "val_path": data.get("val_path"),
            "output_dir": config.get("output_dir"),
            "config": config,
            "seed": config.get("seed_everything"),
            "num_train_examples": None,
            "num_val_examples": None,
            "dropped": {},
            "data_sha256": {},
            "prompt_sha256": prompt_sha256(),
            **git_state(),
            "versions": package_versions(),
            "hardware": hardware(),
            "world_size": 1,
            **this_process(),
            "started_at": now(),
            "finished_at": None,
            "wall_time_s": None,
            "tokens_seen": 0,
            "target_tokens_seen": 0,
            "out_of_memory_splits": 0,
            "peak_memory_bytes": None,
            "command": command,
            "decontaminated": None,
            "wandb_run_id": None,
        }

    def begin(self) -> None:
        """Write the file, before anything is loaded, so that a failed load leaves a trace too; then keep it fresh."""
        self._write()
        Thread(target=self._beat, daemon=True, name="heartbeat").start()

    def _write(self) -> None:
        with self._lock:
            write_json(self.path, self.meta)

    def _beat(self) -> None:
        while not self._ended.wait(HEARTBEAT_S):
            with suppress(OSError), self._lock:  # a full disk ends the run where something is lost by it
                self.meta["heartbeat_at"] = now()
                write_json(self.path, self.meta)

    def finish(self, status: Status, error: str | None = None) -> None:
        """Write how the run ended; the first word counts."""
        if self.meta["status"] != "running":
            return
        self._ended.set()
        self._change(
            status=status,
            error=error,
            finished_at=now(),
            wall_time_s=round(time.monotonic() - self._start, 3),
            peak_memory_bytes=peak_memory_bytes(),
        )
        self._write()

    def _change(self, **values: Any) -> None:
        with self._lock:
            self.meta.update(values)

    def fail(self, exception: BaseException) -> None:
        """Write that the run failed, or was interrupted."""
        if isinstance(exception, (KeyboardInterrupt, SystemExit)):  # Ctrl-C, or SIGTERM as Lightning passes it on
            self.finish("interrupted", "interrupted")
        else:
            lines = str(exception).strip().splitlines() or [""]
            self.finish("failed", f"{type(exception).__name__}: {lines[0]}")

    def update(self, **values: Any) -> None:
        """Change values and write the file, while the run goes on."""
        self._change(**values)
        if self.meta["status"] == "running":
            self._write()
