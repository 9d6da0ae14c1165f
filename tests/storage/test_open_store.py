"""The store on files, lakes and Postgres.

What goes in comes back, twice changes nothing, all of a batch or none.
"""

import inspect
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path as FilePath
from uuid import UUID

import duckdb
import pytest

from storage.errors import InputError, PermanentError
from storage.file import database
from storage.lake import lake_catalogue
from storage.open_store import Store, existing_store, is_current, open_store
from storage.records import RECORD_TYPES, Adapter, Path, Question, Record, Round, Verdict
from tests.conftest import empty_store
from tests.storage.examples import NOW, make, uid

KINDS = ["file", "lake", "postgres"]


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: FilePath) -> Store:
    return open_store(empty_store(request, request.param, tmp_path))


def test_a_record_of_every_kind_comes_back_as_it_went_in(store: Store) -> None:
    records: list[Record] = [make(record_type) for record_type in RECORD_TYPES]

    assert store.append(records) == len(records)

    for record in records:
        assert store.select(type(record)) == [record]
        assert store.get(type(record), record.id) == record


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_is_taken_as_it_is_once_it_is_made(
    kind: str, request: pytest.FixtureRequest, tmp_path: FilePath
) -> None:
    url = empty_store(request, kind, tmp_path)
    assert not is_current(url)

    open_store(url).append([make(Question, 1)])

    assert is_current(url)
    assert existing_store(url, as_it_is=True).select(Question) == [make(Question, 1)]


def test_appending_twice_changes_nothing_and_the_first_text_stands(store: Store) -> None:
    first = [make(Path, n, text="first", draw=1) for n in range(3)]
    again = [make(Path, n, text="again", draw=1) for n in range(4)]

    assert store.append(first) == 3
    assert store.append(again) == 1

    assert [path.text for path in store.select(Path, order_by="text")] == [
        "again",
        "first",
        "first",
        "first",
    ]


def test_of_equal_ids_in_one_batch_the_first_stays(store: Store) -> None:
    assert store.append([make(Path, 1, text="a"), make(Path, 1, text="b")]) == 1

    assert [path.text for path in store.select(Path)] == ["a"]


def test_a_mixed_batch_is_one_transaction(store: Store) -> None:
    path, verdict = make(Path), make(Verdict, path_id=uid(Path))

    assert store.append([verdict, path]) == 2

    assert store.select(Verdict, path_id=path.id) == [verdict]


def test_a_batch_with_a_bad_row_leaves_nothing(store: Store) -> None:
    good, bad = make(Path, 1), make(Verdict, reason=None)

    with pytest.raises(Exception, match="NOT NULL"):
        store.append([good, bad])

    assert store.select(Path) == []


def test_an_empty_batch_is_no_work(store: Store) -> None:
    assert store.append([]) == 0


def test_a_list_means_any_of_them_and_none_means_null(store: Store) -> None:
    rounds = [make(Round, n, number=n, finished_at=NOW if n == 2 else None) for n in (1, 2, 3)]
    store.append(rounds)

    assert [
        r.number
        for r in store.select(Round, id=[rounds[0].id, rounds[2].id], order_by="number desc")
    ] == [3, 1]
    assert [r.number for r in store.select(Round, finished_at=None, order_by="number")] == [1, 3]
    assert store.select(Round, finished_at=NOW) == [rounds[1]]
    assert store.select(Round, id=[]) == []


def test_a_wrong_column_names_the_right_ones(store: Store) -> None:
    with pytest.raises(InputError, match=r"rounds has no column 'nummer'. It has: id, number"):
        store.select(Round, nummer=1)


def test_times_of_any_zone_come_back_as_utc(store: Store) -> None:
    tokyo = datetime(2026, 5, 1, 9, 0, tzinfo=timezone(timedelta(hours=9)))

    store.append([make(Round, started_at=tokyo)])

    assert store.select(Round)[0].started_at == datetime(2026, 5, 1, 0, 0, tzinfo=UTC)


def test_update_replaces_the_row_of_the_same_id(store: Store) -> None:
    store.append([make(Round, 1, status="running"), make(Round, 2, status="running")])

    store.update(make(Round, 1, status="finished", finished_at=NOW))

    assert [r.status for r in store.select(Round, order_by="status")] == ["finished", "running"]


def test_existing_tells_which_ids_are_there(store: Store) -> None:
    store.append([make(Path, n, draw=n) for n in (1, 2)])

    ids = [uid(Path, n) for n in (1, 2, 3)]

    assert store.existing(Path, ids) == {uid(Path, 1), uid(Path, 2)}
    assert store.existing(Path, ids, draw=2) == {uid(Path, 2)}
    assert store.existing(Path, []) == set()


def test_query_gives_ids_as_ids_and_sums_as_whole_numbers(store: Store) -> None:
    store.append([make(Path, n, completion_tokens=n) for n in (1, 2)])

    rows = store.query(
        "SELECT id, sum(completion_tokens) AS tokens FROM paths WHERE draw = ? GROUP BY id", [0]
    )

    assert sorted(rows["tokens"].to_pylist()) == [1, 2]
    assert all(isinstance(value, UUID) for value in rows["id"].to_pylist())


def test_lists_and_odd_texts_survive(store: Store) -> None:
    question = make(Question, text="quote \" ' \\ \x00 é 漢", choices=["a", "", "c"])
    adapter = make(Adapter, losses=[1.5, 0.25])

    store.append([question, adapter])

    assert store.select(Question) == [question]
    assert store.select(Adapter) == [adapter]


def test_opening_again_finds_what_was_there(store: Store) -> None:
    store.append([make(Path)])

    assert len(open_store(store.url).select(Path)) == 1


def test_half_a_surrogate_pair_is_stored_as_a_question_mark(store: Store) -> None:
    store.append([make(Path, text="half \ud83d of it")])

    assert store.select(Path)[0].text == "half ? of it"


def test_reads_within_a_block_see_one_moment_over_one_connection(store: Store) -> None:
    store.append([make(Path, 1)])

    with store.reading() as outer:
        assert store.select(Path)
        with store.reading() as inner:
            assert inner is outer
        with pytest.raises(PermanentError, match="write after it"):
            store.append([make(Path, 2)])

    assert store.append([make(Path, 2)]) == 1
    assert len(store.select(Path)) == 2


def test_the_words_of_errors_were_read_from_the_version_of_duckdb_at_hand() -> None:
    """Its errors have no codes.

    At another version: read the words again, then write the version beside them.
    """
    for module in (database, lake_catalogue):
        assert f"read from DuckDB {duckdb.__version__}" in inspect.getsource(module)
