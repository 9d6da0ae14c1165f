"""A client of another kind holds the database file for the whole of a round, as a notebook left open would."""

from pathlib import Path

import duckdb

from flows.improve import improve
from flows.stages import ingest
from storage.care.check_and_gc import check_store
from storage.file.reader_copy import READER_NAME
from storage.open_store import open_store
from storage.records import Path as RecordedPath
from storage.records import Round
from tests.fakes.scripted_machinery import ScriptedMachinery
from tests.storage.foreign import held


def test_a_round_ends_well_while_a_foreign_client_holds_the_store_and_is_merged_afterwards(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    with held(store.path) as client:
        client.execute("CREATE TABLE notes AS SELECT 'mine' AS text")
        result = improve(settings_toml=small)

        paths = len(store.select(RecordedPath))
        assert result.outcome == "promoted"
        assert [record.status for record in store.select(Round)] == ["finished"]
        assert store.unmerged_rows() > paths > 0
        assert client.process.poll() is None
        assert rounds_in(home / READER_NAME) == [(1, "finished", paths)]

    ingest(settings_toml=small)  # the next round begins
    store.refresh_reader()

    assert store.unmerged_rows() == 0
    assert not list(store.spool_folder.glob("*.arrows"))
    assert check_store(store, home) == []
    assert store.query("SELECT text FROM notes")["text"].to_pylist() == ["mine"]
    assert rounds_in(home / READER_NAME) == [(1, "finished", paths), (2, "running", 0)]


def rounds_in(reader: Path) -> list[tuple[int, str, int]]:
    """Number, status and paths of the rounds that the reader's copy shows."""
    with duckdb.connect(reader, read_only=True) as connection:
        return connection.execute("SELECT round, status, paths FROM round_summary ORDER BY round").fetchall()
