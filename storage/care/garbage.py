"""Files that nothing refers to: adapters go to a dated trash first, half-written files at once.

Only names that this project writes are ever touched. An adapter stays while any store names it that
named_elsewhere.py finds: this one, another one, a backup, or one that was put aside.
"""

import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from storage.care.named_elsewhere import named_elsewhere
from storage.errors import PermanentError
from storage.file.file_store import FileStore
from storage.file.reader_copy import reader_of
from storage.store.store import Store

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
# As `_in_trash` names them: 2026-11-30-0123456789abcdef0123456789abcdef, 2026-11-30-work-0123...-2
_TRASHED = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})-((?:work-)?[0-9a-f]{32})(?:-[0-9]{1,3})?")


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

    Raises PermanentError where nobody can tell which adapters are named.
    """
    half_written = [*_half_written(store, home)]
    folders, trashed = _adapter_folders(home), [*_old_trash(home, trash_days)]
    named = _named(store, home, half_written) if folders or trashed else set[Path]()
    adapters = [
        _garbage(path, why, _in_trash(home, path)) for path, why in _unnamed(store, folders, named)
    ]
    partial = [_garbage(path, "half written") for path in half_written]
    return [one for one in (*adapters, *partial) if _untouched(one.path)] + [
        # a restore may have brought back the row of one that was put aside
        _garbage(path, f"in the trash since {since}")
        for path, since, adapter in trashed
        if (home / "adapters" / adapter).resolve() not in named
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


def _adapter_folders(home: Path) -> list[Path]:
    return [
        one
        for one in sorted((home / "adapters").glob("*"))
        if one.is_dir() and not one.is_symlink()
    ]


def _named(store: Store, home: Path, half_written: list[Path]) -> set[Path]:
    """The folders of adapters that any store names."""
    _refuse_links(home)
    rows = store.query("SELECT location FROM adapters")["location"].to_pylist()
    # the store's file is asked again with the others: a restore may have put another in its place
    elsewhere = named_elsewhere(store, home, half_written)
    return {(home / location).resolve() for location in elsewhere.union(rows)}


def _unnamed(store: Store, folders: list[Path], named: set[Path]) -> Iterator[tuple[Path, str]]:
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


def _refuse_links(home: Path) -> None:
    """What a linked folder holds may be named by the store of another home."""
    for folder in (home / "adapters", home / TRASH):
        if folder.is_symlink():
            raise PermanentError(
                f"Adapters are collected from a folder that is this home's alone; {str(folder)!r}"
                f" is a link to {str(folder.resolve())!r}, and a store of another home may name"
                " what lies there. Nothing was collected; put a folder in the link's place."
            )
        if folder.exists() and not folder.is_dir():
            raise PermanentError(
                f"Garbage is put aside in a folder; {str(folder)!r} is a file. Nothing was"
                " collected; move it away."
            )


def _half_written(store: Store, home: Path) -> Iterator[Path]:
    for file in sorted((home / "backups").glob("*regenesis-*")):
        if _BACKUP.fullmatch(file.name) and not file.is_symlink():
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
            file
            for file in sorted(store.path.parent.iterdir())
            if ours.fullmatch(file.name) and not file.is_symlink()
        )


def _old_trash(home: Path, trash_days: float) -> Iterator[tuple[Path, date, str]]:
    """What was put aside long enough ago, since when, and the folder's name before."""
    before = datetime.now(UTC).date() - timedelta(days=trash_days)
    for path in sorted((home / TRASH).glob("*")):
        trashed = None if path.is_symlink() else _TRASHED.fullmatch(path.name)
        since = trashed and _day(trashed[1])
        if trashed and since and since < before:
            yield path, since, trashed[2]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:  # 2026-13-45: no day of ours
        return None


def _in_trash(home: Path, path: Path) -> Path:
    name = f"{datetime.now(UTC):%Y-%m-%d}-{path.name.removeprefix('.')}"
    numbered = (home / TRASH / f"{name}-{number}" for number in range(2, 1000))
    return next(one for one in (home / TRASH / name, *numbered) if not one.exists())


def _garbage(path: Path, why: str, kept: Path | None = None) -> Garbage:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return Garbage(path, sum(file.lstat().st_size for file in files), why, kept)


def _untouched(path: Path) -> bool:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return all(time.time() - file.lstat().st_mtime > _UNTOUCHED_SECONDS for file in files)
