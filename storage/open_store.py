"""Opens the store that a URL names: a DuckDB file, or a DuckLake.

Both take and give the same records.

The package's own name `storage.open_store` is this module's function, and so this module is loaded
with the package. It imports DuckDB and Arrow when a store is opened, not before: `regenesis --help`
needs neither.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from storage.errors import InputError
from storage.store.store_url import file_of, is_lake, lake_of, shown

if TYPE_CHECKING:
    from storage.store.store import Store

# `Store` is imported lazily: `regenesis --help` must not load DuckDB
__all__ = ["Store", "existing_store", "open_store", "store_exists"]


def __getattr__(name: str) -> object:
    """`Store`, whose module loads DuckDB, at its first use."""
    if name == "Store":
        from storage.store.store import Store

        return Store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def open_store(
    url: str,
    *,
    busy_seconds: float = 5.0,
    keep_log: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> "Store":
    """The store at a URL, made or migrated where needed (a backup comes first).

    A file's user waits `busy_seconds` while a foreign client holds it, and `say` is told whom the
    wait is for. `keep_log` is for a run, which settles the store at its end.

    Raises InputError where the database is newer than this program, damaged, or cannot be written.
    """
    if is_lake(url):
        from storage.lake.lake_catalogue import Lake
        from storage.lake.lake_schema import ensure_lake
        from storage.lake.lake_store import LakeStore

        lake = Lake(lake_of(url))
        ensure_lake(lake)
        return LakeStore(url, lake)
    from storage.file.database import DatabaseFile
    from storage.file.file_schema import ensure_schema
    from storage.file.file_store import FileStore
    from storage.file.restoring import finish_interrupted

    file = DatabaseFile(file_of(url), busy_seconds, say)
    for kept in finish_interrupted(file):
        say(f"An interrupted restore was carried to its end; what was there is kept: {kept}")
    ensure_schema(file, thorough=keep_log)  # a run decides by what it reads
    return FileStore(url, file, keep_log=keep_log)


def existing_store(url: str, *, as_it_is: bool = False) -> "Store":
    """The store at a URL; raises InputError where there is none, and makes nothing.

    `as_it_is` refuses one that opening would change, such as one of an earlier version.
    """
    if not store_exists(url):
        if not is_lake(url):
            from storage.file.remains import refuse_where_one_was_lost

            refuse_where_one_was_lost(file_of(url))
        raise InputError(
            f"There is no store at {url!r} yet. Run: regenesis round, or name another with --home"
        )
    if as_it_is and not is_current(url):
        raise InputError(
            f"A dry run changes nothing, and the store {shown(url)!r} must first be brought to this"
            " version. Run: regenesis storage migrate"
        )
    return open_store(url)


def is_current(url: str) -> bool:
    """Whether opening the store at a URL changes nothing: it is there, whole, of this version."""
    if not store_exists(url):
        return False
    if is_lake(url):
        from storage.lake import lake_schema
        from storage.lake.lake_catalogue import Lake

        lake = Lake(lake_of(url))
        try:
            return lake_schema.is_current(lake)
        finally:
            lake.close()
    from storage.file import file_schema
    from storage.file.database import DatabaseFile
    from storage.file.restoring import note_of

    file = DatabaseFile(file_of(url), busy_seconds=5.0)
    return not note_of(file.path).exists() and file_schema.is_current(file)


def store_exists(url: str) -> bool:
    """Whether there is a store at the URL, or the note of a restore that was killed.

    Makes nothing.
    """
    if not is_lake(url):
        from storage.file.restoring import note_of

        return file_of(url).exists() or note_of(file_of(url)).exists()
    from storage.lake.lake_catalogue import is_made

    return is_made(lake_of(url))
