"""The long form: 30 kills of a fresh store, of a restore, of an upgrade from every schema."""

from pathlib import Path

import pytest

from tests.faults import test_killed_changes as short
from tests.storage.migrations.test_old_schemas import OLDER


@pytest.mark.soak
@pytest.mark.parametrize("version", OLDER)
def test_an_upgrade_killed_at_thirty_moments(
    tmp_path: Path, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(short, "MOMENTS", 60)  # of which an upgrade takes half
    short.test_a_store_killed_while_it_is_brought_to_this_schema_is_of_the_old_one_or_of_this_one(
        tmp_path, version
    )


@pytest.mark.soak
def test_a_fresh_store_and_a_restore_killed_at_thirty_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(short, "MOMENTS", 30)
    short.test_a_store_killed_while_it_is_made_is_whole_or_not_there(tmp_path / "fresh")
    short.test_a_store_killed_while_a_backup_is_restored_is_the_one_or_the_other(
        tmp_path / "restore"
    )
