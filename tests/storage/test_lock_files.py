"""Who can't write a store can't hold its locks either: a reader of a lock file could, for ever."""

import os
import stat
import subprocess
import sys
from pathlib import Path as FilePath

import pytest

from storage.locks import RUN_LOCK, owned
from storage.open_store import open_store
from storage.records import Path
from tests.storage.examples import make

HOLDS = (
    "import fcntl, os, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534);"
    " fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX)"
)


def used_store(folder: FilePath) -> list[FilePath]:
    """A store that was read and written, beside a run; its lock files."""
    with owned(folder / RUN_LOCK, lambda owner: f"held by {owner}"):
        store = open_store(f"duckdb:///{folder}/regenesis.duckdb")
        store.append([make(Path, "one")])
        assert len(store.select(Path)) == 1
    return sorted(file for file in folder.iterdir() if file.suffix in (".gate", ".lock"))


def mode(file: FilePath) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("before", [0o600, 0o644, 0o666])
def test_lock_files_are_their_owners_alone(tmp_path: FilePath, before: int) -> None:
    locks = used_store(tmp_path)
    assert {file.name for file in locks} >= {
        "regenesis.duckdb.gate",
        "regenesis.duckdb.lock",
        RUN_LOCK,
    }
    for file in locks:
        file.chmod(before)  # as an earlier version made them

    assert {mode(file) for file in used_store(tmp_path)} == {0o600}


def test_the_runs_of_a_group_share_a_folder_in_which_it_may_write(tmp_path: FilePath) -> None:
    tmp_path.chmod(0o770)

    assert {mode(file) for file in used_store(tmp_path)} == {0o660}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_another_user_of_the_machine_holds_no_lock(tmp_path: FilePath) -> None:
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)

    for file in used_store(tmp_path):
        held = subprocess.run([sys.executable, "-c", HOLDS, file], capture_output=True, check=False)
        assert b"PermissionError" in held.stderr
