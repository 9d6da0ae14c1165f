"""What a killed statement leaves is removed by a later one, and nothing of anybody else's."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from storage.sql.spill_folder import spill_folder

HERE = os.getpid()


@pytest.fixture
def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left(folder: Path, *, days: float, mode: int = 0o700) -> Path:
    """A folder with a spilled file, as old as that."""
    folder.mkdir(mode=mode)
    (folder / "duckdb_temp_storage-0.tmp").write_bytes(b"rows")
    for one in (folder / "duckdb_temp_storage-0.tmp", folder):
        then = time.time() - days * 86_400
        os.utime(one, (then, then))
    return folder


def test_only_old_folders_of_ours_whose_process_is_gone_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: int
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old = left(tmp_path / f"regenesis-sql-{gone}-ab_c1d2e", days=2)
    kept = [
        left(tmp_path / f"regenesis-sql-{HERE}-ab_c1d2e", days=2),
        left(tmp_path / f"regenesis-sql-{gone}-ab_c1d2f", days=0.5),
        left(tmp_path / f"regenesis-sql-{gone}-ab_c1d2g", days=2, mode=0o755),
        left(tmp_path / f"regenesis-sql-{gone}-mine", days=2),
        left(tmp_path / "regenesis-sql-ab_c1d2e", days=2),
        left(tmp_path / "elsewhere", days=2),
    ]
    link = tmp_path / f"regenesis-sql-{gone}-ab_c1d2h"
    link.symlink_to(tmp_path / "elsewhere")
    file = tmp_path / f"regenesis-sql-{gone}-ab_c1d2i"
    file.touch()

    with spill_folder() as folder:
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        assert not old.exists()
    assert [one.name for one in (*kept, link, file) if not one.exists()] == []
    assert [one for one in kept if not (one / "duckdb_temp_storage-0.tmp").exists()] == []
    assert not Path(folder).exists()


def test_a_killed_process_leaves_a_folder_that_a_later_statement_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    killed = (
        "import os; from storage.sql.spill_folder import spill_folder\n"
        "with spill_folder(): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", killed], env={**os.environ, "TMPDIR": str(tmp_path)})
    [folder] = tmp_path.iterdir()
    then = time.time() - 2 * 86_400
    os.utime(folder, (then, then))

    with spill_folder():
        assert not folder.exists()
