"""Care of a store: check, compact, back up. Each says what it found; only what is asked changes."""

import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from storage.care.moving import move_store
from storage.errors import InputError, PermanentError
from storage.file.file_care import back_up_file, compact_file
from storage.file.file_store import FileStore
from storage.file.reader_copy import READER_NAME
from storage.file.surface import shadowing
from storage.lake.lake_care import Compacted, compact_lake, missing_files
from storage.lake.lake_catalogue import CATALOG
from storage.lake.lake_store import LakeStore
from storage.records import RECORD_TYPES
from storage.references import REFERENCES
from storage.store.store import Store
from storage.store.tables import sql_types
from storage.views import all_views

# a week to look at a lake as it was before something went wrong
KEEP_DAYS = 7.0
# such as week-1.duckdb: garbage collection keeps the adapters that a file of such a name names
_BACKUP_NAME = re.compile(r"[^.].*\.duckdb")
# parents and children of one chain have one draw; searches within a draw rely on it
_CHAIN = (
    ("structures", "adapted_guideline_id", "adapted_guidelines"),
    ("paths", "structure_id", "structures"),
    ("paths", "adapted_guideline_id", "adapted_guidelines"),
    ("verdicts", "path_id", "paths"),
    ("selections", "path_id", "paths"),
    ("training_examples", "path_id", "paths"),
)


@dataclass(frozen=True)
class Problem:
    """Something a check found: a short code, how many rows or files, and one of them."""

    code: str
    where: str
    count: int
    example: str


def check_store(store: Store, home: Path | None = None) -> list[Problem]:
    """Look for dangling parents, double ids, chains across draws, missing adapters and files,
    and in a file for columns of other types and macros that bear the names of DuckDB's functions.

    Each question takes a turn of its own, so a batch waits for one question at most.
    """
    problems = [*_check_lake(store)] if isinstance(store, LakeStore) else []
    problems += _check_columns(store) if isinstance(store, FileStore) else []
    if problems:
        return problems  # the other questions can't be asked
    # of a lake the base tables, where an id may be twice; and they are faster than the first rows
    schema = f"{CATALOG}.stored." if isinstance(store, LakeStore) else ""
    problems += [problem for question in _questions(schema) for problem in _asked(store, *question)]
    for view in all_views():
        # binds the view without running it: a view that names a column which is gone fails here
        store.query(f"EXPLAIN SELECT * FROM {view.name}")
    if isinstance(store, FileStore):
        problems += _check_macros(store)
    if home is not None:
        problems += _check_adapters(store, home)
    return problems


def compact(store: Store, keep_days: float = KEEP_DAYS) -> Compacted:
    """Give back room; a lake forgets states older than `keep_days`, except those of training sets.

    Raises HeldByAnother while a foreign client has a file open.
    """
    if isinstance(store, LakeStore):
        return compact_lake(store, keep_days)
    before, after = compact_file(_file(store))
    return Compacted(bytes_before=before, bytes_after=after)


def back_up_store(store: Store, target: Path) -> Path:
    """A whole copy as a DuckDB file at `target`; an existing file is never overwritten."""
    check_backup_name(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with made_aside(target) as partial:
            if isinstance(store, LakeStore):
                move_store(store, f"duckdb:///{partial}")
            else:
                back_up_file(_file(store), partial)
        return target
    except OSError as error:
        raise InputError(
            f"The backup {str(target)!r} can't be written ({error.strerror}). Name another place."
        ) from error


def check_backup_name(target: Path) -> None:
    """Raises InputError where a store's copy can't have this name, or a file has it already."""
    # a reader copy is made again after each round; other endings are of what lies beside stores
    if not _BACKUP_NAME.fullmatch(target.name) or target.name.endswith(READER_NAME):
        raise InputError(
            "A backup's name ends with .duckdb, and is none of a reader copy; found"
            f" {str(target)!r}. Name another."
        )
    if target.exists():
        raise InputError(
            f"A backup goes to a new file; {str(target)!r} is there already. Name another."
        )


@contextmanager
def made_aside(target: Path) -> Generator[Path]:
    """A path for a file that gets the target's name when the block ends: a whole one, or none.

    It lies in a folder of this process alone, so nothing of anybody else's is met or removed.
    """
    with TemporaryDirectory(
        prefix=f".{target.name}.{os.getpid()}-", suffix=".part", dir=target.parent
    ) as folder:
        # a name that garbage collection does not take for a store's
        partial = Path(folder) / "whole.part"
        yield partial
        partial.replace(target)


def _file(store: Store) -> FileStore:
    if not isinstance(store, FileStore):
        raise PermanentError(f"A store is a file or a lake; found {type(store).__name__}.")
    return store


def _check_lake(store: LakeStore) -> Iterator[Problem]:
    missing = missing_files(store)
    if missing:
        yield Problem("data_file_missing", store.lake.place.data, len(missing), str(missing[0]))


def _questions(schema: str) -> Iterator[tuple[str, str, str]]:
    """Code and place of a problem, and the ids of the rows that have it."""
    for link in REFERENCES:
        astray = f'"{link.column}" NOT IN (SELECT id FROM {schema}{link.parent})'
        ids = f'SELECT id FROM {schema}{link.child} WHERE "{link.column}" IS NOT NULL AND {astray}'
        yield "dangling_parent", f"{link.child}.{link.column}", ids
    for record_type in RECORD_TYPES:
        table = record_type.table
        yield "id_twice", table, f"SELECT id FROM {schema}{table} GROUP BY id HAVING count(*) > 1"
    for child, column, parent in _CHAIN:
        yield (
            "chain_across_draws",
            f"{child}.{column}",
            (
                f"SELECT c.id FROM {schema}{child} c JOIN {schema}{parent} p ON p.id = c.{column}"
                " WHERE p.draw <> c.draw"
            ),
        )


def _asked(store: Store, code: str, where: str, ids: str) -> Iterator[Problem]:
    [row] = store.query(f"SELECT count(*) AS rows, min(id) AS example FROM ({ids})").to_pylist()
    if row["rows"]:
        yield Problem(code, where, row["rows"], str(row["example"]))


def _check_columns(store: FileStore) -> Iterator[Problem]:
    """DuckDB casts what is written to a column's type, so a share in an INTEGER becomes 0 or 1."""
    found = store.query(
        "SELECT table_name, column_name, data_type FROM duckdb_columns()"
        " WHERE database_name = current_database() AND schema_name = 'main'"
    )
    types = {(row["table_name"], row["column_name"]): row["data_type"] for row in found.to_pylist()}
    for record_type in RECORD_TYPES:
        for name, wanted in sql_types(record_type).items():
            there = types.get((record_type.table, name), "none")
            if there != wanted:
                where = f"{record_type.table}.{name}"
                yield Problem("column_of_another_type", where, 1, f"{there} in place of {wanted}")


def _check_macros(store: FileStore) -> Iterator[Problem]:
    with store.reading() as connection:
        found = shadowing(connection)
    if found:
        yield Problem("macro_shadows_function", str(store.path), len(found), found[0][0])


def _check_adapters(store: Store, home: Path) -> Iterator[Problem]:
    rows = store.query("SELECT id, location FROM adapters ORDER BY created_at").to_pylist()
    missing = [
        f"{row['id']} at {row['location']}" for row in rows if not (home / row["location"]).is_dir()
    ]
    if missing:
        yield Problem("adapter_files_missing", str(home), len(missing), missing[0])
