"""What happens while a foreign client holds the file: nothing waits without a bound, nothing is lost or doubled."""

from pathlib import Path as FilePath

import pytest

from storage.errors import PermanentError
from storage.open_store import Store, open_store
from storage.records import Path, Round, Verdict
from tests.storage.examples import make, uid
from tests.storage.foreign import held


@pytest.fixture
def store(tmp_path: FilePath) -> Store:
    return open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}", busy_seconds=0.05)


@pytest.mark.parametrize("mode", ["read", "write"])
def test_appends_and_reads_go_on_while_a_foreign_client_holds_the_file(store: Store, mode: str) -> None:
    store.append([make(Path, 0, draw=1)])

    with held(store.path, mode):
        new = store.append([make(Path, 0, draw=1), make(Path, 1, draw=1), make(Verdict, 1)])
        again = store.append([make(Path, 1, draw=1), make(Path, 2, draw=1)])
        seen = store.query("SELECT count(*) AS n FROM paths")["n"].to_pylist()
        ids = store.existing(Path, [uid(Path, n) for n in range(4)], draw=1)
        waiting = store.unmerged_rows()

    assert (new, again, seen, waiting) == (2, 1, [3], 5)
    assert ids == {uid(Path, n) for n in range(3)}
    assert store.append([make(Path, 3, draw=1)]) == 1
    assert store.unmerged_rows() == 0
    assert sorted(p.id for p in store.select(Path)) == sorted(uid(Path, n) for n in range(4))
    assert not list(store.path.with_name(store.path.name + ".spool").iterdir())


def test_the_first_text_stands_in_the_spool_too(store: Store) -> None:
    store.append([make(Path, 0, text="stored")])

    with held(store.path):
        store.append([make(Path, 0, text="later"), make(Path, 1, text="first")])
        store.append([make(Path, 1, text="second"), make(Path, 2, text="third")])
        while_held = sorted(path.text for path in store.select(Path))
    store.merge_spool()

    assert while_held == sorted(path.text for path in store.select(Path)) == ["first", "stored", "third"]


def test_updates_wait_in_the_spool_in_their_order(store: Store) -> None:
    store.append([make(Round, 1, status="running"), make(Round, 2, status="running")])

    with held(store.path):
        for status in ("failed", "running", "failed", "finished"):
            store.update(make(Round, 1, status=status))
        while_held = store.get(Round, uid(Round, 1))
    store.merge_spool()

    assert while_held is not None
    assert while_held.status == "finished"
    assert sorted(r.status for r in store.select(Round)) == ["finished", "running"]


def test_what_the_foreign_client_commits_meanwhile_is_seen(store: Store) -> None:
    store.append([make(Round, 1)])

    with held(store.path) as client:
        store.append([make(Path, 1)])
        client.execute("UPDATE rounds SET reason = 'by hand'")
        reasons = [r.reason for r in store.select(Round)]

    assert reasons == ["by hand"]
    assert len(store.select(Path)) == 1


def test_stored_views_see_the_spool(store: Store) -> None:
    with held(store.path) as client:
        client.execute("CREATE VIEW texts AS SELECT text FROM paths")
        store.append([make(Path, 1, text="spooled")])

        assert store.query("SELECT * FROM texts").to_pylist() == [{"text": "spooled"}]


def test_merging_a_file_that_came_back_changes_nothing(store: Store) -> None:
    spool = store.path.with_name(store.path.name + ".spool")
    store.append([make(Round, 1, status="running")])
    with held(store.path):
        store.update(make(Round, 1, status="old"))
        kept = {file.name: file.read_bytes() for file in spool.glob("*.arrows")}
    store.update(make(Round, 1, status="new"))

    for name, content in kept.items():  # as after a kill between commit and removal
        (spool / name).write_bytes(content)

    assert (store.unmerged_rows(), [r.status for r in store.select(Round)]) == (0, ["new"])
    assert store.merge_spool() == 0
    assert [r.status for r in store.select(Round)] == ["new"]


def test_a_store_opens_while_a_foreign_client_holds_it(store: Store) -> None:
    store.append([make(Path)])

    with held(store.path):
        assert len(open_store(store.url, busy_seconds=0.05).select(Path)) == 1


def test_a_damaged_spool_file_is_named(store: Store) -> None:
    with held(store.path):
        store.append([make(Path)])
        file = next(store.path.with_name(store.path.name + ".spool").glob("*.arrows"))
        file.write_bytes(file.read_bytes()[:-9])

    with pytest.raises(PermanentError, match="is damaged: its hash"):
        open_store(store.url).select(Path)


def test_an_unfinished_spool_file_is_not_read(store: Store) -> None:
    folder = store.path.with_name(store.path.name + ".spool")
    folder.mkdir()
    (folder / ".00-1-ab.arrows.77.part").write_bytes(b"half")

    assert (store.select(Path), store.unmerged_rows()) == ([], 0)
