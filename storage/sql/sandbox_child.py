"""The process in which a user's SQL runs: reads one request from standard input, answers on standard output.

The answer is a line of JSON, then, where all is well, the rows as an Arrow stream. The connection only reads, has no
way to files, network or settings, and is interrupted at the deadline; after a further grace the process ends itself.
"""

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow as pa

from storage.errors import ReGenesisError
from storage.file.database import DatabaseFile, told_clearly
from storage.file.reader_copy import newest_reader
from storage.lake.lake_catalogue import CATALOG, attach
from storage.sql.sql_check import Refused, checked
from storage.store.store_url import LakePlace, file_of, is_lake, lake_of
from storage.views import quoted

_GRACE_SECONDS = 5.0
_BATCH_ROWS = 20_000


def main() -> None:
    """One request, one answer."""
    request = json.loads(sys.stdin.buffer.read())
    answer = sys.stdout.buffer
    timeout_seconds = float(request["timeout_seconds"])
    try:
        connection = locked_down(request["url"], request["memory"], request["snapshot"], request["keys"])
        fired = _interrupt_after(connection, timeout_seconds)
        statement = checked(connection, request["statement"], _catalog(connection))
        _run(connection, statement, answer, fired, timeout_seconds)
    except (Refused, ReGenesisError) as error:
        _say(answer, {"error": str(error)})
    except duckdb.Error as error:
        _say(answer, {"error": _explained(error)})


def locked_down(
    url: str, memory: str, snapshot: int | None = None, keys: Mapping[str, str] | None = None
) -> duckdb.DuckDBPyConnection:
    """The store to read, then every door shut."""
    connection = _lake_alone(lake_of(url), snapshot, keys or {}) if is_lake(url) else _file_alone(file_of(url))
    connection.execute("SET memory_limit = ?", [memory])
    connection.execute("SET python_enable_replacements = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _file_alone(path: Path) -> duckdb.DuckDBPyConnection:
    """The newest copy of the file, under the file's name: however long a statement takes, no writer waits for it."""
    copy = newest_reader(DatabaseFile(path, busy_seconds=2.0))
    connection, name = duckdb.connect(), path.stem.replace('"', '""')
    with told_clearly(copy):
        connection.execute(f'ATTACH {quoted(str(copy))} AS "{name}" (READ_ONLY)')
        connection.execute(f'USE "{name}"')
    return connection


def _lake_alone(place: LakePlace, snapshot: int | None, keys: Mapping[str, str]) -> duckdb.DuckDBPyConnection:
    """The lake to read, and of all files only its own."""
    connection = attach(place, read_only=True, snapshot=snapshot, key=keys.get)
    connection.execute(f"SET allowed_directories = [{quoted(place.data)}]")
    if place.catalogue_file is not None:
        beside = [str(place.catalogue_file) + ending for ending in ("", "-wal", "-shm", "-journal")]
        connection.execute(f"SET allowed_paths = [{', '.join(map(quoted, beside))}]")
    connection.execute(f"USE {CATALOG}.main")
    return connection


def _catalog(connection: duckdb.DuckDBPyConnection) -> str:
    """How a statement may call the store's database: of a file its stem, of a lake `regenesis`."""
    row = connection.execute("SELECT current_database()").fetchone()
    return str(row[0]) if row else CATALOG


def _run(
    connection: duckdb.DuckDBPyConnection, statement: str, answer: BinaryIO,
    fired: threading.Event, timeout_seconds: float,
) -> None:  # fmt: skip
    started = False
    try:
        result = connection.execute(statement)
        kinds = [str(column[1]) for column in result.description or []]
        reader = result.to_arrow_reader(_BATCH_ROWS)
        first = next(reader, None)
        _say(answer, {"kinds": kinds})
        started = True
        with pa.ipc.new_stream(answer, reader.schema) as writer:
            for batch in (first, *reader) if first is not None else ():
                writer.write_batch(batch)
    except (duckdb.InterruptException, RuntimeError) as error:
        if not fired.is_set():
            raise
        if started:
            os._exit(3)  # the stream ends short, and the parent knows what the time was
        raise Refused(
            f"The statement took longer than {timeout_seconds:g} s and was stopped. "
            "Narrow it (WHERE draw = …), or raise the time-out."
        ) from error


def _interrupt_after(connection: duckdb.DuckDBPyConnection, seconds: float) -> threading.Event:
    fired = threading.Event()

    def interrupt() -> None:
        fired.set()
        connection.interrupt()

    for delay, action in ((seconds, interrupt), (seconds + _GRACE_SECONDS, lambda: os._exit(3))):
        timer = threading.Timer(delay, action)
        timer.daemon = True
        timer.start()
    return fired


def _explained(error: duckdb.Error) -> str:
    text = str(error).strip()
    if "disabled by configuration" in text or "disabled through configuration" in text:
        return f"Files, network and extensions are out of reach of a query here. ({text.splitlines()[0]})"
    return text


def _say(answer: BinaryIO, message: dict[str, object]) -> None:
    answer.write(json.dumps(message).encode() + b"\n")
    answer.flush()


if __name__ == "__main__":
    main()
