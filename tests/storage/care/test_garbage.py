"""Garbage: only names of ours, only what no store below the home names, and adapters to a trash
first.
"""

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path as FilePath

import pytest

from storage.care.backups import restore
from storage.care.check_and_gc import back_up_store
from storage.care.garbage import TRASH, find_garbage, remove_garbage
from storage.environment import Environment
from storage.errors import PermanentError
from storage.open_store import open_store
from storage.records import Adapter, Round
from storage.store.store import Store
from tests.conftest import empty_store
from tests.storage.examples import make

KNOWN, UNKNOWN, FRESH = ("a" * 32, "b" * 32, "c" * 32)


def a_day_old(path: FilePath) -> FilePath:
    """A file with some bytes, or a folder with one, that nobody touched for a day."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if "." in path.name[1:] or path.suffix:
        path.write_bytes(b"12345")
    else:
        path.mkdir()
        (path / "weights").write_bytes(b"12345")
    for one in (path, *path.rglob("*")):
        os.utime(one, (time.time() - 90_000,) * 2)
    return path


@pytest.fixture
def store(tmp_path: FilePath) -> Store:
    store = open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}")
    store.append([make(Adapter, "known", location=f"adapters/{KNOWN}")])
    a_day_old(tmp_path / "adapters" / KNOWN)
    return store


def collected(store: Store, home: FilePath) -> list[str]:
    found = find_garbage(store, home)
    remove_garbage(found)
    return [str(one.path.relative_to(home)) for one in found]


def test_an_adapter_that_nothing_names_goes_to_the_trash_and_is_removed_after_its_days(
    store: Store, tmp_path: FilePath
) -> None:
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    (tmp_path / "adapters" / FRESH).mkdir()

    assert collected(store, tmp_path) == [f"adapters/{UNKNOWN}"]
    assert sorted(one.name for one in (tmp_path / "adapters").iterdir()) == [KNOWN, FRESH]
    [kept] = (tmp_path / TRASH).iterdir()
    assert (kept / "weights").read_bytes() == b"12345"
    assert collected(store, tmp_path) == []

    old = datetime.now(UTC) - timedelta(days=32)
    kept.rename(kept.with_name(f"{old:%Y-%m-%d}-{UNKNOWN}"))
    (tmp_path / TRASH / "mine").mkdir()
    assert collected(store, tmp_path) == [f"{TRASH}/{old:%Y-%m-%d}-{UNKNOWN}"]
    assert [one.name for one in (tmp_path / TRASH).iterdir()] == ["mine"]


@pytest.mark.parametrize("where", ["restored", "second", "in a folder", "backup", "lake"])
def test_an_adapter_that_another_store_below_the_home_names_stays(
    request: pytest.FixtureRequest, store: Store, tmp_path: FilePath, where: str
) -> None:
    champion = make(Adapter, "champion", location=f"adapters/{UNKNOWN}")
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    if where == "restored":
        backup = back_up_store(store, tmp_path / "elsewhere.duckdb")
        store.append([champion])
        restore(Environment(tmp_path, store.url, (), None), backup, datetime.now(UTC))
        backup.unlink()
        assert len(store.select(Adapter)) == 1
    elif where == "backup":
        other = open_store(f"duckdb:///{tmp_path / 'made' / 'one.duckdb'}")
        other.append([champion])
        back_up_store(other, tmp_path / "backups" / "regenesis-20260101-063000.duckdb")
        shutil.rmtree(tmp_path / "made")
    elif where == "lake":
        open_store(empty_store(request, "lake", tmp_path)).append([champion])
    else:
        name = "other.duckdb" if where == "second" else "second/home/regenesis.duckdb"
        open_store(f"duckdb:///{tmp_path / name}").append([champion])

    assert collected(store, tmp_path) == []


def test_nothing_is_collected_while_a_store_that_may_name_it_can_not_be_read(
    store: Store, tmp_path: FilePath
) -> None:
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    a_day_old(tmp_path / "second.duckdb")

    with pytest.raises(
        PermanentError, match=r"No garbage is collected while .*second\.duckdb' can't be read"
    ):
        find_garbage(store, tmp_path)


OTHERS = (
    "ubuntu.iso.part",
    "paper.pdf.part",
    "regenesis.duckdb.bak",
    "notes.part",
    "backups/mine.duckdb.part",
    "adapters/README.md",
    "adapters/my-adapter",
    "adapters/.work-mine",
    "other.duckdb.compact.part",
    "x.before-it.part",
)
OURS = (
    "backups/regenesis-20260101-063000.duckdb.part",
    "backups/regenesis-20260101-063000.duckdb.part.wal",
    ".reader.duckdb.17-99.part",
    ".regenesis.duckdb.17.making.part",
    ".regenesis.duckdb.restore.part",
    ".regenesis.duckdb.restore.copy.part",
    ".regenesis.duckdb.restore.copy.part.wal",
    ".mlflow.db.restore.part",
    ".mlflow.db.restore.part-journal",
    "backups/.regenesis-20260101-063000.duckdb.17-ab_c1.part",
    "backups/.regenesis-20260101-063000.mlflow.db.17-ab_c1.part",
    ".regenesis.duckdb.compact.part.wal",
    "regenesis.duckdb.part",
    "regenesis.duckdb.compact.part",
    "regenesis.before-schema-3.duckdb.part",
    "regenesis.duckdb.before-restore-20260101-063000.part",
)


def test_only_names_that_this_project_writes_are_ever_removed(
    store: Store, tmp_path: FilePath
) -> None:
    others = [a_day_old(tmp_path / name) for name in OTHERS]
    for name in OURS:
        a_day_old(tmp_path / name)

    assert sorted(collected(store, tmp_path)) == sorted(OURS)
    assert [one.name for one in others if not one.exists()] == []


def test_checkpoints_stay_while_any_round_waits_to_be_gone_on_with(
    store: Store, tmp_path: FilePath
) -> None:
    work = a_day_old(tmp_path / "adapters" / f".work-{'d' * 32}")
    store.append([make(Round, 1, status="running")])

    assert collected(store, tmp_path) == []
    store.update(make(Round, 1, status="finished"))
    assert collected(store, tmp_path) == [str(work.relative_to(tmp_path))]
