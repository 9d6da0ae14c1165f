"""Care of a store beside one that writes.

No batch waits long for it, and what was acknowledged before it is in it.
"""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path as FilePath

import pytest

from storage.care.check_and_gc import back_up_store, check_store
from storage.care.moving import move_store
from storage.open_store import open_store
from storage.records import Path
from storage.store.store import Store
from tests.storage.examples import make, uid
from tests.storage.story import whole_story


@pytest.fixture
def store(tmp_path: FilePath) -> Store:
    store = open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}", keep_log=True)
    store.append(whole_story())
    return store


@contextmanager
def written(store: Store) -> Generator[list[int]]:
    """A writer beside the block; gives the numbers of the batches that were acknowledged."""
    acknowledged, over = list[int](), threading.Event()

    def write() -> None:
        writer = open_store(store.url, keep_log=True)
        while not over.is_set():
            number = len(acknowledged)
            writer.append([make(Path, ("batch", number))])
            acknowledged.append(number)
            time.sleep(0.01)  # threads of one process are not served in turn

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield acknowledged
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("what", ["backup", "reader copy", "move"])
def test_every_copy_holds_what_was_acknowledged_before_it_began(
    store: Store, tmp_path: FilePath, what: str
) -> None:
    copies: dict[str, Callable[[FilePath], object]] = {
        "backup": lambda target: back_up_store(store, target),
        "reader copy": lambda target: (store.refresh_reader() or target).rename(target),
        "move": lambda target: move_store(store, f"duckdb:///{target}"),
    }
    with written(store) as acknowledged:
        for turn in range(4):
            before, target = len(acknowledged), tmp_path / "copies" / f"{turn}.duckdb"
            target.parent.mkdir(exist_ok=True)
            copies[what](target)
            there = open_store(f"duckdb:///{target}").existing(
                Path, [uid(Path, ("batch", n)) for n in range(before)]
            )
            assert len(there) == before


@pytest.mark.parametrize("what", ["check", "move"])
def test_a_batch_is_written_in_the_middle_of_what_reads_long(
    store: Store, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    impatient, written_meanwhile = open_store(store.url, busy_seconds=0.05), list[int]()
    monkeypatch.setattr("storage.file.database._TURN_SECONDS", 0.5)

    def write_then(*arguments: object) -> object:
        number = len(written_meanwhile)
        thread = threading.Thread(
            target=lambda: written_meanwhile.append(
                impatient.append([make(Path, ("meanwhile", number))])
            )
        )
        thread.start()
        thread.join(timeout=20)
        return real(*arguments)  # type: ignore[operator]

    from storage.care import check_and_gc, moving

    module, name = (check_and_gc, "_asked") if what == "check" else (moving, "_copy")
    real = getattr(module, name)
    monkeypatch.setattr(module, name, write_then)
    if what == "check":
        check_store(store)
    else:
        move_store(store, f"duckdb:///{tmp_path / 'moved.duckdb'}")

    assert len(written_meanwhile) > 5
    assert set(written_meanwhile) == {1}
