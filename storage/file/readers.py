"""Read-only connections to DuckDB files that cost a third of `duckdb.connect` each.

Most of what opening a small file costs is making DuckDB itself (13 of 20 ms on 2 cores). A round
reads a few hundred times, so a process keeps one DuckDB per store, attaches the file to it for the
moment of a read, and detaches it again: between two reads nothing holds the file.

Callers hold the store's turn, so one thread at a time is in here for one file.
"""

import os
from collections import OrderedDict
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import duckdb

from storage.views import quoted

_NAME = "store"
# A home's store and the one that it is compared with, restored from or copied to.
_MOST_KEPT = 2


@dataclass
class _Reader:
    """A DuckDB of this process for one file, and how many reads of one thread are open in it."""

    engine: duckdb.DuckDBPyConnection
    depth: int = 0


_readers: OrderedDict[Path, _Reader] = OrderedDict()
_guard = Lock()


@contextmanager
def attached(path: Path, memory_limit: str) -> Generator[duckdb.DuckDBPyConnection]:
    """A connection that reads the file; DuckDB's own errors. Reads within reads share the file."""
    reader = _taken(path, memory_limit)
    try:
        if reader.depth == 1:
            reader.engine.execute(f"ATTACH {quoted(str(path))} AS {_NAME} (READ_ONLY)")
        with closing(reader.engine.cursor()) as connection:
            connection.execute(f"USE {_NAME}")
            yield connection
    finally:
        # A signal's exception comes when ATTACH is done, so what was begun tells nothing.
        try:
            if reader.depth == 1:
                reader.engine.execute(f"DETACH DATABASE IF EXISTS {_NAME}")
        finally:
            reader.depth -= 1


def shut_in(engine: duckdb.DuckDBPyConnection, *paths: Path) -> None:
    """Let this DuckDB open these database files and no other file, whatever their views ask for.

    Before one is attached: its log is replayed then.
    """
    allowed = ", ".join(quoted(str(file)) for path in paths for file in files_of(path))
    engine.execute(f"SET allowed_paths = [{allowed}]; SET enable_external_access = false")


def files_of(path: Path) -> list[Path]:
    """A DuckDB file, its log, and what DuckDB 1.5.5 makes of the log while it folds it in."""
    # DuckDB puts an ending before the first ? of a path, as if it were a URL's
    before, mark, after = str(path).partition("?")
    endings = ("", ".wal", ".wal.checkpoint", ".wal.recovery")
    return [Path(f"{before}{ending}{mark}{after}") for ending in endings]


def _taken(path: Path, memory_limit: str) -> _Reader:
    """The file's reader, counted as in use so that no other thread closes it."""
    with _guard:
        reader = _readers.get(path)
        if reader is None:
            config: dict[str, str | bool | int | float | list[str]] = {
                "memory_limit": memory_limit,
                # what does not fit into memory goes where DuckDB would put it for the file itself
                "temp_directory": str(path.with_name(path.name + ".tmp")),
            }
            reader = _readers[path] = _Reader(duckdb.connect(config=config))
            shut_in(reader.engine, path)
        reader.depth += 1
        _readers.move_to_end(path)
        idle = [one for one, kept in _readers.items() if kept.depth == 0]
        for one in idle[: max(0, len(_readers) - _MOST_KEPT)]:
            _readers.pop(one).engine.close()
        return reader


def _forget() -> None:
    """A forked child makes its own: the threads of its parent's DuckDB are not in it."""
    global _readers, _guard
    _PARENTS.append(_readers)  # kept, for closing them would wait for those threads
    _readers, _guard = OrderedDict(), Lock()


_PARENTS: list[OrderedDict[Path, _Reader]] = []
os.register_at_fork(after_in_child=_forget)
