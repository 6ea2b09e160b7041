import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from text2sql_lightning.evaluation.execution_accuracy import score_many
from text2sql_lightning.sql.workers import Lost, WorkerLimits, map_chunks

pytestmark = pytest.mark.integration

# A worker imports the function by its module's name, which a test's own file has not.
JOBS = """
import os, signal, sqlite3, sys, time
from pathlib import Path
from text2sql_lightning.sql.execution import execute

ENDLESS = "SELECT instr(hex(zeroblob(4900000)), hex(zeroblob(2400000)) || '1')"

def numbers(items):
    return [item * 10 for item in items]

def late(items):
    time.sleep(items[0])
    return items

def whatever(items):
    return [one(item) for item in items]

def one(item):
    if item == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "exits":
        os._exit(0)
    if item == "aborted":
        os.abort()
    if item == "outgrown":
        bytearray(2**31)
    if item == "sorted":
        database = sqlite3.connect(":memory:")
        database.execute("CREATE TABLE t (a)")
        sql = ("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
               "SELECT x FROM c ORDER BY hex(zeroblob(100000)) || x")
        return execute(database.serialize(), sql, timeout_s=60).error
    if item == "nested":
        return one(item)
    if item == "hung":
        database = sqlite3.connect(":memory:")
        database.execute("CREATE TABLE t (a)")
        execute(database.serialize(), ENDLESS, timeout_s=0.01)
    if item == "raises":
        raise KeyError("a bug")
    if item == "prints":
        print("a line that is no answer")
    if item == "writes":
        try:
            Path(__file__).with_name("new.txt").write_text("x")
        except OSError as error:
            return type(error).__name__
    return os.getpid() if item == "pid" else item

def too_few(items):
    return []
"""


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "jobs_of_a_test.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("jobs_of_a_test", None)
    return importlib.import_module("jobs_of_a_test")


def run(function: Callable[..., Any], chunks: list[list[Any]], **settings: Any) -> list[list[Any]]:
    return list(map_chunks(function, chunks, **settings))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_order(jobs: Any, workers: int) -> None:
    chunks = [[1, 2, 3], [4], [], [5, 6]]
    assert run(jobs.numbers, chunks, workers=workers) == [[10, 20, 30], [40], [], [50, 60]]


def test_a_slow_chunk_does_not_lose_its_place(jobs: Any) -> None:
    assert run(jobs.late, [[0.3], [0.0], [0.0]], workers=2) == [[0.3], [0.0], [0.0]]


def test_nothing_to_do(jobs: Any) -> None:
    assert run(jobs.numbers, []) == []


@pytest.mark.parametrize(
    ("item", "result"),
    [
        ("killed", Lost("crashed")),
        ("exits", Lost("crashed")),
        ("aborted", Lost("crashed")),
        ("outgrown", Lost("too_large")),
        ("nested", Lost("too_large")),
        ("sorted", "too_large"),
        ("prints", "prints"),
        ("writes", "OSError"),
    ],
)
def test_a_lost_process_costs_one_item(jobs: Any, item: str, result: object) -> None:
    assert run(jobs.whatever, [["a", item, "b"], ["c"]], workers=1) == [["a", result, "b"], ["c"]]


def test_every_item_may_be_lost(jobs: Any) -> None:
    lost = Lost("crashed")
    assert run(jobs.whatever, [["killed", "aborted"], ["killed"]], workers=2) == [[lost, lost], [lost]]


def test_a_query_that_cannot_be_interrupted_ends_with_its_process(jobs: Any) -> None:
    assert run(jobs.whatever, [["hung"], ["a"]], workers=2) == [[Lost("timeout")], ["a"]]


def test_a_function_that_shows_no_sign_of_life_is_ended(jobs: Any) -> None:
    assert run(jobs.late, [[60.0]], limits=WorkerLimits(stall_s=0.3)) == [[Lost("timeout")]]


def test_a_bug_is_raised_and_is_no_verdict(jobs: Any) -> None:
    with pytest.raises(KeyError, match="a bug") as caught:
        run(jobs.whatever, [["a"], ["raises"]])
    assert "in one\n" in "".join(caught.value.__notes__)
    with pytest.raises(ValueError, match="1 items gave 0 results"):
        run(jobs.too_few, [["a"]])


def test_a_worker_that_cannot_start_is_an_error(jobs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="ended with status 1 before it began"):
        run(jobs.numbers, [[1]])


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_process_is_left(jobs: Any) -> None:
    (first,), (second,) = run(jobs.whatever, [["pid"], ["pid"]], workers=2)
    assert not is_alive(first)
    assert not is_alive(second)
    results = map_chunks(jobs.whatever, [["pid"], ["hung"]], workers=1)
    (pid,) = next(results)
    assert is_alive(pid)
    results.close()
    assert not is_alive(pid)


def test_processes_end_with_the_one_that_started_them(jobs: Any, tmp_path: Path) -> None:
    script = (
        f"import sys, os; sys.path.insert(0, {str(tmp_path)!r}); import jobs_of_a_test as jobs\n"
        "from text2sql_lightning.sql.workers import map_chunks\n"
        "print(*next(map_chunks(jobs.whatever, [['pid'], ['a']])), flush=True); os._exit(0)"
    )
    pid = int(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, timeout=60).stdout)
    for _ in range(200):
        if not is_alive(pid):
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} is still there")


def test_a_script_needs_no_guard_and_is_not_imported_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "print('once')\n"
        "from text2sql_lightning.sql.workers import map_chunks\n"
        "print(list(map_chunks(sorted, [[2, 1], [3]], workers=2)))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines() == ["once", "[[1, 2], [3]]"]
    assert done.stderr == ""


def test_what_lies_in_the_working_directory_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pickle.py").write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    assert run(sorted, [[2, 1]]) == [[1, 2]]


def test_verdicts_do_not_depend_on_workers() -> None:
    song, gold = "CREATE TABLE song (name VARCHAR, genre VARCHAR)", "SELECT name FROM song WHERE genre = 'Rock'"
    items = [(song, gold, predicted) for predicted in [gold, "SELECT name FROM song", "nonsense"] * 12]
    alone = score_many(items, seed=1)
    assert [(verdict.exec, verdict.error) for verdict in alone[:3]] == [(True, None), (False, None), (False, "syntax")]
    assert score_many(items, seed=1, workers=2) == alone
    assert score_many([], seed=1, workers=2) == []
