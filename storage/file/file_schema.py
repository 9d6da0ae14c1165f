"""Brings a database file to this program's schema: creates it, or migrates it after a backup, and refreshes comments.

A database that is already right is only read.
"""

import hashlib
import shutil
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import duckdb

from storage.errors import InputError
from storage.file.database import DatabaseFile
from storage.locks import RUN_LOCK, owned
from storage.migrations import check_version, migrate, schema_version
from storage.views import all_views, make_views
from storage.views.comments import record_comments, write_comments

MAKE_STATE = "CREATE TABLE IF NOT EXISTS schema_state (surface VARCHAR NOT NULL)"


def ensure_schema(file: DatabaseFile) -> None:
    """Create or migrate; raises InputError on a newer database, a damaged file, or a folder that can't be written."""
    if not file.path.exists():
        _make_folder(file.path.parent)
    elif _is_current(file):
        return
    with file.writing() as connection:
        version = schema_version(connection)
        due = check_version(version, str(file.path))
    with _no_run_on(file.path) if version and due else nullcontext():
        if version:
            with file.locked(exclusive=True):
                back_up(file.path, f"schema-{version}")
        with file.writing() as connection:
            migrate(connection)
            write_surface(connection)


def _no_run_on(path: Path) -> AbstractContextManager[None]:
    """A run of the program before would go on writing the tables that it knows."""

    def refusal(owner: int) -> str:
        return (
            f"The store {str(path)!r} is of an earlier version and is brought to this one while no run works on it; "
            f"process {owner or 'unknown'} does. Wait for it, or end it (regenesis down)."
        )

    return owned(path.with_name(RUN_LOCK), refusal)


def back_up(path: Path, label: str) -> Path:
    """A copy of a database that nobody holds, beside it; written under another name and renamed when whole."""
    target = path.with_name(f"{path.stem}.before-{label}{path.suffix}")
    partial = target.with_name(target.name + ".part")
    log = path.with_name(path.name + ".wal")
    try:
        shutil.copyfile(path, partial)
        if log.exists():
            shutil.copyfile(log, target.with_name(target.name + ".wal"))
        partial.replace(target)
        return target
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(
            f"The backup {str(target)!r}, which comes before a migration, can't be written ({error.strerror}). "
            "Free disk space; the store is as it was."
        ) from error


def surface_digest() -> str:
    """Names the comments and views that this program would write."""
    return hashlib.sha256(repr((record_comments(), all_views())).encode()).hexdigest()


def _is_current(file: DatabaseFile) -> bool:
    with file.reading() as connection:
        due = check_version(schema_version(connection), str(file.path))
        return not due and connection.execute("SELECT surface FROM schema_state").fetchall() == [(surface_digest(),)]


def write_surface(connection: duckdb.DuckDBPyConnection) -> None:
    """Views and comments of this program into a database whose tables are there."""
    connection.begin()
    connection.execute(MAKE_STATE)
    write_comments(connection)
    make_views(connection)
    connection.execute("DELETE FROM schema_state")
    connection.execute("INSERT INTO schema_state VALUES (?)", [surface_digest()])
    connection.commit()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The store's folder {str(folder)!r} cannot be made ({error.strerror}). "
            "Set REGENESIS_HOME or REGENESIS_STORE."
        ) from error
