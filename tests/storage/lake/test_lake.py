"""What only a lake does.

Writers at once, first rows, leases, care, past states; with SQLite and with real Postgres.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path as FilePath

import duckdb
import pytest

from storage.care.check_and_gc import Problem, back_up_store, check_store
from storage.errors import InputError
from storage.lake import leases
from storage.lake.lake_care import compact_lake
from storage.lake.lake_catalogue import CATALOG
from storage.lake.lake_store import LakeStore
from storage.lineage.time_travel import snapshot_of
from storage.migrations import Migration, all_migrations
from storage.open_store import open_store, store_exists
from storage.records import Adapter, Path, Round, TrainingSet, Verdict
from storage.store.store_url import lake_of, shown
from storage.store.tables import to_arrow
from tests.conftest import empty_store
from tests.fakes.postgres import Postgres
from tests.storage.examples import make, uid
from tests.storage.story import whole_story


@pytest.fixture(params=["lake", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: FilePath) -> LakeStore:
    return opened(empty_store(request, request.param, tmp_path))


@pytest.fixture
def lake(request: pytest.FixtureRequest, tmp_path: FilePath) -> LakeStore:
    return opened(empty_store(request, "lake", tmp_path))


def opened(url: str) -> LakeStore:
    store = open_store(url)
    assert isinstance(store, LakeStore)
    return store


def at_once(*jobs: Callable[[], object]) -> list[object]:
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], object]) -> object:
        barrier.wait()
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [one.result() for one in [pool.submit(run, job) for job in jobs]]


def double(store: LakeStore, *paths: Path) -> None:
    """Commit rows as a writer does that did not see another's: without looking for their ids."""
    rows = to_arrow(Path, list(paths))

    def insert(connection: object) -> None:
        connection.register("_rows", rows)  # type: ignore[attr-defined]
        connection.execute("INSERT INTO paths BY NAME SELECT * FROM _rows")  # type: ignore[attr-defined]

    store.lake.committed(insert)


def rows_stored(store: LakeStore) -> int:
    """Paths beneath the view that shows the first of an id."""
    return store.query(f"SELECT count(*) AS n FROM {CATALOG}.stored.paths")["n"][0].as_py()


def test_two_writers_that_commit_the_same_ids_at_once_leave_each_once(store: LakeStore) -> None:
    writers = [store, opened(store.url), opened(store.url)]
    batches = [
        [make(Path, (n, i), text=f"of batch {n}", draw=1) for i in range(50)] for n in range(6)
    ]

    at_once(
        *(lambda writer=writer: [writer.append(batch) for batch in batches] for writer in writers)
    )

    assert len(store.select(Path)) == 300
    assert store.query("SELECT count(*) AS n FROM lineage")["n"].to_pylist() == [300]
    compact_lake(store, keep_days=7)
    assert rows_stored(store) == len(store.select(Path)) == 300


def test_of_rows_with_the_same_id_the_first_is_seen_and_compaction_removes_the_others(
    store: LakeStore,
) -> None:
    store.append([make(Path, 1, text="first", draw=1), make(Path, 2, draw=1)])
    double(store, make(Path, 1, text="second", draw=1))
    before = (store.select(Path, id=uid(Path, 1)), check_store(store))

    done = compact_lake(store, keep_days=7)

    assert [path.text for path in before[0]] == ["first"]
    assert Problem("id_twice", "paths", 1, str(uid(Path, 1))) in before[1]
    assert done.doubled_rows == 1
    assert [path.text for path in store.select(Path, id=uid(Path, 1))] == ["first"]
    assert rows_stored(store) == 2


def test_two_rounds_begun_at_once_get_different_numbers(store: LakeStore) -> None:
    starters = [store, opened(store.url), opened(store.url)]

    def begin(starter: LakeStore, name: int) -> Round:
        return starter.append_next(
            lambda n: make(Round, (name, n), number=n), "number", {"line": "none"}
        )

    begun = at_once(*(partial(begin, starter, name) for name, starter in enumerate(starters)))

    assert sorted(record.number for record in begun) == [1, 2, 3]  # type: ignore[attr-defined]
    assert sorted(record.number for record in store.select(Round)) == [1, 2, 3]


def test_updates_of_one_row_at_once_leave_one_row(store: LakeStore) -> None:
    store.append([make(Round, 1, status="running")])
    others = [store, opened(store.url)]

    at_once(
        *(
            lambda one=one, s=s: one.update(make(Round, 1, status=s))
            for one, s in zip(others, "ab", strict=True)
        )
    )

    [record] = store.select(Round)
    assert record.status in ("a", "b")


def test_a_batch_is_never_half_seen(lake: LakeStore) -> None:
    over = threading.Event()
    seen: list[tuple[int, int]] = []

    def read() -> None:
        reader = opened(lake.url)
        while not over.is_set():
            [row] = reader.query(
                "SELECT (SELECT count(*) FROM paths) p, (SELECT count(*) FROM verdicts) v"
            ).to_pylist()
            seen.append((row["p"], row["v"]))

    def write() -> None:
        for n in range(10):
            lake.append(
                [make(Path, (n, i)) for i in range(7)] + [make(Verdict, (n, i)) for i in range(7)]
            )
        over.set()

    at_once(read, write)

    assert all(paths == verdicts and paths % 7 == 0 for paths, verdicts in seen)


def test_a_lease_keeps_another_run_out_until_it_ends(store: LakeStore) -> None:
    other = opened(store.url)

    with (
        store.leased(["sums", "riddles"], 3),
        other.leased(["sums"], 4),
        pytest.raises(InputError, match=r"works on 'sums' in round 3\. Wait for it"),
        other.leased(["sums"], 3),
    ):
        pass
    with other.leased(["sums"], 3):
        pass


@pytest.mark.parametrize("skew", ["10 MINUTES", "-1 HOUR"])
def test_clocks_do_not_decide_who_holds_a_lease(store: LakeStore, skew: str) -> None:
    """The holder's clock is behind, or ahead: it keeps the lease while it lives, and not a moment
    longer.
    """
    other = opened(store.url)

    with store.leased(["sums"], 3):
        store.lake.committed(
            lambda c: c.execute(f"UPDATE leases SET renewed_at = renewed_at - INTERVAL '{skew}'")
        )
        with (
            pytest.raises(InputError, match="works on 'sums' in round 3"),
            other.leased(["sums"], 3),
        ):
            pass
    with other.leased(["sums"], 3):
        pass


@pytest.mark.parametrize("skew", ["10 MINUTES", "-1 HOUR"])
def test_a_row_that_a_killed_holder_left_keeps_nobody_out(store: LakeStore, skew: str) -> None:
    left = (
        "INSERT INTO leases VALUES ('sums', 3, 'elsewhere:1:lock-dead', now()::TIMESTAMP -"
        f" INTERVAL '{skew}')"
    )
    store.lake.committed(lambda c: c.execute(left))

    with opened(store.url).leased(["sums"], 3):
        held = store.query(f"SELECT owner FROM {CATALOG}.stored.leases WHERE question_set = 'sums'")

    assert held.num_rows == 1
    assert "dead" not in held["owner"].to_pylist()[0]


def test_of_two_takers_at_once_one_gets_the_lease(store: LakeStore) -> None:
    takers = [store, opened(store.url)]

    tried = threading.Barrier(2)

    def take(taker: LakeStore) -> bool:
        try:
            with taker.leased(["sums"], 1):
                tried.wait(60)
                return True
        except InputError:
            tried.wait(60)
            return False

    assert sorted(at_once(*(lambda taker=taker: take(taker) for taker in takers))) == [False, True]  # type: ignore[type-var]


@pytest.mark.parametrize("owner", ["{host}:999999999:dead", "elsewhere:1:silent"])
def test_a_lease_does_not_outlive_its_owner(lake: LakeStore, owner: str) -> None:
    import socket

    named = owner.format(host=socket.gethostname())
    long_ago = "now()::TIMESTAMP - INTERVAL 10 MINUTE" if "silent" in owner else "now()::TIMESTAMP"
    lake.lake.committed(
        lambda c: c.execute(f"INSERT INTO leases VALUES ('sums', 1, ?, {long_ago})", [named])
    )

    with lake.leased(["sums"], 1):
        held = lake.query(f"SELECT owner FROM {CATALOG}.stored.leases WHERE question_set = 'sums'")

    assert held["owner"].to_pylist() != [named]
    assert leases.LEASE_SECONDS < 600


def test_compaction_merges_small_files_and_keeps_every_row(store: LakeStore) -> None:
    store.append(whole_story())
    for n in range(12):
        store.append([make(Path, (n, i), draw=9) for i in range(40)])
    before = {
        table: store.query(f"SELECT * FROM {table} ORDER BY id").to_pylist()
        for table in ("paths", "rounds")
    }

    done = compact_lake(store, keep_days=7)

    assert done.files_after < done.files_before
    assert {
        table: store.query(f"SELECT * FROM {table} ORDER BY id").to_pylist() for table in before
    } == before
    assert store.append([make(Path, "after")]) == 1


def test_a_reader_that_began_before_a_compaction_sees_its_state_to_its_end(
    store: LakeStore,
) -> None:
    for n in range(3):
        store.append([make(Path, (n, i), draw=1) for i in range(20)])
    writer = opened(store.url)
    count = "SELECT count(*) FROM lineage"

    with store.reading() as connection:
        before = connection.execute(count).fetchall()
        writer.append([make(Path, "later", draw=1)])
        double(writer, make(Path, "later", draw=1), make(Path, (0, 0), draw=1))
        done = compact_lake(writer, keep_days=7)
        after = connection.execute(count).fetchall()

    assert done.doubled_rows == 2
    assert before == after == [(60,)]
    assert len(store.select(Path)) == 61


def test_old_states_are_forgotten_but_for_those_of_training_sets(store: LakeStore) -> None:
    store.append([make(Path, 1, text="early")])
    chosen_from = store.snapshot()
    training_set = make(TrainingSet, 1, snapshot=chosen_from)
    store.append([training_set, make(Adapter, 1, training_set_id=training_set.id)])
    for n in range(2, 6):
        store.append([make(Path, n)])
    double(store, make(Path, 1, text="late"))
    store.update(make(Path, 2, text="changed"))

    done = compact_lake(store, keep_days=0)

    assert done.snapshots_expired > 0
    assert (
        snapshot_of(store, str(make(Adapter, 1).id))
        == snapshot_of(store, str(training_set.id))
        == chosen_from
    )
    with store.reading() as connection:
        past = connection.execute(
            f"SELECT text FROM {CATALOG}.stored.paths AT (VERSION => {chosen_from})"
        ).fetchall()
        kept = {
            row[0]
            for row in connection.execute(
                f"SELECT snapshot_id FROM ducklake_snapshots('{CATALOG}')"
            ).fetchall()
        }
    assert past == [("early",)]
    assert chosen_from in kept
    assert len(kept) < 8
    assert len(store.select(Path)) == 5


def test_a_set_made_in_a_file_names_no_past_state(lake: LakeStore) -> None:
    lake.append([make(TrainingSet, 1), make(Path, 1)])

    with pytest.raises(InputError, match="names no past state"):
        snapshot_of(lake, str(uid(TrainingSet, 1)))
    with pytest.raises(InputError, match="is that of an adapter or a training set"):
        snapshot_of(lake, str(uid(Path, 1)))


def test_a_backup_of_a_lake_is_a_store_in_a_file(lake: LakeStore, tmp_path: FilePath) -> None:
    lake.append(whole_story())

    target = back_up_store(lake, tmp_path / "backups" / "one.duckdb")

    copy = open_store(f"duckdb:///{target}")
    assert (
        copy.query("SELECT * FROM round_summary ORDER BY round").to_pylist()
        == lake.query("SELECT * FROM round_summary ORDER BY round").to_pylist()
    )
    assert {file.name for file in target.parent.iterdir()} <= {
        "one.duckdb",
        "one.duckdb.gate",
        "one.duckdb.lock",
    }


def test_a_check_names_a_data_file_that_is_gone(lake: LakeStore, tmp_path: FilePath) -> None:
    lake.append([make(Path, n) for n in range(1000)])
    file = next((tmp_path / "data" / "stored" / "paths").glob("*.parquet"))
    file.unlink()

    assert Problem("data_file_missing", f"{tmp_path}/data/", 1, str(file)) in check_store(lake)


def test_processes_that_make_one_lake_at_once_make_one_schema(
    request: pytest.FixtureRequest, tmp_path: FilePath
) -> None:
    url = empty_store(request, "lake", tmp_path)

    stores = at_once(lambda: opened(url), lambda: opened(url))

    assert sum(store.append([make(Path)]) for store in stores) == 1  # type: ignore[attr-defined]
    versions = opened(url).query(
        f"SELECT version FROM {CATALOG}.stored.schema_migrations ORDER BY version"
    )
    assert versions["version"].to_pylist() == [one.version for one in all_migrations()]


def test_an_older_lake_is_migrated_after_its_catalogue_was_copied(
    lake: LakeStore, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.append([make(Path)])
    last = len(all_migrations())
    newer = [*all_migrations(), Migration(last + 1, "more", "CREATE TABLE more (x INT);")]
    monkeypatch.setattr("storage.migrations.all_migrations", lambda: newer)

    migrated = opened(lake.url)

    assert (tmp_path / f"catalog.before-schema-{last}.sqlite").exists()
    assert len(migrated.select(Path)) == 1
    monkeypatch.undo()
    with pytest.raises(InputError, match=f"has schema {last + 1}; this program knows up to {last}"):
        opened(lake.url)


@pytest.mark.parametrize(
    "said",
    [
        "permission denied for table ducklake_snapshot",
        'Cannot open file "a.parquet": Permission denied',
        "attempt to write a readonly database",
        "database or disk is full",
        "No space left on device",
        "cannot execute INSERT in a read-only transaction",
        "Read-only file system",
    ],
)
def test_what_no_retry_can_mend_is_said_at_once(lake: LakeStore, said: str) -> None:
    def fail(_: object) -> None:
        raise duckdb.IOException(f"Failed to commit DuckLake transaction: {said}")

    with pytest.raises(InputError, match="must be one that can be written; it is not"):
        lake.lake.committed(fail)


def test_a_conflict_in_a_folder_with_an_unlucky_name_is_tried_again(lake: LakeStore) -> None:
    turns = iter(
        [duckdb.TransactionException("conflict in /srv/read-only/disk-full/readonly"), None]
    )

    def fail_once(_: object) -> str:
        if error := next(turns):
            raise error
        return "done"

    assert lake.lake.committed(fail_once) == "done"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ducklake:postgresql://me:hush@db/lake?data=/d", "holds no password"),
        ("ducklake:postgresql://me@db/lake?data=/d&password=hush", "holds no password"),
        ("ducklake:postgresql://me@db/lake", "says where its files lie"),
        ("ducklake:postgresql://db/lake?data=/d", r"postgresql://USER@HOST"),
        ("ducklake:postgresql://me@db:port/lake?data=/d", "A store is duckdb:///"),
        (
            "ducklake:sqlite:///c.sqlite?data=relative",
            r"an absolute folder without backslashes or at s3://",
        ),
        ("ducklake:sqlite://host/c.sqlite?data=/d", "A SQLite catalogue is an absolute path"),
        ("ducklake:mysql://me@db/lake?data=/d", "A store is duckdb:///"),
    ],
)
def test_a_lakes_url_that_is_not_one_is_refused_and_its_password_not_shown(
    url: str, said: str
) -> None:
    with pytest.raises(InputError, match=said) as refused:
        lake_of(url)

    assert "me:hush" not in str(refused.value)
    assert "hush" not in shown("postgresql://me:hush@db/lake")


def test_names_in_a_url_can_not_become_settings_of_the_connection() -> None:
    place = lake_of("ducklake:postgresql://me%27%20host=evil@db/a%27b?data=/d")

    assert place.catalogue == r"postgres:host='db' user='me\' host=evil' dbname='a\'b'"


def test_a_server_that_is_not_there_is_one_clear_line_without_the_password(
    postgres: Postgres, tmp_path: FilePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="cannot be opened") as refused:
        open_store(f"ducklake:postgresql://me@127.0.0.1:1/lake?data={tmp_path / 'd'}")
    monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(InputError, match="password"):
        store_exists(f"ducklake:{postgres.new_database()}?data={tmp_path / 'd'}")

    assert postgres.password not in str(refused.value)


def test_a_lake_that_is_not_there_yet_is_not_made_by_looking(
    request: pytest.FixtureRequest, tmp_path: FilePath
) -> None:
    urls = [empty_store(request, kind, tmp_path / kind) for kind in ("file", "lake", "postgres")]

    assert [store_exists(url) for url in urls] == [False] * 3
    assert not list(tmp_path.iterdir())
    for url in urls:
        open_store(url)
    assert [store_exists(url) for url in urls] == [True] * 3


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_rows_that_dead_runs_left_of_one_set_and_draw_keep_no_upgrade_waiting(
    store: LakeStore, rows: int
) -> None:
    for number in range(rows):
        left = (
            f"INSERT INTO leases VALUES ('sums', 3, 'elsewhere:{number + 1}:lock-{number}',"
            " now()::TIMESTAMP)"
        )
        store.lake.committed(partial(duckdb.DuckDBPyConnection.execute, query=left))

    def look(connection: duckdb.DuckDBPyConnection) -> None:
        leases.refuse_beside_a_run(connection, store.lake.place)

    store.lake.tried_again(look)
    with (
        opened(store.url).leased(["sums"], 4),
        pytest.raises(InputError, match="while no run works on it"),
    ):
        store.lake.tried_again(look)


def test_a_lake_is_upgraded_when_no_run_holds_a_lease(
    lake: LakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = [
        *all_migrations(),
        Migration(len(all_migrations()) + 1, "more", "CREATE TABLE more (x INT);"),
    ]

    with lake.leased(["sums"], 1), monkeypatch.context() as upgraded:
        upgraded.setattr("storage.migrations.all_migrations", lambda: newer)
        with pytest.raises(
            InputError, match=r"brought to this one while no run works on it; process \d+ on"
        ):
            opened(lake.url)

    monkeypatch.setattr("storage.migrations.all_migrations", lambda: newer)
    assert opened(lake.url).query(f"SELECT count(*) FROM {CATALOG}.stored.more")
