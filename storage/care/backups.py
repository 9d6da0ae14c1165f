"""Backups: the store's whole copy with MLflow's records beside it; a restore puts both back.

What was there is kept under another name. Adapters are files that never change once written: copy
their folder too.
"""

import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

from storage.care.check_and_gc import back_up_store, made_aside
from storage.environment import Environment
from storage.errors import InputError
from storage.file.database import DatabaseFile, connect, log_of
from storage.file.file_schema import free_name, keep_as, put_in_place
from storage.file.old_spool import spool_of, waiting_batches
from storage.locks import owned
from storage.migrations import check_version, schema_version
from storage.open_store import open_store
from storage.store.store import Store
from storage.store.store_url import file_of, is_lake, shown

# MLflow's database in the home: runs, registered models and aliases
RECORDS = "mlflow.db"


def back_up(store: Store, home: Path, target: Path) -> Path:
    """Copy the store to `target` and MLflow's records beside it, also while a round runs.

    Nothing is overwritten.
    """
    if records_of(target).exists():
        raise InputError(
            f"A backup goes to new files; {str(records_of(target))!r} is there already. Name"
            " another."
        )
    made = back_up_store(store, target)
    records = home / RECORDS
    if records.exists():
        with made_aside(records_of(made)) as partial:
            _copy_records(records, partial)
    return made


def records_of(backup: Path) -> Path:
    """Where MLflow's records of this backup lie."""
    return backup.with_name(f"{backup.stem}.{RECORDS}")


def restore(environment: Environment, backup: Path, now: datetime) -> list[Path]:
    """Put the backup in the place of the home's store and records.

    Returns what was there, under its new names.

    Raises InputError where the file is no store that this program reads, or while a run works on
    the present one.
    """
    if is_lake(environment.store_url):
        raise InputError(
            "A backup takes the place of a file; into an empty lake it is moved. Run, with"
            f" REGENESIS_STORE=duckdb:///{backup}: regenesis storage move"
            f" {shown(environment.store_url)!r}"
        )
    file = DatabaseFile(file_of(environment.store_url), busy_seconds=5.0)
    _check_backup(backup, file.path)
    stamp = f"before-restore-{now:%Y%m%d-%H%M%S}"
    with owned(
        environment.run_lock,
        lambda owner: f"A store is restored while no run works on it; process {owner} does.",
    ):
        aside = _take_place(backup, file, stamp)
        if records_of(backup).exists():
            aside += _take_records_place(records_of(backup), environment.home / RECORDS, stamp)
    open_store(environment.store_url).refresh_reader()
    return aside


def _take_place(backup: Path, file: DatabaseFile, stamp: str) -> list[Path]:
    """Put the backup in place in one step: a kill leaves the old store or the new one."""
    path = file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.restore.part")
    aside = free_name(path.with_name(f"{path.name}.{stamp}"))
    kept: list[Path] = []
    try:
        with file.locked(exclusive=True):
            # copied first: when the present store is set aside, what takes its place is whole
            # already
            shutil.copyfile(backup, partial)
            # what the log holds belongs to the store that is kept aside
            _fold_in(path)
            if path.exists():
                kept += [_kept(path, aside)]
            if (
                file.log.exists()
            ):  # of a file that is damaged or gone: DuckDB would replay it into the new one
                kept += [_kept(file.log, log_of(aside))]
                file.log.unlink()
            if waiting_batches(path):
                kept += [spool_of(path).rename(spool_of(aside))]
            put_in_place(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return kept


def _fold_in(path: Path) -> None:
    """Fold the log into its file, where both are sound.

    Raises HeldByAnother while a foreign client has the file open.
    """
    if path.exists():
        with suppress(InputError):  # it is damaged: a reason to restore
            connect(path, read_only=False).close()


def _kept(path: Path, aside: Path) -> Path:
    keep_as(path, aside)
    return aside


def _take_records_place(source: Path, target: Path, stamp: str) -> list[Path]:
    partial = target.with_name(f".{target.name}.restore.part")
    partial.unlink(missing_ok=True)
    _copy_records(source, partial)
    kept = (
        [_kept(target, free_name(target.with_name(f"{target.name}.{stamp}")))]
        if target.exists()
        else []
    )
    put_in_place(partial, target)
    return kept


def _check_backup(backup: Path, target: Path) -> None:
    if not backup.is_file() or backup.resolve() == target.resolve():
        raise InputError(
            f"A backup is a file that `regenesis storage backup` wrote; found {str(backup)!r}."
        )
    with closing(connect(backup, read_only=True)) as connection:
        version = schema_version(connection)
    check_version(version, str(backup))
    if not version:
        raise InputError(
            f"A backup holds a store; {str(backup)!r} is a database without our tables. Name"
            " another."
        )


def _copy_records(source: Path, target: Path) -> None:
    """A whole copy, even while other processes write."""
    # SQLite's own backup, page by page under its locks; a copy of the file could be torn in the
    # middle of a write
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)
