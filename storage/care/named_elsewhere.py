"""The adapters that stores beside the present one name: second ones, backups, those put aside.

Looked through are the home, the folder of a store that lies outside of it, and what they link to. A
store is known by its first bytes, because people name copies as they like. One that can't be read
may name any adapter.
"""

import os
import re
import sqlite3
import stat
from collections.abc import Collection, Generator, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import duckdb

from storage.errors import PermanentError, ReGenesisError, first_line
from storage.file.database import DatabaseFile, connect
from storage.file.file_store import FileStore
from storage.lake.lake_catalogue import CATALOG, attach
from storage.lake.lake_store import LakeStore
from storage.migrations import check_version, schema_version
from storage.store.store import Store
from storage.store.store_url import LakePlace

# Names of stores, whatever is in them: a damaged one has lost its first bytes. regenesis.duckdb,
# catalogue.sqlite, regenesis.duckdb.before-restore-20261130-063000
_STORE = re.compile(r".+\.(duckdb|sqlite)(?:\.before-restore-[^.]+)?", re.IGNORECASE)
# A home has some thousands of files, with MLflow's and the models'; a link to a whole disk has more
_MOST_FILES = 500_000


def named_elsewhere(store: Store, home: Path, half_written: Collection[Path]) -> set[str]:
    """Adapters' locations in all stores but the half-written files, which may not be readable.

    Raises PermanentError where one can't be read, or where there is too much to look through.
    """
    passed, found = set[tuple[int, int]](), set[str]()
    # by name: a half-written file may be a second name of one that a restore put aside
    left_out = {file.resolve() for file in half_written}
    for file in _files(_roots(store, home)):
        with _told(file):
            kind = _kind(file) if file.resolve() not in left_out else ""
            if kind and (identity := _identity(file.stat())) not in passed:
                passed.add(identity)
                found |= _locations(file, kind)
    return found


def _roots(store: Store, home: Path) -> list[tuple[Path, bool]]:
    """Folders to look through, and whether those below them too."""
    file = store.path if isinstance(store, FileStore) else None
    if isinstance(store, LakeStore):
        file = store.lake.place.catalogue_file
    # beside a store that lies elsewhere are its backups and those put aside; below may be anything
    beside = [] if file is None else [(file.parent, False)]
    return [(home, True), *beside]


def _files(roots: list[tuple[Path, bool]]) -> Iterator[Path]:
    """Every regular file below the roots. Links are followed, and no folder is seen twice."""
    seen, count = set[tuple[int, int]](), 0
    waiting = roots[::-1]  # the last is the next: the first root is seen whole before the others
    while waiting:
        folder, below = waiting.pop()
        entries = list[Path]()
        with _told(folder):
            if (identity := _identity(folder.stat())) not in seen:
                seen.add(identity)
                entries = sorted(folder.iterdir())
        count += len(entries)
        if count > _MOST_FILES:
            raise PermanentError(
                f"No garbage is collected while there are over {_MOST_FILES:,} files to look"
                f" through for stores, which may name any adapter; the last are in {str(folder)!r}."
                " Take links to other folders out of the home."
            )
        for one in entries:
            with _told(one):
                mode = one.stat().st_mode if one.exists() or one.is_symlink() else 0
            if stat.S_ISDIR(mode) and below:
                waiting.append((one, True))
            elif stat.S_ISREG(mode):
                yield one


def _identity(status: os.stat_result) -> tuple[int, int]:
    """Of a file or folder, whatever its name."""
    return status.st_dev, status.st_ino


def _kind(file: Path) -> str:
    """`duckdb` or `sqlite` for what may be a store; else nothing."""
    with file.open("rb") as opened:
        begin = opened.read(16)
    if begin[8:12] == b"DUCK":  # after a checksum of eight bytes
        return "duckdb"
    if begin == b"SQLite format 3\0":
        return "sqlite"
    named = _STORE.fullmatch(file.name)
    return named[1].lower() if named else ""


def _locations(file: Path, kind: str) -> set[str]:
    if kind == "sqlite":
        return _in_lake(file) if _is_catalogue(file) else set()
    # the name of a lock file beside it tells whether others take turns at it
    if file.with_name(file.name + ".gate").exists():
        return _in_file(DatabaseFile(file, 5.0).reading(), file)
    return _in_file(closing(connect(file, read_only=True)), file)


def _in_file(opening: AbstractContextManager[duckdb.DuckDBPyConnection], file: Path) -> set[str]:
    with opening as connection:
        check_version(schema_version(connection), str(file))
        return _asked(connection, "adapters")


def _in_lake(catalogue: Path) -> set[str]:
    place = LakePlace(f"sqlite:{catalogue}", "/", catalogue)
    with closing(attach(place, read_only=True)) as connection:
        return _asked(connection, f"{CATALOG}.stored.adapters")


def _asked(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    # as text and without what no path can hold: a database of somebody's may have such a table too
    try:
        rows = connection.execute(
            f"SELECT DISTINCT location::VARCHAR FROM {table} WHERE location IS NOT NULL"
        ).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):  # a database, but no store
        return set()
    return {location for (location,) in rows if "\0" not in location}


def _is_catalogue(file: Path) -> bool:
    with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as tables:
        return (
            tables.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'ducklake_metadata'"
            ).fetchone()
            is not None
        )


@contextmanager
def _told(file: Path) -> Generator[None]:
    try:
        yield
    except (OSError, duckdb.Error, sqlite3.Error, ReGenesisError) as error:
        if not os.path.lexists(file):  # a program's temporary file, gone meanwhile
            return
        raise PermanentError(
            f"No garbage is collected while {str(file)!r} can't be read, which may name any adapter"
            f" ({first_line(error)}). Correct it, or move it away, out of the home and the"
            " store's folder."
        ) from error
