"""Whose a lake's data folder is: only what is known to be the lake's own is ever removed."""

import os
import shutil
import time
from pathlib import Path as FilePath

import pytest

from storage.errors import InputError
from storage.lake.lake_care import compact_lake
from storage.lake.lake_folder import MARK
from storage.lake.lake_store import LakeStore
from storage.open_store import open_store, store_exists
from storage.records import Path
from tests.conftest import empty_store
from tests.storage.examples import make

UUID = "01a22cd2-92b3-7b88-81b3-be4c1552742d"
STRANGERS = (
    "dataset.parquet",
    f"ducklake-{UUID}.parquet",
    "stored/sales.parquet",
    "stored/paths/sales.parquet",
    "stored/paths/ducklake-sales.parquet",
    f"stored/paths/more/ducklake-{UUID}.parquet",
    f"stored/my_table/ducklake-{UUID}.parquet",
    f"main/paths/ducklake-{UUID}.parquet",
    f"mine/stored/paths/ducklake-{UUID}.parquet",
)
OF_DEAD_WRITERS = (
    f"stored/paths/ducklake-{UUID}.parquet",
    f"stored/verdicts/ducklake-{UUID}-delete.parquet",
)


@pytest.fixture(params=["lake", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: FilePath) -> str:
    return empty_store(request, request.param, tmp_path)


def opened(url: str) -> LakeStore:
    store = open_store(url)
    assert isinstance(store, LakeStore)
    return store


def make_old(folder: FilePath, *names: str) -> None:
    """Files with those names, and all that lies in the folder, were last written three days ago."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"precious")
    three_days_ago = time.time() - 3 * 86_400
    for file in folder.rglob("*.parquet"):
        os.utime(file, (three_days_ago, three_days_ago))


def files_of(folder: FilePath) -> dict[str, bytes]:
    return {
        str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()
    }


def lose_catalogue(folder: FilePath) -> None:
    (folder / "catalog.sqlite").rename(folder / "kept")
    for rest in folder.glob("catalog.sqlite-*"):
        rest.unlink()


def put_catalogue_back(folder: FilePath) -> None:
    for rest in folder.glob("catalog.sqlite*"):
        rest.unlink()
    (folder / "kept").rename(folder / "catalog.sqlite")


def test_compaction_removes_what_dead_writers_left_and_no_strangers_file(
    request: pytest.FixtureRequest, tmp_path: FilePath
) -> None:
    data = tmp_path / "data"
    store = opened(empty_store(request, "lake", tmp_path))
    store.append([make(Path, n) for n in range(3)])
    make_old(data, *STRANGERS, *OF_DEAD_WRITERS)

    done = compact_lake(store, keep_days=7)

    left = files_of(data)
    assert {name: left.get(name) for name in STRANGERS} == dict.fromkeys(STRANGERS, b"precious")
    assert not set(OF_DEAD_WRITERS) & set(left)
    assert done.unknown_files_left == len(STRANGERS)
    assert len(store.select(Path)) == 3


def test_compaction_of_a_folder_that_reads_as_a_pattern_removes_nothing_of_those_that_match_it(
    tmp_path: FilePath,
) -> None:
    store = opened(f"ducklake:sqlite:///{tmp_path / 'catalog.sqlite'}?data={tmp_path}/data[1]*")
    store.append([make(Path, 1)])
    make_old(tmp_path / "data1-mine", *OF_DEAD_WRITERS)

    compact_lake(store, keep_days=7)

    assert set(files_of(tmp_path / "data1-mine")) == set(OF_DEAD_WRITERS)
    assert len(opened(store.url).select(Path)) == 1


def test_a_second_lake_is_not_made_in_the_data_folder_of_a_first(
    request: pytest.FixtureRequest, url: str, tmp_path: FilePath
) -> None:
    opened(url).append([make(Path, 1)])
    before = files_of(tmp_path)
    others = [
        f"ducklake:sqlite:///{tmp_path / 'second' / 'catalog.sqlite'}?data={tmp_path / 'data'}",
        empty_store(request, "postgres", tmp_path),
    ]

    for other in others:
        with pytest.raises(InputError, match="A new lake takes a data folder without another"):
            open_store(other)

    assert [store_exists(other) for other in others] == [False, False]
    assert files_of(tmp_path) == before
    assert len(opened(url).select(Path)) == 1


@pytest.mark.parametrize("marked", [True, False])
def test_no_lake_is_made_where_a_catalogue_was_lost_and_it_can_be_put_back(
    request: pytest.FixtureRequest, tmp_path: FilePath, marked: bool
) -> None:
    url = empty_store(request, "lake", tmp_path)
    opened(url).append([make(Path, 1)])
    if not marked:  # of a version before
        (tmp_path / "data" / MARK).unlink()
    lose_catalogue(tmp_path)

    with pytest.raises(InputError, match=r"Put the catalogue that knows it back, or name another"):
        open_store(url)

    assert not (tmp_path / "catalog.sqlite").exists()
    put_catalogue_back(tmp_path)
    assert len(opened(url).select(Path)) == 1


def test_an_empty_catalogue_in_the_place_of_one_that_vanished_from_a_running_program_is_refused(
    request: pytest.FixtureRequest, tmp_path: FilePath
) -> None:
    store = opened(empty_store(request, "lake", tmp_path))
    store.append([make(Path, 1)])
    store.lake.close()
    lose_catalogue(tmp_path)
    with pytest.raises(Exception, match="paths"):
        store.append([make(Path, 2)])
    store.lake.close()
    make_old(tmp_path / "data")
    before = files_of(tmp_path / "data")

    with pytest.raises(InputError, match="A new lake takes a data folder without another"):
        open_store(store.url)

    assert files_of(tmp_path / "data") == before
    put_catalogue_back(tmp_path)
    assert len(opened(store.url).select(Path)) == 1


def test_a_lake_of_a_version_before_gets_its_mark_when_the_folder_is_its_alone(url: str) -> None:
    store = opened(url)
    mark = store.lake.place.data + MARK
    own = FilePath(mark).read_text()
    FilePath(mark).unlink()

    done = compact_lake(store, keep_days=7)

    assert FilePath(mark).read_text() == own
    assert done.unknown_files_left == 0


@pytest.mark.parametrize("mark", [None, "", "another's"])
def test_nothing_is_removed_from_a_folder_that_is_not_known_to_be_the_lakes_alone(
    request: pytest.FixtureRequest, tmp_path: FilePath, mark: str | None
) -> None:
    """Such as of two lakes that a version before had made in one folder."""
    data = tmp_path / "data"
    first = opened(empty_store(request, "lake", tmp_path))
    first.append([make(Path, 1)])
    others = FilePath(f"{tmp_path}/other")
    second = opened(f"ducklake:sqlite:///{tmp_path}/second.sqlite?data={others}")
    second.append([make(Path, n) for n in range(5)])
    shutil.copytree(others / "stored", data / "stored", dirs_exist_ok=True)
    (data / MARK).unlink()
    if mark is not None:
        (data / MARK).write_text(mark)
    make_old(data)
    copied = set(files_of(others)) - {MARK}

    done = compact_lake(opened(first.url), keep_days=7)

    assert copied <= set(files_of(data))
    assert done.unknown_files_left == len(copied)
    assert (data / MARK).exists() == (mark is not None)


def test_a_lake_whose_making_was_killed_behind_its_mark_is_made_on(
    request: pytest.FixtureRequest, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = empty_store(request, "lake", tmp_path)

    def killed(connection: object) -> None:
        make_old(tmp_path / "data", OF_DEAD_WRITERS[0])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("storage.lake.lake_schema.migrate", killed)
        with pytest.raises(KeyboardInterrupt):
            open_store(url)

    assert (tmp_path / "data" / MARK).exists()
    assert opened(url).append([make(Path, 1)]) == 1
