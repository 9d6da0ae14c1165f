"""kill -9 at random moments while a store is made, brought to this schema or restored.

The old one or the new one.
"""

import multiprocessing
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.care.backups import back_up, restore
from storage.errors import InputError
from storage.file.database import log_of
from storage.migrations import newest_version
from storage.open_store import open_store
from storage.records import Path as RecordedPath
from tests.faults.store_changes import (
    environment_of,
    open_it,
    restore_it,
    restore_killed_at_a_step,
)
from tests.storage.examples import make
from tests.storage.migrations.test_old_schemas import OLDER, rows_of, store_of_schema

MOMENTS = 6
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["tests.faults.store_changes"])


def killed_at_random(
    work: Callable[..., None],
    prepare: Callable[[Path], None],
    look: Callable[[Path], str],
    folder: Path,
    moments: int,
) -> set[str]:
    """Which states were seen. The first attempt is not killed and tells how long it takes."""
    choice, seconds, seen = random.Random(7), 0.0, set[str]()
    for moment in range(moments + 1):
        home = folder / f"home-{moment}"
        home.mkdir(parents=True)
        prepare(home)
        receiving, sending = CHILDREN.Pipe(duplex=False)
        child = CHILDREN.Process(target=work, args=(sending, str(home)))
        child.start()
        assert receiving.recv() == "now"
        began = time.monotonic()
        if moment:
            time.sleep(choice.uniform(0, seconds))
            child.kill()
        child.join()
        seconds = seconds or time.monotonic() - began
        seen.add(look(home))
    return seen


def look_at_new(home: Path) -> str:
    """A store is whole or not there; and opens, whatever was left."""
    path = home / "regenesis.duckdb"
    there = path.exists()
    if there:
        assert not any(rows_of(path).values())
    assert open_store(f"duckdb:///{path}").append([make(RecordedPath, "new")]) == 1
    return "new" if there else "none"


def look_at_upgraded(
    before: dict[str, list[tuple[object, ...]]], version: int
) -> Callable[[Path], str]:
    """It is of the one schema or the other, with every row; and opens."""

    def look(home: Path) -> str:
        path = home / "regenesis.duckdb"
        counts = {table: len(rows) for table, rows in rows_of(path).items() if table in before}
        assert counts == {table: len(rows) for table, rows in before.items()}
        state = "old" if rows_of(path) == before else "new"
        if state == "new":
            assert rows_of(path.with_name(f"regenesis.before-schema-{version}.duckdb")) == before
        store = open_store(f"duckdb:///{path}")
        [row] = store.query("SELECT max(version) AS version FROM schema_migrations").to_pylist()
        assert row["version"] == newest_version()
        return state

    return look


OLD, NEW = {"one", "two", "three"}, {"one"}


def a_home_with_a_backup(home: Path) -> None:
    """A backup of one path.

    Then two more came, of which one is in the log, as a killed run leaves it.
    """
    places = environment_of(home)
    store = open_store(places.store_url, keep_log=True)
    note_in_records(home, "then")
    store.append([make(RecordedPath, "one", text="one")])
    back_up(store, home, home / "backups" / "one.duckdb")
    store.append([make(RecordedPath, "two", text="two")])
    store.settle()
    store.append([make(RecordedPath, "three", text="three")])
    note_in_records(home, "now")
    assert log_of(home / "regenesis.duckdb").exists()


def note_in_records(home: Path, what: str) -> None:
    with closing(sqlite3.connect(home / "mlflow.db")) as records, records:
        records.execute("CREATE TABLE IF NOT EXISTS notes (what VARCHAR)")
        records.execute("DELETE FROM notes")
        records.execute("INSERT INTO notes VALUES (?)", [what])


def noted(home: Path) -> str:
    with closing(sqlite3.connect(home / "mlflow.db")) as records:
        return str(records.execute("SELECT what FROM notes").fetchone()[0])


def texts(home: Path) -> set[str]:
    return {path.text for path in open_store(environment_of(home).store_url).select(RecordedPath)}


def look_at_restored(home: Path) -> str:
    """The rows of the one state or the other.

    Restored again, it is the backup's, and what was there is kept.
    """
    there = texts(home)
    assert there in (OLD, NEW)
    assert noted(home) in ("then", "now")
    restore(environment_of(home), home / "backups" / "one.duckdb", datetime.now(UTC))
    assert (texts(home), noted(home)) == (NEW, "then")
    kept = [
        file for file in home.glob("regenesis.duckdb.before-restore-*") if file.suffix != ".wal"
    ]
    assert OLD in [
        {row[3] for row in rows_of(file, {"paths": "1, 2, 3, text"})["paths"]} for file in kept
    ]
    return "old" if there == OLD else "new"


def test_a_store_killed_while_it_is_made_is_whole_or_not_there(tmp_path: Path) -> None:
    assert killed_at_random(open_it, lambda home: None, look_at_new, tmp_path, MOMENTS) <= {
        "none",
        "new",
    }


@pytest.mark.parametrize("version", OLDER)
def test_a_store_killed_while_it_is_brought_to_this_schema_is_of_the_old_one_or_of_this_one(
    tmp_path: Path, version: int
) -> None:
    template = tmp_path / "template.duckdb"
    store_of_schema(version, template)

    seen = killed_at_random(
        open_it,
        lambda home: shutil.copyfile(template, home / "regenesis.duckdb") and None,
        look_at_upgraded(rows_of(template), version),
        tmp_path,
        max(2, MOMENTS // 2),
    )

    assert seen <= {"old", "new"}


def test_a_store_killed_while_a_backup_is_restored_is_the_one_or_the_other(tmp_path: Path) -> None:
    assert killed_at_random(
        restore_it, a_home_with_a_backup, look_at_restored, tmp_path, MOMENTS
    ) <= {"old", "new"}


def test_a_restore_killed_before_any_of_its_steps_leaves_store_and_records_of_one_moment(
    tmp_path: Path,
) -> None:
    template, seen, step = tmp_path / "home", set[tuple[bool, str]](), 0
    template.mkdir()
    a_home_with_a_backup(template)
    for step in range(1, 100):
        home = template.rename(tmp_path / "kept") if step == 1 else tmp_path / "kept"
        shutil.copytree(home, template)
        receiving, sending = CHILDREN.Pipe(duplex=False)
        child = CHILDREN.Process(
            target=restore_killed_at_a_step, args=(sending, str(template), step)
        )
        child.start()
        assert receiving.recv() == "now"
        child.join()
        switched = not list(template.glob(".*.restore.json"))
        state = (texts(template) == NEW, noted(template))
        assert state in ((False, "now"), (True, "then")), step
        assert texts(template) in (OLD, NEW)
        kept = list(template.glob("*.before-restore-*"))
        assert len({file.name.partition(".before-")[0] for file in kept}) == (2 if state[0] else 0)
        assert not list(template.glob(".*.restore.json")), step
        seen.add(state)
        shutil.rmtree(template)
        # what follows the switch is the reader copy
        if switched and state[0]:
            break

    assert step > 5
    assert len(seen) == 2


def test_after_a_restore_with_a_log_beside_the_store_backups_and_reader_copies_are_made(
    tmp_path: Path,
) -> None:
    a_home_with_a_backup(tmp_path)
    places = environment_of(tmp_path)

    kept = restore(places, tmp_path / "backups" / "one.duckdb", datetime.now(UTC))

    store = open_store(places.store_url)
    assert back_up(store, tmp_path, tmp_path / "backups" / "two.duckdb").exists()
    assert store.refresh_reader().exists()
    assert sorted(file.name.partition(".before-restore-")[0] for file in kept) == [
        "mlflow.db",
        "regenesis.duckdb",
    ]


def test_a_store_that_is_damaged_and_has_a_log_is_put_aside_with_it(tmp_path: Path) -> None:
    a_home_with_a_backup(tmp_path)
    path = tmp_path / "regenesis.duckdb"
    damaged = b"no database" * 1000
    path.write_bytes(damaged)

    kept = restore(environment_of(tmp_path), tmp_path / "backups" / "one.duckdb", datetime.now(UTC))

    assert texts(tmp_path) == NEW
    assert [file.read_bytes() == damaged for file in kept if file.name.startswith("regenesis")] == [
        True,
        False,
    ]
    assert [file.name for file in kept if file.name.endswith(".wal")] == [f"{kept[0].name}.wal"]


def test_no_command_makes_an_empty_store_where_one_was_lost(tmp_path: Path) -> None:
    a_home_with_a_backup(tmp_path)
    path = tmp_path / "regenesis.duckdb"
    lost = path.rename(tmp_path / "lost.duckdb")

    with pytest.raises(InputError, match=r"A store lay at .*regenesis\.duckdb.wal' is left of it"):
        open_store(f"duckdb:///{path}")

    os.rename(lost, path)
    assert texts(tmp_path) == OLD


def test_a_file_that_is_put_back_beside_a_newer_log_is_refused_before_anything_is_read(
    tmp_path: Path,
) -> None:
    a_home_with_a_backup(tmp_path)
    path = tmp_path / "regenesis.duckdb"
    newer = path.read_bytes()
    shutil.copyfile(tmp_path / "backups" / "one.duckdb", path)

    with pytest.raises(
        InputError, match=r"A store and its log belong together; .* belongs to another"
    ):
        open_store(f"duckdb:///{path}")

    path.write_bytes(newer)
    assert texts(tmp_path) == OLD
