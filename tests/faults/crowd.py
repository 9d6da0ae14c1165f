"""Writers that are killed at random and started again, with readers beside them, and what must be
true afterwards.
"""

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from storage.care.check_and_gc import compact
from storage.errors import TransientError
from storage.open_store import Store, open_store
from storage.records import Path as RecordedPath
from storage.store.store_url import file_of, is_lake
from tests.faults.reader import MUST_BE_NONE, STATE, THROUGH_EVERY_VIEW
from tests.faults.writer import EVERYBODY, OWN, SHARED, surroundings
from tests.storage.examples import make
from tests.storage.foreign import held

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Told:
    """What came of it.

    Batch number and moment by writer, in order; each reader's answers; how often one was killed.
    """

    acknowledged: Mapping[str, Sequence[tuple[int, int]]]
    answers: Sequence[Sequence[Mapping[str, int]]]
    kills: int

    def __str__(self) -> str:
        batches = sum(map(len, self.acknowledged.values()))
        return (
            f"{self.kills} kills, {batches} batches acknowledged, {sum(map(len, self.answers))}"
            " answers read"
        )


class Crowd:
    """The processes. A writer that is started again goes on after its own acknowledged batches."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url, self._folder = url, folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._known: dict[str, int] = {}

    def write(self, name: str) -> None:
        noted = self.acknowledged(name)
        self._known[name] = len(noted)
        self._start("writer", name, name, str(noted[-1][0] + 1 if noted else 0))

    def read(self, name: str) -> None:
        self._start("reader", name)

    def kill(self, name: str) -> None:
        process = self._running.pop(name)
        ended = process.poll()
        assert ended is None, (
            f"{name} ended by itself with {ended}: {self._errors(name).read_text()[-3000:]}"
        )
        process.send_signal(signal.SIGKILL)
        process.wait()

    def end(self) -> None:
        """Whatever still runs, however it stands with it."""
        for process in self._running.values():
            process.kill()
            process.wait()

    def progressed(self) -> list[str]:
        """Writers that have acknowledged something since they were started."""
        return [name for name, known in self._known.items() if len(self.acknowledged(name)) > known]

    def acknowledged(self, name: str) -> list[tuple[int, int]]:
        return [(number, moment) for number, moment in map(_numbers, self._lines(name))]

    def answers(self, name: str) -> list[dict[str, int]]:
        return [json.loads(line) for line in self._lines(name)]

    def _start(self, program: str, name: str, *more: str) -> None:
        command = [
            sys.executable,
            "-m",
            f"tests.faults.{program}",
            self._url,
            str(self._notes(name)),
            *more,
        ]
        with self._errors(name).open("ab") as errors:
            self._running[name] = subprocess.Popen(command, cwd=ROOT, stderr=errors)

    def _lines(self, name: str) -> list[str]:
        """The whole ones: the last may be half written."""
        notes = self._notes(name)
        return notes.read_text().split("\n")[:-1] if notes.exists() else []

    def _notes(self, name: str) -> Path:
        return self._folder / f"{name}.notes"

    def _errors(self, name: str) -> Path:
        return self._folder / f"{name}.errors"


def kill_at_random(
    url: str,
    folder: Path,
    *,
    writers: int,
    readers: int,
    seconds: float,
    seed: int,
    pause: tuple[float, float],
) -> Told:
    """Kill and restart writers for a while.

    A file is also held by a foreign client now and then, a lake compacted.
    """
    choice, kills = random.Random(seed), 0
    names = [f"writer-{number}" for number in range(writers)]
    reading = [f"reader-{number}" for number in range(readers)]
    open_store(url).append(surroundings())
    deadline = time.monotonic() + seconds
    with _crowd(url, folder) as crowd, _compacted(url):
        for name in names:
            crowd.write(name)
        for name in reading:
            crowd.read(name)
        while time.monotonic() < deadline or not (
            all(map(crowd.acknowledged, names)) and all(map(crowd.answers, reading))
        ):
            with (
                held(file_of(url)) if not is_lake(url) and choice.random() < 0.3 else nullcontext()
            ):
                time.sleep(choice.uniform(*pause))
                victims = crowd.progressed()
                if victims:
                    victim = choice.choice(victims)
                    crowd.kill(victim)
                    crowd.write(victim)
                    kills += 1
        for name in (*names, *reading):
            crowd.kill(name)
        return Told(
            {name: crowd.acknowledged(name) for name in names},
            [*map(crowd.answers, reading)],
            kills,
        )


def check(url: str, told: Told) -> None:
    """Each batch whole or absent, the acknowledged ones there once in every view, before and after
    compacting.
    """
    for answers in told.answers:
        check_answers(answers)
    store = open_store(url)
    for _ in range(2):
        check_batches(store, told)
        check_answers(store.query(STATE).to_pylist())
        store.settle()
        compact(store)
    assert store.append([make(RecordedPath, "afterwards")]) == 1
    for name in told.acknowledged:
        with store.alone(name):
            pass


def check_answers(answers: Sequence[Mapping[str, int]]) -> None:
    """Each is a state that existed.

    Batches whole, the same through every view, and never less than the one before.
    """
    for answer in answers:
        assert {name: answer[name] for name in MUST_BE_NONE} == dict.fromkeys(MUST_BE_NONE, 0)
        assert {name: answer[name] for name in THROUGH_EVERY_VIEW} == dict.fromkeys(
            THROUGH_EVERY_VIEW, answer["paths"]
        )
    counts = [answer["paths"] for answer in answers]
    assert counts == sorted(counts)


def check_batches(store: Store, told: Told) -> None:
    """What was acknowledged is there, whole."""
    rows = store.query("SELECT endpoint, seed, count(*) AS n FROM paths GROUP BY ALL").to_pylist()
    there = Counter({(row["endpoint"], row["seed"]): row["n"] for row in rows})
    for name, acknowledged in told.acknowledged.items():
        assert acknowledged
        for number, moment in acknowledged:
            assert (there[name, number], there[EVERYBODY, moment]) == (OWN, SHARED)


@contextmanager
def _crowd(url: str, folder: Path) -> Generator[Crowd]:
    """They are gone when the block ends, however it ends."""
    crowd = Crowd(url, folder)
    try:
        yield crowd
    finally:
        crowd.end()


@contextmanager
def _compacted(url: str, pause_seconds: float = 60.0) -> Generator[None]:
    """The store is compacted now and then while the block runs, as maintenance does.

    No answer spans two of them.
    """
    over, failed = threading.Event(), list[Exception]()

    def care() -> None:
        store = open_store(url)
        while not over.wait(pause_seconds):
            try:
                with suppress(TransientError):  # a foreign client has the file
                    compact(store)
            except Exception as error:
                failed.append(error)
                return

    thread = threading.Thread(target=care)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert not failed, failed[0]


def _numbers(line: str) -> tuple[int, int]:
    number, moment = map(int, line.split())
    return number, moment
