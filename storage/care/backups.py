"""Backups: the store's whole copy with MLflow's records beside it; a restore puts both back.

What was there is kept under another name. Adapters are files that never change once written: copy
their folder too.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path

import duckdb

from storage.care.check_and_gc import back_up_store, check_backup_name, made_aside
from storage.environment import Environment
from storage.errors import InputError, ReGenesisError, first_line
from storage.file.database import DatabaseFile, connect
from storage.file.file_schema import free_name, make_folder
from storage.file.old_spool import spool_of, waiting_batches
from storage.file.rebuilding import rebuild
from storage.file.restoring import (
    Planned,
    begin,
    begun,
    finish,
    finish_interrupted,
    partial_of,
    remove_partials,
    settle_both,
)
from storage.file.surface import tables_in
from storage.locks import owned
from storage.open_store import open_store
from storage.records import RECORD_TYPES
from storage.store.store import Store
from storage.store.store_url import file_of, is_lake, shown

# MLflow's database in the home: runs, registered models and aliases
RECORDS = "mlflow.db"


def back_up(store: Store, home: Path, target: Path) -> Path:
    """Copy the store to `target` and MLflow's records beside it, also while a round runs.

    Nothing is overwritten.
    """
    refuse_backup_name(target)
    made = back_up_store(store, target)
    records = home / RECORDS
    if records.exists():
        with made_aside(records_of(made)) as partial:
            _copy_records(records, partial)
    return made


def refuse_backup_name(target: Path) -> None:
    """Raises InputError where a backup can't have this name, or one of its files is there."""
    if records_of(target).exists():
        raise InputError(
            f"A backup goes to new files; {str(records_of(target))!r} is there already. Name"
            " another."
        )
    check_backup_name(target)


def records_of(backup: Path) -> Path:
    """Where MLflow's records of this backup lie."""
    return backup.with_name(f"{backup.stem}.{RECORDS}")


def holds_more(backup: Path, than: Path) -> bool:
    """Whether a backup has more rows than another, or can't be asked and so may have."""
    if not backup.stat().st_size:
        return False
    try:
        return _rows(backup) > _rows(than)
    except (ReGenesisError, duckdb.Error):
        return True


def restore(
    environment: Environment,
    backup: Path,
    now: datetime,
    say: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Put the backup in the place of the home's store and records: both, or neither.

    Returns what was there, under its new names. `say` is told what of the backup was left out.

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
    make_folder(file.path.parent)
    with owned(
        environment.run_lock,
        lambda owner: f"A store is restored while no run works on it; process {owner} does.",
    ):
        finish_interrupted(file)
        aside = _switched(backup, file, environment.home / RECORDS, f"{now:%Y%m%d-%H%M%S}", say)
    open_store(environment.store_url).refresh_reader()
    return aside


def _switched(
    backup: Path, file: DatabaseFile, records: Path, stamp: str, say: Callable[[str], None]
) -> list[Path]:
    """Make both ready first, then put both in place; a kill leaves the old pair or the new one."""
    planned = Planned(
        store_kept=_kept_name(file.path, stamp).name,
        records=os.path.relpath(records, file.path.parent) if records_of(backup).exists() else "",
        records_kept=os.path.relpath(_kept_name(records, stamp), file.path.parent),
    )
    remove_partials((file.path, records))
    try:
        for left_out in _made_ready(backup, file.path, records):
            say(f"Left out, for it is none of a store's: {left_out!r}")
        with file.locked(exclusive=True):
            settle_both(file, records)
            begin(file, planned)
            return finish(file)
    except BaseException:
        # what has begun is carried to its end by the next opening
        if not begun(file):
            remove_partials((file.path, records))
        raise


def _made_ready(backup: Path, path: Path, records: Path) -> list[str]:
    """A store and records of ours beside those that are there; returns what was left out."""
    try:
        left_out = rebuild(backup, partial_of(path))
        if records_of(backup).exists():
            _copy_records(records_of(backup), partial_of(records))
            _check_records(partial_of(records), records_of(backup))
    except (OSError, duckdb.Error, sqlite3.Error) as error:
        raise InputError(
            f"{str(backup)!r} was not restored ({first_line(error)}); store and records"
            " are as they were. Take another backup, or free disk space."
        ) from error
    return left_out


def _kept_name(path: Path, stamp: str) -> Path:
    return free_name(path.with_name(f"{path.name}.before-restore-{stamp}"))


def _rows(backup: Path) -> int:
    """Rows of all records, in the tables that the backup's version has."""
    with closing(connect(backup, read_only=True)) as connection:
        there = set(tables_in(connection))
        tables = (one.table for one in RECORD_TYPES if one.table in there)
        counts = [connection.execute(f"SELECT count(*) FROM {one}").fetchone() for one in tables]
    return sum(int(row[0]) for row in counts if row)


def _check_backup(backup: Path, target: Path) -> None:
    if not backup.is_file() or backup.resolve() == target.resolve():
        raise InputError(
            f"A backup is a file that `regenesis storage backup` wrote; found {str(backup)!r}."
        )
    if waiting_batches(backup):
        raise InputError(
            f"{str(spool_of(backup))!r} holds acknowledged rows of {str(backup)!r}, which is of an"
            f" earlier version. Put them in first, with REGENESIS_STORE=duckdb:///{backup}:"
            " regenesis storage migrate"
        )


def _check_records(records: Path, source: Path) -> None:
    """Raises InputError where a page is damaged."""
    with closing(sqlite3.connect(records)) as reading:
        [(found,)] = reading.execute("PRAGMA integrity_check(1)").fetchall()
    if found != "ok":
        raise InputError(
            f"MLflow's records must be whole; {str(source)!r} is damaged ({found}). Nothing was"
            " restored. Take another backup, or move that file away to restore the store alone."
        )


def _copy_records(source: Path, target: Path) -> None:
    """A whole copy, even while other processes write."""
    # SQLite's own backup, page by page under its locks; a copy of the file could be torn in the
    # middle of a write
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)
