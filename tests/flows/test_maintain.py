"""Care at night.

The backup that was just made stays, whatever the clock said before, and so do those with more rows.
"""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import storage_commands
from flows.maintain import back_up, maintain
from storage.errors import InputError
from storage.open_store import open_store
from storage.records import Adapter
from storage.records import Path as RecordedPath
from tests.storage.examples import make


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


def nightly_backups(folder: Path, rows: int, nights: range) -> None:
    """Of a store with so many rows, made in these nights."""
    store = open_store(f"duckdb:///{folder / f'{rows}.duckdb'}")
    store.append([make(RecordedPath, n) for n in range(rows)])
    for night in nights:
        [made] = [back_up.fn(store, folder / "made" / str(night), 1)]
        kept = folder / "backups" / f"regenesis-202611{night:02}-063000.duckdb"
        kept.parent.mkdir(exist_ok=True)
        made.rename(kept)
        os.utime(kept, (night * 86_400, night * 86_400))


def test_backups_of_a_fuller_store_stay_however_many_nights_an_emptier_one_is_backed_up(
    tmp_path: Path,
) -> None:
    nightly_backups(tmp_path, 5, range(1, 4))
    nightly_backups(tmp_path, 1, range(4, 7))
    folder = tmp_path / "backups"

    made = back_up.fn(open_store(f"duckdb:///{tmp_path / '1.duckdb'}"), folder, 2)

    names = [f"regenesis-202611{night:02}-063000.duckdb" for night in (1, 2, 3, 6)]
    assert sorted(one.name for one in folder.iterdir()) == sorted([*names, made.name])


def test_a_backup_that_can_not_be_read_stays_for_nobody_knows_what_it_holds(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "regenesis-20260101-063000.duckdb").write_bytes(b"of another version" * 1000)
    store = open_store(f"duckdb:///{tmp_path / 'second.duckdb'}")

    made = back_up.fn(store, folder, 1)

    assert {one.name for one in folder.iterdir()} == {
        "regenesis-20260101-063000.duckdb",
        made.name,
    }


def test_maintenance_makes_no_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGENESIS_HOME", str(tmp_path))
    monkeypatch.delenv("REGENESIS_STORE", raising=False)

    with pytest.raises(InputError, match="There is no store at"):
        maintain.fn()

    assert list(tmp_path.iterdir()) == []


def test_an_adapter_that_came_to_be_needed_while_a_person_was_asked_is_not_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}")
    needed, other = (tmp_path / "adapters" / (letter * 32) for letter in "bd")
    for folder in (needed, other):
        folder.mkdir(parents=True)
        os.utime(folder, (0, 0))
    monkeypatch.setattr(
        storage_commands,
        "confirm",
        lambda _: store.append([make(Adapter, 1, location=f"adapters/{needed.name}")]),
    )

    said = CliRunner().invoke(storage_commands.app, ["gc", "--home", str(tmp_path)])

    assert said.exit_code == 0, said.output
    assert (needed.exists(), other.exists()) == (True, False)
