"""Puts a store and MLflow's records that were made ready in their places: both, or neither.

A note beside the store says what is to be put where. From the moment it is there the restore is
carried to its end, by whoever comes next where the process was killed; before, nothing has changed.
"""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from storage.errors import InputError, StoreBusy
from storage.file.database import DatabaseFile, connect, log_of
from storage.file.file_schema import keep_as, put_in_place
from storage.file.old_spool import spool_of, waiting_batches

# what SQLite keeps beside a database while it is written, and a killed writer leaves there
_BESIDE_SQLITE = ("-journal", "-wal", "-shm")


@dataclass(frozen=True)
class Planned:
    """What the note says. Paths are relative to the store's folder: a home can be moved."""

    store_kept: str
    """The name under which the store that was there is kept."""
    records: str
    """Where MLflow's records lie; empty where none are restored."""
    records_kept: str


def partial_of(path: Path) -> Path:
    """Where that which takes the file's place is made ready."""
    return path.with_name(f".{path.name}.restore.part")


def settle_both(file: DatabaseFile, records: Path) -> None:
    """Bring what is there to rest, before anything is switched; the caller has its turn.

    Raises StoreBusy while another program has the store or the records open.
    """
    _settle_store(file.path)
    _settle_records(records)


def begin(file: DatabaseFile, planned: Planned) -> None:
    """Write the note."""
    note = note_of(file.path)
    partial = note.with_name(note.name + ".part")
    partial.write_text(json.dumps(asdict(planned)), "utf-8")
    put_in_place(partial, note)


def begun(file: DatabaseFile) -> bool:
    """Whether a restore of the store is under way."""
    return note_of(file.path).exists()


def finish(file: DatabaseFile) -> list[Path]:
    """Do what the note says, where there is one; returns what was there, under its new names.

    The caller has the file's turn.
    """
    note = note_of(file.path)
    if not note.exists():
        return []
    planned, folder = _read(note), file.path.parent
    records = folder / planned.records if planned.records else None
    kept = _put_store(file, folder / planned.store_kept)
    if records is not None:
        kept += _put_records(records, folder / planned.records_kept)
    note.unlink()
    return kept


def finish_interrupted(file: DatabaseFile) -> list[Path]:
    """Carry a restore that was killed to its end; waits for one that is at work."""
    if not note_of(file.path).exists():
        return []
    with file.locked(exclusive=True):
        return finish(file)


def remove_partials(paths: Sequence[Path]) -> None:
    """Of a restore that was not begun, with what lies beside them."""
    for path in paths:
        partial = partial_of(path)
        beside = [partial.with_name(partial.name + ending) for ending in _BESIDE_SQLITE]
        for leftover in (partial, log_of(partial), *beside):
            leftover.unlink(missing_ok=True)


def note_of(path: Path) -> Path:
    """Where the note about a restore of the store lies while that is under way."""
    return path.with_name(f".{path.name}.restore.json")


def _read(note: Path) -> Planned:
    try:
        return Planned(**json.loads(note.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{str(note)!r} says how an interrupted restore goes on, and can't be read ({error})."
            " Move it away and restore again."
        ) from error


def _put_store(file: DatabaseFile, aside: Path) -> list[Path]:
    path, kept = file.path, list[Path]()
    if not partial_of(path).exists():  # put in place already, by the process that was killed
        return []
    _settle_store(path)
    if path.exists():
        keep_as(path, aside)
        kept += [aside]
    if file.log.exists():
        # of a file that is damaged or gone: DuckDB would replay it into the new one
        keep_as(file.log, log_of(aside))
        kept += [log_of(aside)]
        file.log.unlink()
    if waiting_batches(path):
        kept += [spool_of(path).rename(spool_of(aside))]
    put_in_place(partial_of(path), path)
    return kept


def _put_records(path: Path, aside: Path) -> list[Path]:
    kept = list[Path]()
    if not partial_of(path).exists():
        return []
    _settle_records(path)
    if path.exists():
        keep_as(path, aside)
        kept += [aside]
    # of a file that is damaged or gone: SQLite would roll it into the new one
    for ending in _BESIDE_SQLITE:
        beside = path.with_name(path.name + ending)
        if beside.exists():
            kept += [beside.rename(aside.with_name(aside.name + ending))]
    put_in_place(partial_of(path), path)
    return kept


def _settle_store(path: Path) -> None:
    """Fold the log into its file, where both are sound; HeldByAnother where somebody has it."""
    if path.exists():
        with suppress(InputError):  # it is damaged: a reason to restore
            connect(path, read_only=False).close()


def _settle_records(path: Path) -> None:
    """Have SQLite apply or roll back what a killed writer left beside the file."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(path)) as records:
            records.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            raise StoreBusy(
                f"Another program writes into {str(path)!r}. Close it there; nothing was restored,"
                " and the same command goes on."
            ) from error
        # it is damaged: a reason to restore
