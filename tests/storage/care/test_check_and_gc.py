"""Care of a store.

What a check finds, what compacting keeps, what garbage is, and that a failure changes nothing.
"""

from pathlib import Path as FilePath

import duckdb
import pytest

from storage.care.backups import back_up
from storage.care.check_and_gc import Problem, back_up_store, check_store, compact
from storage.errors import InputError, PermanentError
from storage.open_store import Store, open_store
from storage.records import Path, TrainingSet
from tests.storage.examples import make, uid
from tests.storage.story import whole_story


@pytest.fixture
def store(tmp_path: FilePath) -> Store:
    store = open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}", busy_seconds=0.05)
    store.append(whole_story())
    return store


def test_a_whole_store_has_no_problem(store: Store) -> None:
    assert check_store(store) == []


def test_a_check_names_dangling_parents_doubled_ids_and_missing_files(
    store: Store, tmp_path: FilePath
) -> None:
    orphan = make(TrainingSet, "orphan", round_id=uid(Path, "nowhere"))
    store.append([orphan])
    with duckdb.connect(store.path) as connection:
        connection.execute("INSERT INTO guidelines SELECT * FROM guidelines LIMIT 1")

    problems = check_store(store, tmp_path)

    assert Problem("dangling_parent", "training_sets.round_id", 1, str(orphan.id)) in problems
    assert {(problem.code, problem.where) for problem in problems} == {
        ("dangling_parent", "training_sets.round_id"),
        ("id_twice", "guidelines"),
        ("adapter_files_missing", str(tmp_path)),
    }


def test_compacting_keeps_every_row_view_and_comment(store: Store) -> None:
    store.append([make(Path, n, text="x" * 5000, draw=9) for n in range(2000)])
    before = {record.id for record in store.select(Path, draw=[1, 2, 3])}
    with duckdb.connect(store.path) as connection:
        connection.execute("DELETE FROM paths WHERE draw = 9")

    done = compact(store)

    assert done.bytes_after < done.bytes_before
    assert {record.id for record in store.select(Path)} == before
    assert store.query("SELECT count(*) AS n FROM lineage")["n"].to_pylist() == [len(before)]
    bare = (
        "SELECT count(*) AS n FROM duckdb_columns() WHERE table_name = 'lineage' AND comment IS"
        " NULL AND NOT internal"
    )
    assert store.query(bare)["n"].to_pylist() == [0]
    assert len(open_store(store.url).select(Path)) == len(before)
    assert store.append([make(Path, "after")]) == 1


def test_compacting_a_store_that_a_link_names_keeps_the_link_and_one_store(
    store: Store, tmp_path: FilePath
) -> None:
    link = tmp_path / "link.duckdb"
    link.symlink_to(store.path)
    linked = open_store(f"duckdb:///{link}", busy_seconds=0.05)

    compact(linked)
    linked.append([make(Path, "after")])

    assert link.is_symlink()
    assert {one.id for one in store.select(Path)} == {one.id for one in linked.select(Path)}
    assert make(Path, "after").id in {one.id for one in store.select(Path)}


def test_compacting_on_a_full_disk_leaves_the_file_as_it_was(store: Store) -> None:
    obstacle = store.path.with_name(f".{store.path.name}.compact.part.wal")
    obstacle.mkdir()  # DuckDB can't make its log there
    (obstacle / "file").touch()
    paths = len(store.select(Path))

    with pytest.raises((PermanentError, OSError)):
        compact(store)

    assert len(store.select(Path)) == paths


def test_a_backup_is_a_store_of_its_own_and_overwrites_nothing(
    store: Store, tmp_path: FilePath
) -> None:
    store.append([make(TrainingSet, "late")])

    target = back_up_store(store, tmp_path / "backups" / "one.duckdb")

    assert (
        len(open_store(f"duckdb:///{target}").select(TrainingSet))
        == len(store.select(TrainingSet))
        == 7
    )
    with pytest.raises(InputError, match="is there already"):
        back_up_store(store, target)


@pytest.mark.parametrize(
    "name",
    [
        "regenesis.duckdb.wal",
        "regenesis.duckdb.gate",
        "regenesis.duckdb.lock",
        "mlflow.db-journal",
        "run.lock",
        "reader.duckdb",
        "other.reader.duckdb",
        ".regenesis.duckdb",
        ".duckdb",
        "one.duckdb.part",
    ],
)
def test_a_backup_takes_no_name_of_what_lies_beside_a_store(
    store: Store, tmp_path: FilePath, name: str
) -> None:
    before = sorted(tmp_path.iterdir())

    with pytest.raises(InputError, match=r"A backup's name ends with \.duckdb"):
        back_up_store(store, tmp_path / name)

    assert sorted(tmp_path.iterdir()) == before


def test_a_backup_touches_no_file_of_anybody_else(store: Store, tmp_path: FilePath) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    beside = ("one.duckdb.part", "one.duckdb.lock", "one.duckdb.gate", "one.duckdb.part.wal")
    for name in beside:
        (folder / name).write_text("mine")

    back_up_store(store, folder / "one.duckdb")

    assert sorted(file.name for file in folder.iterdir()) == sorted([*beside, "one.duckdb"])
    assert [(folder / name).read_text() for name in beside] == ["mine"] * len(beside)


def test_a_backup_overwrites_no_records_either(store: Store, tmp_path: FilePath) -> None:
    (tmp_path / "one.mlflow.db").write_text("mine")

    with pytest.raises(InputError, match=r"one\.mlflow\.db' is there already"):
        back_up(store, tmp_path, tmp_path / "one.duckdb")

    assert (tmp_path / "one.mlflow.db").read_text() == "mine"
    assert not (tmp_path / "one.duckdb").exists()
