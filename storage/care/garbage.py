"""Files that nothing refers to: adapters go to a dated trash first, half-written files at once.

Only names that this project writes are ever touched. An adapter stays while any store below the
home names it: this one, another one, a backup, or one that was put aside.
"""

import re
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import duckdb

from storage.errors import PermanentError, ReGenesisError
from storage.file.database import DatabaseFile, connect
from storage.file.file_store import FileStore
from storage.file.reader_copy import reader_of
from storage.lake.lake_catalogue import CATALOG, attach
from storage.store.store import Store
from storage.store.store_url import LakePlace

# below the home; weights cannot be made again cheaply, so they are kept there before they go
TRASH = "trash"
TRASH_DAYS = 30.0
# a run that works has touched its files within a day
_UNTOUCHED_SECONDS = 24 * 3600.0
_ADAPTER = re.compile(r"[0-9a-f]{32}")  # the beginning of its digest
_TRAINING = re.compile(r"\.work-[0-9a-f]{32}")  # checkpoints of the adapter of that id
# .regenesis-20261130-063000.duckdb.4711-x1_y2.part, a folder; and of versions before it
# regenesis-20261130-063000.duckdb.part
_BACKUP = re.compile(
    r"\.regenesis-\d{8}-\d{6}\.(?:duckdb|mlflow\.db)\.\d+-\w+\.part"
    r"|regenesis-\d{8}-\d{6}\.duckdb\.part(\.wal|\.gate|\.lock)?"
)
_TRASHED = re.compile(r"(\d{4}-\d{2}-\d{2})-.+")  # 2026-11-30-0123456789abcdef0123456789abcdef
# any store below the home, one that a restore set aside too: regenesis.duckdb, catalogue.sqlite,
# regenesis.duckdb.before-restore-20261130-063000
_STORE = re.compile(r".+\.(?:duckdb|sqlite)(?:\.before-restore-[^.]+)?")


@dataclass(frozen=True)
class Garbage:
    """A file or folder that nothing refers to, and where it is kept for a while, if anywhere."""

    path: Path
    bytes: int
    why: str
    kept: Path | None = None


def find_garbage(store: Store, home: Path, trash_days: float = TRASH_DAYS) -> list[Garbage]:
    """Files that nobody has touched for a day and nothing names, and what was trashed long ago.

    An adapter with a row is never in it, so neither champion, previous champion nor base can be.
    """
    adapters = [_garbage(path, why, _in_trash(home, path)) for path, why in _unnamed(store, home)]
    partial = [_garbage(path, "half written") for path in _half_written(store, home)]
    return [one for one in (*adapters, *partial) if _untouched(one.path)] + [
        *_old_trash(home, trash_days)
    ]


def remove_garbage(garbage: Sequence[Garbage]) -> int:
    """Put aside or remove what `find_garbage` found; returns the bytes freed."""
    for one in garbage:
        if one.kept is not None:
            one.kept.parent.mkdir(exist_ok=True)
            one.path.rename(one.kept)
        elif one.path.is_dir():
            shutil.rmtree(one.path)
        else:
            one.path.unlink(missing_ok=True)
    return sum(one.bytes for one in garbage if one.kept is None)


def _unnamed(store: Store, home: Path) -> Iterator[tuple[Path, str]]:
    folders = [
        one
        for one in sorted((home / "adapters").glob("*"))
        if one.is_dir() and not one.is_symlink()
    ]
    if not folders:
        return
    rows = store.query("SELECT location FROM adapters")["location"].to_pylist()
    # read already, or a copy of what was read
    own = {store.path, reader_of(store.path)} if isinstance(store, FileStore) else set[Path]()
    named = {(home / location).resolve() for location in [*rows, *_named_elsewhere(home, own)]}
    # checkpoints may belong to a fine-tune that is resumed tonight
    busy = store.query(
        "SELECT 1 FROM rounds WHERE status = 'running' UNION ALL"
        " SELECT 1 FROM comparisons WHERE status = 'running'"
    ).num_rows
    for folder in folders:
        if _ADAPTER.fullmatch(folder.name) and folder.resolve() not in named:
            yield folder, "no adapter's row names it"
        elif _TRAINING.fullmatch(folder.name) and not busy:
            yield folder, "checkpoints, and nothing waits to be trained"


def _named_elsewhere(home: Path, own: set[Path]) -> list[str]:
    """Adapters' locations in every other store below the home; raises where one can't be read."""
    found: list[str] = []
    for file in sorted(
        one for one in home.rglob("*") if _STORE.fullmatch(one.name) and one.is_file()
    ):
        found += _locations(file) if file.resolve() not in own else []
    return found


def _locations(file: Path) -> list[str]:
    try:
        if ".sqlite" in file.name:
            return (
                _asked(closing(_lake_at(file)), f"{CATALOG}.stored.adapters")
                if _is_catalogue(file)
                else []
            )
        # the name of a lock file beside it tells whether others take turns at it
        if file.with_name(
            file.name + ".gate"
        ).exists():  # a store that somebody may write: it has turns
            return _asked(DatabaseFile(file, 5.0).reading(), "adapters")
        return _asked(closing(connect(file, read_only=True)), "adapters")
    except duckdb.CatalogException:  # a database, but no store
        return []
    except (duckdb.Error, sqlite3.Error, ReGenesisError) as error:
        raise PermanentError(
            f"No garbage is collected while {str(file)!r} can't be read, which may name any adapter"
            f" ({str(error).splitlines()[0]}). Correct it, or move it out of the home."
        ) from error


def _asked(opening: AbstractContextManager[duckdb.DuckDBPyConnection], table: str) -> list[str]:
    with opening as connection:
        return [row[0] for row in connection.execute(f"SELECT location FROM {table}").fetchall()]


def _is_catalogue(file: Path) -> bool:
    with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as tables:
        return (
            tables.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'ducklake_metadata'"
            ).fetchone()
            is not None
        )


def _lake_at(catalogue: Path) -> duckdb.DuckDBPyConnection:
    return attach(LakePlace(f"sqlite:{catalogue}", "/", catalogue), read_only=True)


def _half_written(store: Store, home: Path) -> Iterator[Path]:
    for file in sorted((home / "backups").glob("*regenesis-*")):
        if _BACKUP.fullmatch(file.name):
            yield file
    if isinstance(store, FileStore):
        name, reader = re.escape(store.path.name), re.escape(reader_of(store.path).name)
        # .regenesis.duckdb.4711.making.part, .reader.duckdb.4711-99.part,
        # regenesis.before-schema-3.duckdb.part
        ours = re.compile(
            rf"\.(?:{name}|{reader})\.[\w.-]*part(?:\.wal)?|{name}\.(?:compact\.)?part(?:\.wal)?"
            rf"|(?:{name}|{re.escape(store.path.stem)})\.before-[\w.-]+\.part"
            # of a restore that was killed
            r"|\.mlflow\.db\.restore\.part(?:-journal|-wal|-shm)?"
        )
        yield from (
            file for file in sorted(store.path.parent.iterdir()) if ours.fullmatch(file.name)
        )


def _old_trash(home: Path, trash_days: float) -> Iterator[Garbage]:
    before = datetime.now(UTC).date() - timedelta(days=trash_days)
    for path in sorted((home / TRASH).glob("*")):
        trashed = _TRASHED.fullmatch(path.name)
        if trashed and date.fromisoformat(trashed[1]) < before:
            yield _garbage(path, f"in the trash since {trashed[1]}")


def _in_trash(home: Path, path: Path) -> Path:
    name = f"{datetime.now(UTC):%Y-%m-%d}-{path.name.removeprefix('.')}"
    numbered = (home / TRASH / f"{name}-{number}" for number in range(2, 1000))
    return next(one for one in (home / TRASH / name, *numbered) if not one.exists())


def _garbage(path: Path, why: str, kept: Path | None = None) -> Garbage:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return Garbage(path, sum(file.stat().st_size for file in files), why, kept)


def _untouched(path: Path) -> bool:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return all(time.time() - file.stat().st_mtime > _UNTOUCHED_SECONDS for file in files)
