"""A restored backup brings store and champions back; an upgrade waits for users of the store."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from flows.improve import improve
from storage.care.check_and_gc import check_store
from storage.environment import read_environment
from storage.locks import owned
from storage.migrations import Migration, all_migrations
from storage.mlflow_tracking import MODEL_TAG, Tracking, registered_name
from storage.open_store import open_store
from storage.records import Round
from tasks.rounds.round_row import next_number
from tests.fakes.scripted_machinery import ScriptedMachinery

Command = Callable[..., tuple[int, str, str]]


def restored(home: Path, backup: Path) -> str:
    """The output of the command in its own process: MLflow keeps a file open once opened."""
    command = [
        sys.executable,
        "-m",
        "flows.cli.main",
        "storage",
        "restore",
        str(backup),
        "--yes",
        "--home",
        str(home),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def champions(home: Path) -> list[tuple[str, str]]:
    """The registry's, as they stand in its file: registered name and model.

    Versions are left out: a registry that is made again counts from one.
    """
    with closing(sqlite3.connect(home / "mlflow.db")) as records:
        return records.execute(
            "SELECT a.name, t.value FROM registered_model_aliases a JOIN model_version_tags t USING"
            " (name, version) WHERE a.alias = 'champion' AND t.key = ? ORDER BY a.name",
            [MODEL_TAG],
        ).fetchall()


def test_a_restored_backup_brings_back_rows_and_champion_as_if_nothing_had_come_after(
    home: Path, small: str, tmp_path: Path, machinery: ScriptedMachinery, command: Command
) -> None:
    improve(settings_toml=small)
    [first] = open_store(read_environment().store_url).select(Round)
    champion = champions(home)
    assert command("storage", "backup", str(tmp_path / "backup.duckdb"))[0] == 0
    improve(settings_toml=small)
    Tracking(home).client.delete_registered_model(registered_name(first.line))
    assert champions(home) == [] != champion

    said = restored(home, tmp_path / "backup.duckdb")

    assert said.count("What was there is kept") >= 2  # rows and MLflow's records
    assert [one.id for one in open_store(read_environment().store_url).select(Round)] == [first.id]
    assert champions(home) == champion
    assert command("storage", "check")[0] == 0
    assert next_number(open_store(read_environment().store_url)) == 2


def test_a_lost_home_is_a_home_again_from_a_backup_and_the_adapters_folder(
    home: Path, small: str, tmp_path: Path, machinery: ScriptedMachinery, command: Command
) -> None:
    improve(settings_toml=small)
    champion = champions(home)
    command("storage", "backup", str(tmp_path / "backup.duckdb"))
    (tmp_path / "backup.mlflow.db").unlink()  # the registry is made again from the store
    home.rename(tmp_path / "lost")

    home.mkdir()
    (tmp_path / "lost" / "adapters").rename(home / "adapters")
    said = restored(home, tmp_path / "backup.duckdb")

    assert "MLflow's champion was None" in said
    assert champions(home) == champion
    assert check_store(open_store(read_environment().store_url), home) == []


@pytest.mark.parametrize("content", [b"", b"no database"])
def test_a_file_that_is_no_backup_is_refused_and_changes_nothing(
    content: bytes, home: Path, tmp_path: Path, command: Command
) -> None:
    store = open_store(read_environment().store_url)
    before = store.path.read_bytes()
    (tmp_path / "other.duckdb").write_bytes(content)

    code, _, err = command("storage", "restore", str(tmp_path / "other.duckdb"), "--yes")

    assert (code, len(err.strip().splitlines())) == (2, 1)
    assert store.path.read_bytes() == before


def test_an_upgrade_is_refused_while_a_run_works_and_done_when_it_has_ended(
    home: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = read_environment()
    open_store(places.store_url)
    newer = [*all_migrations(), Migration(999, "more", "CREATE TABLE more (x INT);")]
    monkeypatch.setattr("storage.migrations.all_migrations", lambda: newer)

    with owned(places.run_lock, str, shared=True):
        for words in (("storage", "migrate"), ("round",)):
            code, _, err = command(*words)
            assert code == 2, words
            assert "is brought to this one while no run works on it; process" in err

    assert command("storage", "migrate")[0] == 0
    assert command("sql", "SELECT max(version) FROM schema_migrations")[1].count("999") == 1
