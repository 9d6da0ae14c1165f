"""kill -9 of writers at random moments: every acknowledged batch is there exactly once, in tables and views."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path as FilePath

import pytest

from storage.repository import open_store
from tests.conftest import empty_store
from tests.faults.writer import SHARED, batch
from tests.storage.foreign import held

ROOT = FilePath(__file__).parents[2]
_STATE = """
SELECT
    (SELECT count(*) FROM paths) AS paths,
    (SELECT count(*) FROM verdicts) AS verdicts,
    (SELECT count(*) - count(DISTINCT id) FROM paths) AS doubled,
    (SELECT count(*) FROM lineage WHERE verdict IS NULL) AS unjudged
"""


class Writers:
    """Writer processes, each of which goes on after its own acknowledged batches when it is started again."""

    def __init__(self, url: str, folder: FilePath, count: int) -> None:
        self._url, self._folder = url, folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._known: dict[str, int] = {}
        for index in range(count):
            self.start(f"writer-{index}")

    def start(self, name: str) -> None:
        noted = self.acknowledged(name)
        first = str(max(noted, default=-1) + 1)
        self._known[name] = len(noted)
        command = [sys.executable, "-m", "tests.faults.writer", self._url, str(self._notes(name)), name, first]
        self._running[name] = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)

    def kill(self, name: str) -> None:
        process = self._running.pop(name)
        assert process.poll() is None, f"{name} ended by itself with {process.returncode}"
        process.send_signal(signal.SIGKILL)
        process.wait()

    def kill_all(self) -> None:
        for name in list(self._running):
            self.kill(name)

    def progressed(self) -> list[str]:
        """Writers that have acknowledged something since they were started."""
        return [name for name in self.names() if len(self.acknowledged(name)) > self._known[name]]

    def names(self) -> list[str]:
        return sorted(self._running)

    def acknowledged(self, name: str) -> list[int]:
        notes = self._notes(name)
        return [int(line) for line in notes.read_text().split()] if notes.exists() else []

    def _notes(self, name: str) -> FilePath:
        return self._folder / f"{name}.notes"


@contextmanager
def writers(url: str, folder: FilePath, count: int) -> Generator[Writers]:
    """They are gone when the block ends, however it ends."""
    running = Writers(url, folder, count)
    try:
        yield running
    finally:
        running.kill_all()


def kill_at_random(url: str, folder: FilePath, *, count: int, seconds: float, seed: int) -> dict[str, list[int]]:
    """Kill and restart writers for a while, a file also held by a foreign client; returns what was acknowledged."""
    choice = random.Random(seed)
    database = None if url.startswith("ducklake:") else FilePath(url.removeprefix("duckdb:///"))
    deadline = time.monotonic() + seconds
    with writers(url, folder, count) as running:
        names = running.names()
        while time.monotonic() < deadline or not all(running.acknowledged(name) for name in names):
            with held(database) if database and choice.random() < 0.3 else nullcontext():
                time.sleep(choice.uniform(0.1, 0.7))
                victims = running.progressed()
                if victims:
                    victim = choice.choice(victims)
                    running.kill(victim)
                    running.start(victim)
        running.kill_all()
        return {name: running.acknowledged(name) for name in names}


@pytest.mark.parametrize("kind", ["file", "lake", "postgres"])
def test_every_acknowledged_batch_is_there_exactly_once_after_kills(
    request: pytest.FixtureRequest, tmp_path: FilePath, kind: str
) -> None:
    url = empty_store(request, kind, tmp_path)
    open_store(url)

    with readers(url, 2 if kind != "file" else 0) as states:
        acknowledged = kill_at_random(url, tmp_path, count=3, seconds=12, seed=1)

    check(url, acknowledged)
    for state in states:
        assert state["doubled"] == state["unjudged"] == 0
        assert state["paths"] == state["verdicts"]
        assert state["paths"] % SHARED == 0


@contextmanager
def readers(url: str, count: int) -> Generator[list[dict[str, int]]]:
    """What readers in threads saw while the block ran: each row is one answer to one question."""
    over, states = threading.Event(), list[dict[str, int]]()

    def read() -> None:
        store = open_store(url)
        while not over.is_set():
            states.extend(store.query(_STATE).to_pylist())

    threads = [threading.Thread(target=read) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield states
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.soak
def test_every_acknowledged_batch_is_there_after_ten_minutes_of_kills(tmp_path: FilePath) -> None:
    url = f"duckdb:///{tmp_path / 'regenesis.duckdb'}"
    open_store(url)

    check(url, kill_at_random(url, tmp_path, count=8, seconds=600, seed=int(os.environ.get("REGENESIS_SEED", "7"))))


def check(url: str, acknowledged: dict[str, list[int]]) -> None:
    """Each batch whole or absent, the acknowledged ones present, no id twice, before and after the merge."""
    store = open_store(url)
    for _ in range(2):
        ids = {row["id"] for row in store.query("SELECT id FROM paths").to_pylist()}
        for name, numbers in acknowledged.items():
            expected = {record.id for number in numbers for record in batch(name, number) if record.table == "paths"}
            assert numbers
            assert expected <= ids
        for table in ("paths", "verdicts"):
            assert store.query(f"SELECT id FROM {table} GROUP BY id HAVING count(*) > 1").num_rows == 0
        assert store.query("SELECT count(*) AS n FROM lineage WHERE verdict IS NULL")["n"].to_pylist() == [0]
        assert store.query("SELECT count(*) AS n FROM lineage")["n"].to_pylist() == [len(ids)]
        store.merge_spool()
    assert store.unmerged_rows() == 0
