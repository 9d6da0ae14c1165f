"""A private copy of a database file that a foreign client holds, so that reading goes on.

The bytes can be read while the other only holds a lock. A copy counts if the file and its write-ahead log did not
change while it was made and DuckDB opens it; it is kept, by size and time of change, until the file changes.
"""

import hashlib
import os
import shutil
import time
from pathlib import Path

import duckdb

from storage.errors import TransientError

_TRIES = 50
_PAUSE_SECONDS = 0.1


def snapshot(database: Path, folder: Path) -> Path:
    """The path of a copy that is as new as the file; raises TransientError if the file never stands still."""
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(_TRIES):
        state = _state(database)
        target = folder / f"snapshot-{_name(state)}.duckdb"
        if target.exists() or (state and _copied(database, target)):
            _forget_others(folder, target)
            return target
        time.sleep(_PAUSE_SECONDS)
    raise TransientError(
        f"Another program holds {str(database)!r} and keeps changing it, so that it can't be copied for reading. "
        "Close that program, or point it at reader.duckdb."
    )


def forget_snapshots(folder: Path) -> None:
    """Remove the copies; whoever still reads one keeps it until it is closed."""
    for old in folder.glob("snapshot-*"):
        old.unlink(missing_ok=True)


def _state(database: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of change of the file and its logs; empty while a checkpoint is under way."""
    files = [*sorted(database.parent.glob(database.name + ".wal*")), database]
    if any(file.name not in (database.name, database.name + ".wal") for file in files):
        return ()
    try:
        return tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    except FileNotFoundError:
        return ()


def _name(state: tuple[tuple[str, int, int], ...]) -> str:
    return hashlib.sha256(repr(state).encode()).hexdigest()[:24]


def copied_whole(database: Path, target: Path) -> bool:
    """Copy a database with its log folded in; False where it changed meanwhile, and then nothing is left."""
    state = _state(database)
    log = target.with_name(target.name + ".wal")
    try:
        shutil.copyfile(database, target)
        if len(state) > 1:
            shutil.copyfile(database.with_name(database.name + ".wal"), log)
        if state and _state(database) == state:
            duckdb.connect(target).close()  # replays the log into the copy, and proves that it is whole
            return True
    except (FileNotFoundError, duckdb.Error):
        pass
    target.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    return False


def _copied(database: Path, target: Path) -> bool:
    partial = target.with_name(f"{target.stem}.{os.getpid()}-{time.monotonic_ns()}.part")
    try:
        if not copied_whole(database, partial):
            return False
        partial.replace(target)
        return True
    finally:
        partial.unlink(missing_ok=True)


def _forget_others(folder: Path, current: Path) -> None:
    for old in folder.glob("snapshot-*.duckdb"):
        if old != current:
            old.unlink(missing_ok=True)
