"""Garbage: only names of ours, only what no store below the home names, and adapters to a trash
first.
"""

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path as FilePath
from typing import Any

import duckdb
import pytest

from storage.care import named_elsewhere as elsewhere
from storage.care.backups import restore
from storage.care.check_and_gc import back_up_store
from storage.care.garbage import TRASH, find_garbage, remove_garbage
from storage.care.named_elsewhere import named_elsewhere
from storage.environment import Environment
from storage.errors import PermanentError
from storage.file.file_schema import keep_as
from storage.open_store import open_store
from storage.records import Adapter, Round
from storage.store.store import Store
from tests.conftest import empty_store
from tests.storage.examples import make
from tests.storage.foreign import held

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


def copied(store: Store, to: FilePath) -> FilePath:
    """A whole copy, by a name that `storage backup` would refuse."""
    made = back_up_store(store, to.with_name("whole.duckdb"))
    return made.rename(to)


@pytest.mark.parametrize(
    "name",
    [
        "regenesis.duckdb.bak",
        "old.db",
        "backup",
        "REGENESIS.DUCKDB",
        "regenesis.duckdb.2026-11-01",
        "regenesis.duckdb.before-restore-20261130-063000.bak",
        "deep/er/käse &?.part",
        "catalogue.db",
    ],
)
def test_an_adapter_stays_that_a_store_names_whatever_the_name_of_its_file(
    request: pytest.FixtureRequest, store: Store, tmp_path: FilePath, name: str
) -> None:
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    away = tmp_path / "away"
    if name == "catalogue.db":
        url = f"ducklake:sqlite:///{away}/c.sqlite?data={away}/data"
        away.mkdir()
        open_store(url).append([make(Adapter, "champion", location=f"adapters/{UNKNOWN}")])
        for file in sorted(away.glob("c.sqlite*")):
            file.rename(tmp_path / file.name.replace("c.sqlite", name))
    else:
        other = open_store(f"duckdb:///{away / 'one.duckdb'}")
        other.append([make(Adapter, "champion", location=f"adapters/{UNKNOWN}")])
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copied(other, tmp_path / name)
        shutil.rmtree(away)

    assert collected(store, tmp_path) == []
    (tmp_path / name).unlink()
    assert collected(store, tmp_path) == [f"adapters/{UNKNOWN}"]


@pytest.mark.parametrize("linked", ["backups", "backups/2025", "old.duckdb", "disk"])
def test_an_adapter_stays_that_a_store_behind_a_link_names(
    store: Store, tmp_path: FilePath, linked: str
) -> None:
    home, disk = tmp_path / "home", tmp_path / "disk"
    a_day_old(home / "adapters" / UNKNOWN)
    mine = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    store.append([make(Adapter, "champion", location=f"adapters/{UNKNOWN}")])
    disk.mkdir()
    (disk / "and_round_again").symlink_to(home)
    copy = back_up_store(store, disk / "regenesis-20260101-063000.duckdb")
    (home / linked).parent.mkdir(exist_ok=True)
    (home / linked).symlink_to(copy if linked.endswith(".duckdb") else disk)

    assert collected(mine, home) == []
    # a disk that is not mounted: nobody can tell what lies there
    disk.rename(tmp_path / "unmounted")
    with pytest.raises(PermanentError, match=r"No garbage is collected while .*can't be read"):
        find_garbage(mine, home)


@pytest.mark.parametrize("kind", ["file", "lake"])
def test_an_adapter_stays_that_a_store_names_beside_one_which_lies_outside_of_the_home(
    request: pytest.FixtureRequest, tmp_path: FilePath, kind: str
) -> None:
    home, out = tmp_path / "home", tmp_path / "elsewhere"
    a_day_old(home / "adapters" / UNKNOWN)
    out.mkdir()
    file = open_store(f"duckdb:///{out / 's.duckdb'}")
    lake = f"ducklake:sqlite:///{out}/c.sqlite?data={out}/data"
    backup = back_up_store(file, tmp_path / "empty.duckdb")
    file.append([make(Adapter, "champion", location=f"adapters/{UNKNOWN}")])
    restore(Environment(home, file.url, (), None), backup, datetime.now(UTC))

    present = open_store(lake) if kind == "lake" else file
    assert present.select(Adapter) == []
    assert collected(present, home) == []


def test_nothing_is_taken_from_folders_that_are_links_to_another_homes(
    store: Store, tmp_path: FilePath
) -> None:
    adapter = a_day_old(tmp_path / "adapters" / UNKNOWN)
    for linked in ("adapters", TRASH):
        home = tmp_path / f"second-{linked}"
        mine = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
        (home / linked).symlink_to(tmp_path / linked)
        if linked == TRASH:
            a_day_old(home / "adapters" / UNKNOWN)
            a_day_old(tmp_path / TRASH / f"2026-01-01-{UNKNOWN}")

        with pytest.raises(
            PermanentError, match=f"home's alone; .*{linked}' is a link to .*folder"
        ):
            find_garbage(mine, home)
    assert adapter.is_dir()


TRASHED_BY_OTHERS = (
    "2020-01-01-holiday-photos",
    "2026-13-45-x",
    f"2026-13-45-{UNKNOWN}",
    f"0000-00-00-{UNKNOWN}",
    f"2020-01-01-{UNKNOWN}-mine",
    f"2020-01-01-{UNKNOWN[:31]}",
    f"2020-01-01-{UNKNOWN.upper()}",
    f"٢٠٢٠-01-01-{UNKNOWN}",
    f"2020-W01-1-{UNKNOWN}",
    f"2020-01-01-{UNKNOWN}\n",
)


def test_what_others_put_into_the_trash_stays_and_links_are_never_followed(
    store: Store, tmp_path: FilePath
) -> None:
    others = [a_day_old(tmp_path / TRASH / name) for name in TRASHED_BY_OTHERS]
    photos = a_day_old(tmp_path / "photos")
    link = tmp_path / TRASH / f"2020-01-01-{KNOWN}"
    link.symlink_to(photos)
    (tmp_path / ".regenesis.duckdb.restore.part").symlink_to(photos)
    ours = [f"2020-01-01-{UNKNOWN}", f"2020-01-01-{UNKNOWN}-2", f"2020-01-01-work-{UNKNOWN}"]
    for name in ours:
        a_day_old(tmp_path / TRASH / name)

    assert collected(store, tmp_path) == [f"{TRASH}/{name}" for name in ours]
    assert [one.name for one in (*others, link, photos / "weights") if not one.exists()] == []


def test_a_store_of_a_newer_program_means_that_no_adapter_is_collected(
    store: Store, tmp_path: FilePath
) -> None:
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    newer = copied(store, tmp_path / "newer.db")
    with duckdb.connect(newer) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (999, 'x', now())")

    with pytest.raises(PermanentError, match=r"newer\.db' can't be read.*has schema 999"):
        find_garbage(store, tmp_path)


def test_a_store_that_lost_its_end_or_that_somebody_holds_means_the_same(
    store: Store, tmp_path: FilePath
) -> None:
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    torn = copied(store, tmp_path / "torn.bak")
    whole = torn.read_bytes()
    torn.write_bytes(whole[:20_000])
    with pytest.raises(PermanentError, match=r"torn\.bak' can't be read"):
        find_garbage(store, tmp_path)

    torn.write_bytes(whole)
    with held(torn), pytest.raises(PermanentError, match=r"torn\.bak' can't be read.*holds"):
        find_garbage(store, tmp_path)
    assert collected(store, tmp_path) == [f"adapters/{UNKNOWN}"]


def test_a_home_with_more_files_than_can_be_looked_through_has_nothing_collected(
    store: Store, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    monkeypatch.setattr("storage.care.named_elsewhere._MOST_FILES", 3)

    with pytest.raises(PermanentError, match="over 3 files to look through"):
        find_garbage(store, tmp_path)


def naming_unknown(home: FilePath, to: str) -> FilePath:
    """A whole store in the home, under that name, that names the unknown adapter."""
    other = open_store(f"duckdb:///{home / 'made' / 'one.duckdb'}")
    other.append([make(Adapter, "champion", location=f"adapters/{UNKNOWN}")])
    made = copied(other, home / to)
    shutil.rmtree(home / "made")
    return made


def test_an_adapter_stays_that_only_the_copy_for_readers_names(
    store: Store, tmp_path: FilePath
) -> None:
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    naming_unknown(tmp_path, "reader.duckdb")

    assert collected(store, tmp_path) == []


def test_a_store_put_aside_is_read_though_a_killed_restore_left_a_second_name_of_it(
    store: Store, tmp_path: FilePath
) -> None:
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    aside = naming_unknown(tmp_path, "regenesis.duckdb.before-restore-20261130-063000")
    os.link(aside, aside.with_name(aside.name + ".part"))

    assert f"adapters/{UNKNOWN}" not in collected(store, tmp_path)


def test_what_is_kept_under_a_second_name_twice_leaves_no_third_name(tmp_path: FilePath) -> None:
    file, kept = tmp_path / "file", tmp_path / "kept"
    file.write_bytes(b"12345")

    keep_as(file, kept)
    keep_as(file, kept)

    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "kept"]


def test_an_adapter_stays_that_is_named_by_a_store_restored_while_others_are_read(
    store: Store, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    restored = naming_unknown(tmp_path, "restored.db")

    def after_a_restore(*arguments: Any) -> set[str]:
        restored.replace(tmp_path / "regenesis.duckdb")
        return named_elsewhere(*arguments)

    monkeypatch.setattr("storage.care.garbage.named_elsewhere", after_a_restore)
    assert collected(store, tmp_path) == []


@pytest.mark.parametrize("values", ["VARCHAR: NULL", "INT: 4", "INT[]: [4]", "VARCHAR: chr(0)"])
def test_a_table_of_adapters_that_is_none_of_ours_names_nothing(
    store: Store, tmp_path: FilePath, values: str
) -> None:
    kind, value = values.split(": ")
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    with duckdb.connect(tmp_path / "research.db") as connection:
        connection.execute(f"CREATE TABLE adapters (location {kind})")
        connection.execute(f"INSERT INTO adapters VALUES ({value})")

    assert collected(store, tmp_path) == [f"adapters/{UNKNOWN}"]


def test_a_file_that_goes_while_stores_are_looked_for_names_nothing(
    store: Store, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    passing = tmp_path / "passing.duckdb"
    passing.write_bytes(b"12345")
    kind_of = elsewhere._kind

    def kind(file: FilePath) -> str:
        passing.unlink(missing_ok=True)
        return kind_of(file)

    monkeypatch.setattr(elsewhere, "_kind", kind)
    assert collected(store, tmp_path) == [f"adapters/{UNKNOWN}"]


def test_a_file_in_the_place_of_the_trash_is_said(store: Store, tmp_path: FilePath) -> None:
    a_day_old(tmp_path / "adapters" / UNKNOWN)
    (tmp_path / TRASH).write_text("mine")

    with pytest.raises(PermanentError, match=r"trash' is a file\. Nothing was collected"):
        find_garbage(store, tmp_path)


def test_what_is_in_the_trash_stays_while_a_store_names_it_again(
    store: Store, tmp_path: FilePath
) -> None:
    for name in (KNOWN, UNKNOWN):
        a_day_old(tmp_path / TRASH / f"2020-01-01-{name}")

    assert collected(store, tmp_path) == [f"{TRASH}/2020-01-01-{UNKNOWN}"]
