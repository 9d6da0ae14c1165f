"""A full disk, a folder that can only be read, a damaged file, a killed migration.

One clear error, nothing lost.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.care.check_and_gc import back_up_store, check_store, compact
from storage.errors import InputError
from storage.migrations import all_migrations
from storage.open_store import Store, open_store
from storage.records import Path as RecordedPath
from storage.store.store_url import file_of
from tests.conftest import empty_store
from tests.storage.examples import make
from tests.storage.migrations.test_old_schemas import rows_of, store_of_schema

ROOT = Path(__file__).parents[2]
NOBODY = 65534
_BLOCK_BYTES = 262_144


@pytest.fixture(params=["file", "lake"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    store = open_store(empty_store(request, request.param, tmp_path))
    store.append([make(RecordedPath, "good")])
    return store


def large(count: int = 1500) -> list[RecordedPath]:
    """Some megabytes that do not compress."""
    return [make(RecordedPath, ("large", n), text=os.urandom(1500).hex()) for n in range(count)]


@contextmanager
def full_disk(room: int) -> Generator[None]:
    """No file grows beyond so many bytes: the write fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def not_root() -> Generator[None]:
    """Root may write anywhere; so the block is done as somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_batch_that_finds_the_disk_full_is_refused_whole_and_the_next_one_is_stored(
    store: Store,
) -> None:
    with (
        full_disk(400_000),
        pytest.raises(InputError, match=r"can't be written|must be one that can be written"),
    ):
        store.append(large())

    again = open_store(store.url)
    assert again.select(RecordedPath) == [make(RecordedPath, "good")]
    assert {problem.code for problem in check_store(again)} == {
        "dangling_parent"
    }  # the one path has no question
    assert again.append([make(RecordedPath, "next")]) == 1


def test_a_backup_that_finds_the_disk_full_leaves_nothing_half_written(
    store: Store, tmp_path: Path
) -> None:
    store.append(large())
    folder = tmp_path / "backups"

    with (
        full_disk(400_000),
        pytest.raises(InputError, match=r"[Ff]ree|another place|can't be written"),
    ):
        back_up_store(store, folder / "one.duckdb")

    assert list(folder.iterdir()) == []
    assert back_up_store(store, folder / "one.duckdb").exists()


@pytest.mark.parametrize("room", [0, 100_000])  # for the migration; for the copy before it
def test_a_migration_that_finds_the_disk_full_leaves_the_old_store(
    tmp_path: Path, room: int
) -> None:
    path = tmp_path / "regenesis.duckdb"
    url = store_of_schema(1, path)
    before = rows_of(path)

    with (
        full_disk(room or path.stat().st_size + 1),
        pytest.raises(InputError, match=r"[Ff]ree disk"),
    ):
        open_store(url)

    assert rows_of(path) == before
    assert open_store(url).append([make(RecordedPath, "new")]) == 1


def test_a_store_in_a_folder_that_can_only_be_read_is_read_and_says_why_it_can_not_be_written(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as home:
        folder = Path(name)
        Path(home).chmod(0o777)
        stores = [open_store(empty_store(request, kind, folder)) for kind in ("file", "lake")]
        for store in stores:
            store.append([make(RecordedPath, "good")])
            store.query("SELECT 1")
        for one in (folder, *folder.rglob("*")):
            one.chmod(0o555 if one.is_dir() else 0o444)
        try:
            monkeypatch.setenv("HOME", home)
            with not_root():
                for store in stores:
                    again = open_store(store.url)
                    assert again.select(RecordedPath) == [make(RecordedPath, "good")]
                    with pytest.raises(InputError, match=r"must be one that can be written"):
                        again.append([make(RecordedPath, "new")])
        finally:
            for one in (folder, *folder.rglob("*")):
                one.chmod(0o755)


def test_a_damaged_file_is_named_by_whatever_reads_it_and_no_copy_of_it_counts_as_a_backup(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = open_store(empty_store(request, "file", tmp_path))
    store.append(large())
    store.settle()
    good = back_up_store(store, tmp_path / "backups" / "good.duckdb")
    damage(file_of(store.url))

    for attempt in (
        lambda: store.select(RecordedPath),
        lambda: check_store(store),
        lambda: compact(store),
        lambda: back_up_store(store, tmp_path / "backups" / "bad.duckdb"),
    ):
        with pytest.raises(InputError, match=r"is damaged .*Put a backup in its place"):
            attempt()

    assert list(good.parent.iterdir()) == [good]
    good.replace(file_of(store.url))
    assert len(open_store(store.url).select(RecordedPath)) == 1500


@pytest.mark.parametrize("how", ["gone", "cut off"])
def test_a_lake_with_a_damaged_file_names_it_whoever_reads_it(
    request: pytest.FixtureRequest, tmp_path: Path, how: str
) -> None:
    store = open_store(empty_store(request, "lake", tmp_path))
    store.append(large())
    [file] = (tmp_path / "data" / "stored" / "paths").glob("*.parquet")
    if how == "gone":
        file.unlink()
    else:
        os.truncate(file, file.stat().st_size // 2)

    for attempt in (
        lambda: open_store(store.url).select(RecordedPath),
        lambda: back_up_store(store, tmp_path / "bad.duckdb"),
    ):
        with pytest.raises(InputError, match=f"is damaged or gone .*{file.name}"):
            attempt()
    assert not list(tmp_path.glob("bad*"))


def damage(file: Path) -> None:
    """Other bytes in the middle of each block, as a failing disk gives them; the headers stay."""
    content = bytearray(file.read_bytes())
    for place in range(_BLOCK_BYTES // 2, len(content), _BLOCK_BYTES):
        content[place : place + 64] = os.urandom(64)
    file.write_bytes(content)


_KILLED = """
import os, signal, sys
from storage import migrations
from storage.file import file_schema
from storage.open_store import open_store

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def half_a_copy(source, target):
    target.write_bytes(source.read_bytes()[:5000])
    die()

if sys.argv[2] == "in the backup":
    file_schema.shutil.copyfile = half_a_copy
else:
    migrations.utc_now = die  # asked for within the migration's transaction, when its SQL has run
open_store(sys.argv[1])
"""


@pytest.mark.parametrize("moment", ["in the backup", "in the transaction"])
@pytest.mark.parametrize("version", range(1, len(all_migrations())))
def test_a_store_whose_migration_was_killed_is_migrated_whole_the_next_time(
    tmp_path: Path, version: int, moment: str
) -> None:
    path = tmp_path / "regenesis.duckdb"
    url = store_of_schema(version, path)
    before = rows_of(path)

    killed = subprocess.run([sys.executable, "-c", _KILLED, url, moment], cwd=ROOT, check=False)
    left = rows_of(path)
    store = open_store(url)

    assert killed.returncode == -signal.SIGKILL
    assert left == before
    assert rows_of(tmp_path / f"regenesis.before-schema-{version}.duckdb") == before
    assert store.query("SELECT max(version) AS version FROM schema_migrations")[
        "version"
    ].to_pylist() == [len(all_migrations())]
    assert store.append([make(RecordedPath, "new")]) == 1
