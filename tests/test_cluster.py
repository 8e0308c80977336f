"""Replications on a Dask cluster: the same bytes as here, whatever becomes of a worker."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="the extra dask is not installed")

SCENARIO = """
name = "small"
[run]
duration = "200s"
warmup = "20s"
runs = 4
seed = 3
[producers.web]
topic = "jobs"
arrivals = { process = "poisson", rate = 200 }
[consumers.work]
topic = "jobs"
instances = 4
service = { dist = "exponential", mean = "10ms" }
retry = { max_attempts = 3 }
transient_failure = 0.05
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def cluster(workers: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A scheduler and workers as a person starts them; the address, and the workers' processes."""
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-dashboard",
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [subprocess.Popen(command, **quiet)]
    one = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    processes += [subprocess.Popen(one, **quiet) for _ in range(workers)]
    try:
        yield address, processes[1:]
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


def sweep_command(folder: Path, out: str, *further: str) -> list[str]:
    edasim = shutil.which("edasim", path=str(Path(sys.executable).parent)) or "edasim"
    vary = ["--vary", "consumers.work.instances=3,4,5,6", "--vary", "producers.web.arrivals.rate=200,250"]
    return [edasim, "sweep", str(folder / "small.toml"), *vary, "--out", str(folder / out), *further]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.long
def test_a_cluster_that_loses_a_worker_midway_gives_the_bytes_of_a_local_run(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SCENARIO)
    subprocess.run(sweep_command(tmp_path, "local"), check=True, capture_output=True, timeout=300)
    with cluster(2) as (address, workers):
        process = subprocess.Popen(
            sweep_command(tmp_path, "remote", "--cluster", address), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        while len(list(tmp_path.glob("remote/finished/*/*.npz"))) < 6:
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            time.sleep(0.02)
        workers[0].kill()
        assert process.poll() is None, "the worker died too late to matter"
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said.decode()
    assert contents(tmp_path / "remote") == contents(tmp_path / "local")
