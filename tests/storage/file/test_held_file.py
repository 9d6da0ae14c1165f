"""A client of another kind holds the file.

Our own wait with a bound, say for whom, and end so that they can go on.
"""

import os
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path as FilePath
from types import SimpleNamespace

import duckdb
import pytest

from storage.errors import Stopped, StoreBusy, TransientError
from storage.file import database
from storage.file.database import HeldByAnother
from storage.locks import TurnNotTaken, turn
from storage.open_store import Store, open_store
from storage.records import Path
from tests.storage.examples import make
from tests.storage.foreign import held


@pytest.fixture
def store(tmp_path: FilePath) -> Store:
    store = open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}", busy_seconds=0.05)
    store.append([make(Path, 0)])
    return store


def attempts(store: Store) -> dict[str, object]:
    """Whatever opens the file."""
    return {
        "append": lambda: store.append([make(Path, 1)]),
        "update": lambda: store.update(make(Path, 0)),
        "number": lambda: store.append_next(
            lambda n: make(Path, n, sample=n), "sample", {"sample": -1}
        ),
        "select": lambda: store.select(Path),
        "copy": store.refresh_reader,
        "open": lambda: open_store(store.url, busy_seconds=0.05),
    }


@pytest.mark.parametrize("what", ["append", "update", "number", "select", "copy", "open"])
def test_whoever_needs_a_file_that_another_program_writes_into_is_told_its_process_and_can_go_on(
    store: Store, what: str
) -> None:
    with held(store.path) as client:
        attempt = attempts(store)[what]
        with pytest.raises(
            HeldByAnother,
            match=rf"Process {client.process.pid} \(.*python.*the same command goes on",
        ):
            attempt()  # type: ignore[operator]

    assert store.append([make(Path, 2)]) == 1
    assert len(store.select(Path)) == 2


def test_a_reader_of_another_kind_keeps_writers_out_and_no_reader(store: Store) -> None:
    with held(store.path, "read"):
        assert len(store.select(Path)) == 1
        with pytest.raises(HeldByAnother):
            store.append([make(Path, 1)])


def test_a_client_of_the_reader_copy_is_noticed_by_nobody(store: Store) -> None:
    with held(store.reader_copy(), "read"):
        assert store.append([make(Path, 1)]) == 1
        store.refresh_reader()


def test_a_batch_waits_for_the_client_and_says_so_once_while_our_readers_go_on(
    tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.file.database._SAY_AFTER_SECONDS", 0.1)
    said: list[str] = []
    store = open_store(
        f"duckdb:///{tmp_path / 'regenesis.duckdb'}", busy_seconds=60, say=said.append
    )
    with held(store.path, "read") as client:
        waiting = threading.Thread(target=store.append, args=([make(Path, 1)],))
        waiting.start()
        while not said:
            time.sleep(0.01)
        beside = open_store(store.url, busy_seconds=0.05)
        for _ in range(20):
            assert beside.select(Path) == []
    waiting.join()

    assert store.select(Path) == [make(Path, 1)]
    assert [f"Process {client.process.pid} " in line for line in said] == [True]


def test_what_our_own_turns_cost_is_not_counted_against_a_client_that_is_met_after_them(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, tries, really = [1000.0], list[bool](), database.connect

    def waited_for_our_turn(*_: object, **__: object) -> AbstractContextManager[None]:
        clock[0] += 0 if tries else 600  # seconds, before the client is met
        return nullcontext()

    def held_once(
        path: FilePath, *, read_only: bool, beside: FilePath | None
    ) -> duckdb.DuckDBPyConnection:
        tries.append(read_only)
        if len(tries) == 1:
            raise HeldByAnother("a client holds it")
        return really(path, read_only=read_only, beside=beside)

    monkeypatch.setattr(
        database, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=lambda _: None)
    )
    monkeypatch.setattr(database, "turn", waited_for_our_turn)
    monkeypatch.setattr(database, "connect", held_once)

    assert store.append([make(Path, 1)]) == 1
    assert len(tries) == 2


def test_a_busy_store_is_passing_and_ends_a_run_cleanly(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.file.database._TURN_SECONDS", 0.05)
    with turn(store.path, exclusive=True, wait_seconds=0), pytest.raises(TurnNotTaken) as raised:
        store.append([make(Path, 1)])

    assert isinstance(raised.value, StoreBusy)
    assert isinstance(raised.value, (Stopped, TransientError))
    assert (StoreBusy.exit_code, HeldByAnother.exit_code) == (3, 3)


def test_a_store_reached_by_a_link_is_the_same_store_with_the_same_turns(
    store: Store, tmp_path: FilePath
) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.duckdb"
    link.symlink_to(store.path)
    linked = open_store(f"duckdb:///{link}")

    assert linked.append([make(Path, 1)]) == 1
    assert len(store.select(Path)) == 2
    assert os.listdir(link.parent) == ["link.duckdb"]
