"""Care at night: the backup that was just made stays, whatever the clock said before."""

from pathlib import Path

from flows.maintain import back_up
from storage.open_store import open_store


def test_the_backup_just_made_stays_beside_those_of_a_clock_that_was_ahead(tmp_path: Path) -> None:
    store, folder = open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}"), tmp_path / "backups"
    folder.mkdir()
    for name in (
        "regenesis-20990101-063000.duckdb",
        "regenesis-20990102-063000.duckdb",
        "regenesis-mine.duckdb",
    ):
        (folder / name).touch()

    made = [back_up.fn(store, folder, 2)]
    kept = sorted(one.name for one in folder.iterdir())

    assert made[0].exists()
    assert kept == sorted(
        [made[0].name, "regenesis-20990102-063000.duckdb", "regenesis-mine.duckdb"]
    )
    assert back_up.fn(store, tmp_path / "other", 1).exists()
