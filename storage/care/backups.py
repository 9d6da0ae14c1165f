"""A backup is the store's whole copy and, beside it, MLflow's records; a restore puts both in their places.

What was there is kept under another name. Adapters are files that never change once written: copy their folder too.
"""

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from storage.care.check_and_gc import back_up_store
from storage.environment import Environment
from storage.errors import InputError
from storage.file.database import DatabaseFile, connect
from storage.locks import owned
from storage.migrations import check_version, schema_version
from storage.open_store import open_store
from storage.store.store import Store
from storage.store.store_url import file_of, is_lake

RECORDS = "mlflow.db"


def back_up(store: Store, home: Path, target: Path) -> Path:
    """The store at `target` and MLflow's records beside it, also while a round runs; nothing is overwritten."""
    made = back_up_store(store, target)
    records = home / RECORDS
    if records.exists():
        _copy_records(records, records_of(made))
    return made


def records_of(backup: Path) -> Path:
    """Where MLflow's records of this backup lie."""
    return backup.with_name(f"{backup.stem}.{RECORDS}")


def restore(environment: Environment, backup: Path, now: datetime) -> list[Path]:
    """The backup in the place of the home's store and records; returns what was there, under its new names.

    Raises InputError where the file is no store that this program reads, or while a run works on the present one.
    """
    if is_lake(environment.store_url):
        raise InputError(
            "A backup takes the place of a file; into an empty lake it is moved. Run, with REGENESIS_STORE="
            f"duckdb:///{backup}: regenesis storage move {environment.store_url!r}"
        )
    target = file_of(environment.store_url)
    _check_backup(backup, target)
    aside: list[Path] = []
    with owned(environment.run_lock, lambda owner: f"A store is restored beside no run; process {owner} works on it."):
        new = _copied(backup, target)
        for old in (target, target.with_name(f"{target.name}.wal"), DatabaseFile(target, 0).aside):
            aside += _put_aside(old, now)
        new.replace(target)
        if records_of(backup).exists():
            aside += _put_aside(environment.home / RECORDS, now)
            _copy_records(records_of(backup), environment.home / RECORDS)
    open_store(environment.store_url).refresh_reader()
    return aside


def _check_backup(backup: Path, target: Path) -> None:
    if not backup.is_file() or backup.resolve() == target.resolve():
        raise InputError(f"A backup is a file that `regenesis storage backup` wrote; found {str(backup)!r}.")
    with closing(connect(backup, read_only=True)) as connection:
        version = schema_version(connection)
    check_version(version, str(backup))
    if not version:
        raise InputError(f"A backup holds a store; {str(backup)!r} is a database without our tables. Name another.")


def _copied(backup: Path, target: Path) -> Path:
    partial = target.with_name(f"{target.name}.part")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(backup, partial)
    descriptor = os.open(partial, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return partial


def _put_aside(old: Path, now: datetime) -> list[Path]:
    if not old.exists():
        return []
    return [old.rename(old.with_name(f"{old.name}.before-restore-{now:%Y%m%d-%H%M%S}"))]


def _copy_records(source: Path, target: Path) -> None:
    """A whole copy, whoever writes meanwhile."""
    with closing(sqlite3.connect(source)) as reading, closing(sqlite3.connect(target)) as writing:
        reading.backup(writing)
