"""A store moves between file and lake whole and equal, only into an empty place, or not at all."""

from pathlib import Path as FilePath

import duckdb
import pytest

from storage.care.moving import move_store
from storage.errors import InputError, PermanentError
from storage.open_store import Store, open_store
from storage.records import RECORD_TYPES, TrainingSet
from tests.conftest import empty_store
from tests.storage.examples import make
from tests.storage.story import whole_story


def told(store: Store) -> list[list[dict[str, object]]]:
    return [
        [{name: value for name, value in vars(one).items() if name != "snapshot"} for one in every]
        for every in (store.select(kind, order_by="id") for kind in RECORD_TYPES)
    ]


@pytest.mark.parametrize(
    ("source", "target"),
    [("file", "lake"), ("lake", "file"), ("file", "postgres"), ("postgres", "lake")],
)
def test_a_move_copies_every_row_and_proves_it(
    request: pytest.FixtureRequest, tmp_path: FilePath, source: str, target: str
) -> None:
    store = open_store(empty_store(request, source, tmp_path / "one"))
    store.append([*whole_story(), make(TrainingSet, "chosen", snapshot=store.snapshot())])
    url = empty_store(request, target, tmp_path / "two")

    moved = move_store(store, url)

    copy = open_store(url)
    assert told(copy) == told(store)
    assert {one.table: one.rows for one in moved} == {
        kind.table: len(store.select(kind)) for kind in RECORD_TYPES
    }
    assert [one.snapshot for one in copy.select(TrainingSet)] == [None] * 7
    with pytest.raises(InputError, match="moves to an empty place"):
        move_store(store, url)


def test_a_copy_that_differs_is_undone(
    request: pytest.FixtureRequest, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(empty_store(request, "file", tmp_path))
    store.append(whole_story())
    url = empty_store(request, "lake", tmp_path)

    def losing(writing: duckdb.DuckDBPyConnection, table: str, batch: object) -> None:
        if table != "paths":
            insert(writing, table, batch)  # type: ignore[arg-type]

    from storage.care import moving

    insert = moving._insert
    monkeypatch.setattr(moving, "_insert", losing)
    with pytest.raises(
        PermanentError, match=r"The copied paths differs: 45 rows .* Nothing was moved"
    ):
        move_store(store, url)
    monkeypatch.undo()

    assert sum(len(open_store(url).select(kind)) for kind in RECORD_TYPES) == 0
    assert move_store(store, url)


def test_a_store_does_not_move_onto_itself(
    request: pytest.FixtureRequest, tmp_path: FilePath
) -> None:
    store = open_store(empty_store(request, "file", tmp_path))

    with pytest.raises(InputError, match="moves to another place"):
        move_store(store, store.url)
