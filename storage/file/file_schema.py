"""Brings a database file to this program's schema: makes it, or migrates a copy of it.

A new or migrated store is made aside and takes its name when it is whole: whenever the process is
killed, there is the old store or the new one. A database that is already right is only read.
"""

import os
import shutil
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from itertools import count, islice
from pathlib import Path

import duckdb

from storage.errors import InputError, PermanentError, first_line
from storage.file.database import (
    DUCKDBS_OWN,
    DatabaseFile,
    HeldByAnother,
    changed_at,
    connect,
    log_of,
    translated,
)
from storage.file.old_spool import merge_old_spool, waiting_batches
from storage.file.remains import refuse_where_one_was_lost
from storage.file.surface import (
    drop_shadowing,
    has_our_views,
    is_written,
    refuse_other_things,
    shadowing,
    write_surface,
)
from storage.locks import RUN_LOCK, owned
from storage.migrations import check_version, migrate, newest_version, schema_version
from storage.whole_file import sync

# Of 255 that a file system takes: .NAME.reader.duckdb.4194304-1234567890123456.part.wal.checkpoint
_LONGEST_NAME = 180


def ensure_schema(file: DatabaseFile, *, thorough: bool = False) -> None:
    """Create or migrate the file, and put back views that are not as this program writes them.

    `thorough` also looks for macros that shadow DuckDB's functions, which takes 25 ms.

    Raises InputError for a newer database, a damaged file, or a folder that can't be written.
    """
    if not file.path.exists():
        _refuse_name(file.path)
        make_folder(file.path.parent)
        with file.locked(exclusive=True):
            if not file.path.exists():  # another process may just have made it
                _make(file.path)
                return
    # before migrating: those batches have the columns of their own version
    if waiting_batches(file.path):
        with file.writing() as connection:
            check_version(schema_version(connection), str(file.path))
            merge_old_spool(connection, file.path)
    due = _what_is_due(file, thorough)
    if due == "macros":  # first of all: they would have a word in every question below
        with file.writing() as connection:
            drop_shadowing(connection)
        due = _what_is_due(file, thorough)
    if due == "migration":
        _upgrade(file)
    elif due == "surface":
        with file.writing() as connection:
            refuse_other_things(connection, str(file.path))
            drop_shadowing(connection)
            write_surface(connection)


def is_current(file: DatabaseFile) -> bool:
    """Whether `ensure_schema` would only read the file."""
    return not waiting_batches(file.path) and not _what_is_due(file, thorough=False)


def keep_as(path: Path, kept: Path) -> None:
    """Give the file at `path` a second name, so that another can take its place in one step."""
    partial = kept.with_name(kept.name + ".part")
    partial.unlink(missing_ok=True)
    try:
        # another name of the same bytes: it takes no room, and lasts no time however large the
        # store is
        os.link(path, partial)
    except OSError:  # a file system without links
        shutil.copyfile(path, partial)
    partial.replace(kept)
    partial.unlink(missing_ok=True)  # a rename onto another name of the same file does nothing


def free_name(path: Path) -> Path:
    """The path, with a number where something has that name: nothing kept is overwritten."""
    ending = path.suffix if path.suffix == ".duckdb" else ""
    names = (path.name.removesuffix(ending) + f"-{number}" + ending for number in count(2))
    return next(
        one for one in (path, *map(path.with_name, islice(names, 1000))) if not one.exists()
    )


def put_in_place(partial: Path, path: Path) -> None:
    """Rename the whole file `partial` to `path` in one step, safe from a crash of the machine."""
    # Bytes before the name, and the folder after it: else a power cut could leave the new name on
    # an empty file, or the old one in its place.
    sync(partial)
    partial.replace(path)
    sync(path.parent)


def _make(path: Path) -> None:
    refuse_where_one_was_lost(path)
    with _partial(path) as partial:
        _bring_up(partial)
        put_in_place(partial, path)


def _refuse_name(path: Path) -> None:
    """Before anything is made: of a new store alone, for one that is there has worked."""
    if path.stem.lower() in DUCKDBS_OWN:
        raise InputError(
            "A store's file has another name than what DuckDB makes for itself"
            f" ({', '.join(sorted(DUCKDBS_OWN))}); found {str(path)!r}. Name another."
        )
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise InputError(
            f"A store's file name has at most {_LONGEST_NAME} bytes, for what lies beside it has"
            f" longer ones; found {len(os.fsencode(path.name))}: {str(path)!r}. Name another."
        )


def _what_is_due(file: DatabaseFile, thorough: bool) -> str:
    """`macros` that shadow DuckDB's, `migration`, `surface` for views and comments, or nothing."""
    with file.reading() as connection:
        if thorough and shadowing(connection):
            return "macros"
        if check_version(schema_version(connection), str(file.path)):
            return "migration"
        if thorough:
            refuse_other_things(connection, str(file.path))
        return "" if is_written(connection) and has_our_views(connection) else "surface"


def _upgrade(file: DatabaseFile) -> None:
    """Migrate a copy, keep the store under another name, and let the copy take its place."""

    def refusal(
        owner: int,
    ) -> str:  # a run of the program before would go on writing the tables that it knows
        return (
            f"The store {str(file.path)!r} is of an earlier version and is brought to this one"
            f" while no run works on it; process {owner or 'unknown'} does. Wait for it, or end it"
            " (regenesis down)."
        )

    with owned(file.path.with_name(RUN_LOCK), refusal):
        # a log would belong to the file that is renamed away
        file.fold_log_in()
        with file.locked(exclusive=True), _partial(file.path) as partial:
            before = changed_at(file.path)
            shutil.copyfile(file.path, partial)
            version = _bring_up(partial)
            if version == newest_version():
                return  # another process was first
            # our own processes are kept out by locks; a foreign client knows none of them
            if file.log.exists() or changed_at(file.path) != before:
                raise HeldByAnother(
                    f"Another program wrote into {str(file.path)!r} while it was migrated. Close it"
                    " there; the store is as it was, and the same command goes on."
                )
            path = file.path
            # the old store has its second name before the new one takes its first: at every moment
            # both are there
            keep_as(
                path, free_name(path.with_name(f"{path.stem}.before-schema-{version}{path.suffix}"))
            )
            put_in_place(partial, path)


def _bring_up(path: Path) -> int:
    """Apply migrations and surface to a private copy; returns the version that it had."""
    with closing(connect(path, read_only=False)) as connection:
        drop_shadowing(connection)
        version = schema_version(connection)
        migrate(connection)
        write_surface(connection)
        connection.execute("CHECKPOINT")
    return version


@contextmanager
def _partial(path: Path) -> Generator[Path]:
    """The name under which a store is made; nothing is left of it where that fails."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.making.part")
    try:
        yield partial
    except PermanentError as error:  # of a migration that was undone
        cause = error.__cause__
        # a full disk in a migration is told as a full disk, not as a bug of the migration
        raise (
            translated(path, cause) if isinstance(cause, duckdb.Error) else None
        ) or error from error
    except (OSError, duckdb.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else first_line(error)
        raise InputError(
            f"The store {str(path)!r} can't be made or brought to this version ({reason}). Free"
            " disk space, or set REGENESIS_STORE to a folder that can be written; what was there"
            " is as it was."
        ) from error
    finally:
        for leftover in (partial, log_of(partial)):
            with suppress(OSError):
                leftover.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Of a store; raises InputError where it can't be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The store's folder {str(folder)!r} cannot be made ({error.strerror}). "
            "Set REGENESIS_HOME or REGENESIS_STORE."
        ) from error
