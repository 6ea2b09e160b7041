import subprocess
import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver

from text2sql_lightning.callbacks.interruption import ProcessWatch, describe_exit

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("code", "words"),
    [(2, "ended with exit code 2"), (-9, "was ended by SIGKILL"), (-200, "was ended by signal 200")],
)
def test_exit_codes_in_words(code: int, words: str) -> None:
    assert describe_exit(code) == words


class Noted:
    """In place of `RunMeta`."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, str]] = []

    def finish(self, status: str, error: str) -> None:
        self.ends.append((status, error))


def test_the_first_process_is_not_killed_while_it_writes_down_why() -> None:
    """Lightning's observer may look at any moment after a process has died, and kills the first one."""
    main = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    child = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    launcher = SimpleNamespace(procs=[child])
    observer: Any = _ChildProcessObserver(main.pid, launcher.procs, sleep_period=0)
    noted: Any = Noted()
    watch = ProcessWatch(noted)
    watch.setup(SimpleNamespace(strategy=SimpleNamespace(launcher=launcher)), None, "fit")
    child.wait()
    observer.start()
    observer.join(timeout=10)
    watch.on_exception(None, None, RuntimeError("connection closed by peer"))
    time.sleep(0.2)
    assert main.poll() is None
    assert noted.ends == [
        ("failed", "the process of rank 1 ended with exit code 3, which ends the run: its own output says more")
    ]
    assert launcher.procs == [child]
    main.communicate(b"\n")
