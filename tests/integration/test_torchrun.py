"""Processes started by torchrun, on one machine and as two, on loopback; and one of them dying."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
ADAPTER = "adapters/adapter_model.safetensors"
FIT = ["-m", "text2sql_lightning", "fit"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(torchrun: list[Any], flags: list[Any]) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "torch.distributed.run", *torchrun, *FIT, *flags, "--trainer.strategy", "ddp"]
    return subprocess.Popen(
        [str(part) for part in command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
    )


def end(process: "subprocess.Popen[str]", timeout: float = 300) -> str:
    try:
        out, _ = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return out


def one_machine(flags: list[Any]) -> "subprocess.Popen[str]":
    place = ["--nproc-per-node", 2, "--master-addr", "127.0.0.1", "--master-port", free_port()]
    return start(place, [*flags, "--trainer.devices", 2])


def test_one_machine(tiny: Any, shell: Any, read_json: Any, tmp_path: Path) -> None:
    """The same adapter as with processes that Lightning starts."""
    process = one_machine(tiny.flags(tmp_path / "torchrun"))
    out = end(process)
    assert process.returncode == 0, out[-3000:]
    meta = read_json(tmp_path / "torchrun" / "run_meta.json")
    assert (meta["status"], meta["world_size"]) == ("completed", 2)
    ddp = ["--trainer.devices", 2, "--trainer.strategy", "ddp"]
    done = shell(*FIT, *tiny.flags(tmp_path / "lightning"), *ddp)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "torchrun" / ADAPTER).read_bytes() == (tmp_path / "lightning" / ADAPTER).read_bytes()


@pytest.mark.slow
def test_two_machines(tiny: Any, read_json: Any, tmp_path: Path) -> None:
    """Two agents with a process each; both write to one folder, as on a shared disk."""
    port = free_port()
    place = ["--nnodes", 2, "--nproc-per-node", 1, "--master-addr", "127.0.0.1", "--master-port", port]
    flags = [*tiny.flags(tmp_path / "nodes"), "--trainer.devices", 1, "--trainer.num_nodes", 2]
    agents = [start([*place, "--node-rank", rank], flags) for rank in (0, 1)]
    outputs = [end(agent) for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0], outputs[0][-2000:] + outputs[1][-2000:]
    meta = read_json(tmp_path / "nodes" / "run_meta.json")
    assert (meta["status"], meta["world_size"]) == ("completed", 2)
    process = one_machine(tiny.flags(tmp_path / "one"))
    out = end(process)
    assert process.returncode == 0, out[-3000:]
    assert (tmp_path / "nodes" / ADAPTER).read_bytes() == (tmp_path / "one" / ADAPTER).read_bytes()


def process_of_rank(rank: int, parent: int) -> int:
    """Find the process that torchrun gave a rank."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            belongs = f"PPid:\t{parent}\n" in (folder / "status").read_text()
            if belongs and f"LOCAL_RANK={rank}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                return int(folder.name)
        except OSError:
            continue
    raise AssertionError(f"there is no process of rank {rank}")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the process through /proc")
def test_a_process_that_dies_ends_the_run(tiny: Any, read_json: Any, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = one_machine([*tiny.flags(folder), "--trainer.max_steps", 100_000, "--checkpoint.every_n_steps", 2])
    try:
        deadline = time.monotonic() + 120
        while not (folder / "checkpoints" / "last.ckpt").exists() and time.monotonic() < deadline:
            assert process.poll() is None, process.stdout.read()[-3000:]  # type: ignore[union-attr]
            time.sleep(0.2)
        os.kill(process_of_rank(1, process.pid), signal.SIGKILL)
        killed = time.monotonic()
        out = end(process, timeout=60)
    finally:
        process.kill()
    assert process.returncode != 0
    assert time.monotonic() - killed < 60
    assert "exitcode  : -9" in out or "Signal 9" in out, out[-3000:]
    assert read_json(folder / "run_meta.json")["status"] in ("failed", "interrupted")
