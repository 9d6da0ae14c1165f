"""The copy for foreign clients: whole, with views, comments and age, one for each store."""

import os
from pathlib import Path as FilePath

import duckdb
import pytest

from storage.file.database import DatabaseFile
from storage.file.reader_copy import newest_reader
from storage.open_store import Store, open_store
from storage.records import Path
from tests.storage.examples import make


@pytest.fixture
def store(tmp_path: FilePath) -> Store:
    store = open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}", busy_seconds=0.05)
    store.append([make(Path, 1)])
    return store


def test_the_copy_has_tables_views_comments_and_its_age(store: Store) -> None:
    reader = store.refresh_reader()

    with duckdb.connect(reader, read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM lineage").fetchone() == (1,)
        comment = connection.execute(
            "SELECT comment FROM duckdb_views() WHERE view_name = 'lineage'"
        ).fetchone()
        age = connection.execute("SELECT age_seconds FROM reader_age").fetchone()
    assert comment is not None
    assert comment[0].startswith("One row per path")
    assert age is not None
    assert 0 <= age[0] < 600


def test_the_line_for_duckdbs_client_names_a_copy_that_is_there(store: Store) -> None:
    made = store.reader_copy()
    store.append([make(Path, 2)])

    assert store.reader_copy() == made  # as it is; only a round makes it again
    assert store.client_command() == f"duckdb -readonly {made}"
    with duckdb.connect(made, read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM paths").fetchone() == (1,)


def test_a_client_keeps_the_old_copy_while_the_new_one_takes_its_name(store: Store) -> None:
    reader = store.refresh_reader()

    with duckdb.connect(reader, read_only=True) as old:
        store.append([make(Path, 2)])
        store.refresh_reader()
        assert old.execute("SELECT count(*) FROM paths").fetchone() == (1,)
    with duckdb.connect(reader, read_only=True) as new:
        assert new.execute("SELECT count(*) FROM paths").fetchone() == (2,)


def test_a_store_that_rests_is_not_copied_again(store: Store) -> None:
    file = DatabaseFile(store.path, 0.05)
    first = newest_reader(file).stat()
    again = newest_reader(file).stat()
    store.append([make(Path, 2)])

    assert (first.st_ino, first.st_mtime_ns) == (again.st_ino, again.st_mtime_ns)
    assert newest_reader(file).stat().st_ino != first.st_ino


def test_each_store_of_a_folder_has_a_copy_of_its_own(store: Store) -> None:
    other = open_store(f"duckdb:///{store.path.with_name('other.duckdb')}")
    other.append([make(Path, n) for n in range(5)])
    copies = {one.refresh_reader(): one for one in (store, other)}

    assert sorted(copy.name for copy in copies) == ["other.reader.duckdb", "reader.duckdb"]
    for copy, one in copies.items():
        with duckdb.connect(copy, read_only=True) as connection:
            assert connection.execute("SELECT count(*) FROM paths").fetchone() == (
                len(one.select(Path)),
            )


def test_nothing_else_is_left_beside_it_and_it_can_not_be_written(store: Store) -> None:
    reader = store.refresh_reader()

    names = sorted(file.name for file in reader.parent.iterdir())
    assert names == [
        "reader.duckdb",
        "regenesis.duckdb",
        "regenesis.duckdb.gate",
        "regenesis.duckdb.lock",
    ]
    assert os.stat(reader).st_mode & 0o222 == 0
