"""Care of a store: check, compact, collect garbage, back up. Everything says what it found; only what is asked changes.

`compact` and `back_up_store` write aside and rename when whole, so a kill or a full disk leaves the last good state.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from storage.database import connect
from storage.errors import InputError, PermanentError, ReGenesisError
from storage.overlay import merge
from storage.records import RECORD_TYPES
from storage.references import REFERENCES
from storage.repository import Store
from storage.snapshot import copied_whole
from storage.spool import Spool
from storage.tables import sql_types
from storage.views import all_views

_BOOKKEEPING = ("schema_migrations", "schema_state", "merged_spool_files")
_UNTOUCHED_SECONDS = 24 * 3600.0
_CHAIN = (("structures", "adapted_guideline_id", "adapted_guidelines"), ("paths", "structure_id", "structures"),
          ("paths", "adapted_guideline_id", "adapted_guidelines"), ("verdicts", "path_id", "paths"),
          ("selections", "path_id", "paths"))  # fmt: skip


@dataclass(frozen=True)
class Problem:
    """Something a check found: a short code, how many rows or files, and one of them."""

    code: str
    where: str
    count: int
    example: str


@dataclass(frozen=True)
class Garbage:
    """A file or folder that nothing refers to."""

    path: Path
    bytes: int
    why: str


def check_store(store: Store, home: Path | None = None) -> list[Problem]:
    """Dangling parents, ids there twice, chains across draws, unreadable or waiting spool files, missing adapters."""
    problems = [*_check_spool(store)]
    if any(problem.code == "unreadable_spool_file" for problem in problems):
        return problems  # nothing else can be read as store and spool
    with store.reading() as connection:
        problems += [*_check_rows(connection)]
        for view in all_views():
            connection.execute(f"EXPLAIN SELECT * FROM {view.name}")
        if home is not None:
            problems += _check_adapters(connection, home)
    return problems


def compact(store: Store) -> tuple[int, int]:
    """Rewrite the file without the room of deleted rows; returns its bytes before and after. The spool is merged first.

    Raises HeldByAnother while a foreign client has it open.
    """
    store.merge_spool()
    before = store.path.stat().st_size
    partial = store.path.with_name(store.path.name + ".compact.part")
    partial.unlink(missing_ok=True)
    try:
        with store.writing_alone() as connection:
            connection.execute(f"ATTACH '{str(partial).replace(chr(39), chr(39) * 2)}' AS compacted")
            connection.execute(f'COPY FROM DATABASE "{_catalog(connection)}" TO compacted')
            _check_equal(connection, f'"{_catalog(connection)}"', "compacted")
            connection.execute("DETACH compacted")
            connection.close()
            partial.replace(store.path)
            store.path.with_name(store.path.name + ".wal").unlink(missing_ok=True)
    except (OSError, duckdb.Error) as error:
        raise PermanentError(
            f"{str(store.path)!r} was not compacted ({str(error).splitlines()[0]}); the file is as it was. "
            "Free disk space."
        ) from error
    finally:
        for leftover in (partial, partial.with_name(partial.name + ".wal")):
            leftover.unlink(missing_ok=True)
    return before, store.path.stat().st_size


def back_up_store(store: Store, target: Path) -> Path:
    """A whole copy at `target`, the spool merged into it; an existing file is never overwritten."""
    if target.exists():
        raise InputError(f"A backup goes to a new file; {str(target)!r} is there already. Name another.")
    partial = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with store.standing_still():
            if not copied_whole(store.path, partial):
                raise PermanentError(f"Another program changes {str(store.path)!r}; close it and back up again.")
        connection = connect(partial, read_only=False)
        try:
            merge(connection, Spool(store.spool_folder), remove=False)
        finally:
            connection.close()
        partial.replace(target)
        return target
    except OSError as error:
        raise InputError(
            f"The backup {str(target)!r} can't be written ({error.strerror}). Name another place."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def find_garbage(store: Store, home: Path) -> list[Garbage]:
    """Files that no row refers to and nobody has touched for a day: adapter folders, half-written files, old copies.

    An adapter with a row is never in it, so neither champion, previous champion nor base can be.
    """
    rows = store.query("SELECT location FROM adapters")["location"].to_pylist()
    known = {(home / location).resolve() for location in rows}
    folders = sorted(folder for folder in (home / "adapters").glob("*") if folder.is_dir())
    garbage = [_garbage(folder, "no adapter's row names it") for folder in folders if folder.resolve() not in known]
    for folder in (store.spool_folder, store.path.parent):
        garbage += [_garbage(file, "half written") for file in sorted(folder.glob("*.part"))]
    garbage += [
        _garbage(file, "copy made for reading") for file in sorted(store.spool_folder.glob("snapshot-*.duckdb"))
    ]
    return [one for one in garbage if _untouched(one.path)]


def remove_garbage(garbage: Sequence[Garbage]) -> int:
    """Remove what `find_garbage` found; returns the bytes freed."""
    for one in garbage:
        if one.path.is_dir():
            shutil.rmtree(one.path)
        else:
            one.path.unlink(missing_ok=True)
    return sum(one.bytes for one in garbage)


def _check_spool(store: Store) -> Iterator[Problem]:
    spool = Spool(store.spool_folder)
    for name in spool.names():
        try:
            spool.read(name)
        except ReGenesisError as error:
            yield Problem("unreadable_spool_file", str(spool.folder), 1, str(error))
            return
    waiting = store.unmerged_rows()
    if waiting:
        yield Problem(
            "spool_not_merged", str(spool.folder), waiting, f"{len(spool.names())} files; any writer merges them"
        )


def _check_rows(connection: duckdb.DuckDBPyConnection) -> Iterator[Problem]:
    for link in REFERENCES:
        yield from _counted(
            connection, "dangling_parent", f"{link.child}.{link.column}",
            f'SELECT id FROM {link.child} WHERE "{link.column}" IS NOT NULL'
            f' AND "{link.column}" NOT IN (SELECT id FROM {link.parent})',
        )  # fmt: skip
    for record_type in RECORD_TYPES:
        table = record_type.table
        yield from _counted(connection, "id_twice", table, f"SELECT id FROM {table} GROUP BY id HAVING count(*) > 1")
    for child, column, parent in _CHAIN:
        yield from _counted(
            connection, "chain_across_draws", f"{child}.{column}",
            f"SELECT c.id FROM {child} c JOIN {parent} p ON p.id = c.{column} WHERE p.draw <> c.draw",
        )  # fmt: skip


def _counted(connection: duckdb.DuckDBPyConnection, code: str, where: str, ids: str) -> Iterator[Problem]:
    row = connection.execute(f"SELECT count(*), min(id) FROM ({ids})").fetchone()
    if row and row[0]:
        yield Problem(code, where, int(row[0]), str(row[1]))


def _check_adapters(connection: duckdb.DuckDBPyConnection, home: Path) -> Iterator[Problem]:
    rows = connection.execute("SELECT id, location FROM adapters ORDER BY created_at").fetchall()
    missing = [f"{id} at {location}" for id, location in rows if not (home / location).is_dir()]
    if missing:
        yield Problem("adapter_files_missing", str(home), len(missing), missing[0])


def _check_equal(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> None:
    for table in (*(record_type.table for record_type in RECORD_TYPES), *_BOOKKEEPING):
        columns = ", ".join(f'"{name}"' for name in _columns(table)) or "*"
        [counts] = connection.execute(
            f"SELECT (SELECT (count(*), bit_xor(hash({columns}))) FROM {one}.main.{table}) IS NOT DISTINCT FROM"
            f" (SELECT (count(*), bit_xor(hash({columns}))) FROM {other}.main.{table})"
        ).fetchall()
        if not counts[0]:
            raise PermanentError(f"The rewritten {table} differs from the old; the file is as it was.")


def _columns(table: str) -> list[str]:
    known = {record_type.table: record_type for record_type in RECORD_TYPES}
    if table in known:
        return list(sql_types(known[table]))
    return {"schema_migrations": ["version", "name"], "schema_state": ["surface"], "merged_spool_files": ["name"]}[
        table
    ]


def _catalog(connection: duckdb.DuckDBPyConnection) -> str:
    row = connection.execute("SELECT current_database()").fetchone()
    return str(row[0]) if row else ""


def _garbage(path: Path, why: str) -> Garbage:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return Garbage(path, sum(file.stat().st_size for file in files), why)


def _untouched(path: Path) -> bool:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    return all(time.time() - file.stat().st_mtime > _UNTOUCHED_SECONDS for file in files)
