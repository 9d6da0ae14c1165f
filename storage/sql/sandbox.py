"""Runs a user's SQL in a child process that can only read, and shows its rows; nothing of it can harm the store.

In: a store's URL and one statement. Out: text (table, CSV, JSON) or a Parquet file. It works while a round writes.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import InputError, PermanentError
from storage.file.file_schema import write_surface
from storage.migrations import migrate
from storage.sql.presenting import as_csv, as_json, as_table, escaped
from storage.store.arrow import ArrowTable, shaped
from storage.store.store_url import is_lake

Output = Literal["table", "csv", "json", "parquet"]
_SHOWN_ROWS = 1000
_KEPT = ("PATH", "LANG", "HOME", "TZ")
# how libpq reaches a catalogue's server; what is secret goes to the child with the request, and no setting repeats it
_KEPT_FOR_A_LAKE = (
    "PGPASSFILE", "PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGCONNECT_TIMEOUT", "PGCHANNELBINDING",
)  # fmt: skip
_KEYS = (
    "PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION",
    "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL",
)  # fmt: skip
_KILL_AFTER_SECONDS = 15.0  # past the time-out: starting, waiting for a turn, and the child's own grace


def run_user_sql(
    url: str, statement: str, output: str = "table", timeout_seconds: float = 60, memory: str = "1GB",
    out_file: Path | None = None, snapshot: int | None = None,
) -> str:  # fmt: skip
    """The rows as text, or, with `out_file`, written there and a line that says so; of a lake also as it was once.

    Raises InputError where the statement is refused, wrong or too slow; the message says which.
    """
    if output not in ("table", "csv", "json", "parquet"):
        raise InputError(f"A format is table, csv, json or parquet; found {output!r}.")
    if output == "parquet" and out_file is None:
        raise InputError("Parquet is written to a file; name one.")
    request: dict[str, object] = {
        "url": url,
        "statement": statement,
        "timeout_seconds": timeout_seconds,
        "memory": memory,
        "snapshot": snapshot,
        "keys": {name: os.environ[name] for name in _KEYS if name in os.environ} if is_lake(url) else {},
    }
    with _child(request, timeout_seconds) as (header, stream):
        if output == "parquet" and out_file is not None:
            return _write_parquet(stream, header["kinds"], out_file)
        limit = _SHOWN_ROWS if output == "table" and out_file is None else None
        rows, more = _rows(stream, header["kinds"], limit)
    columns = rows.column_names
    shown = {"table": as_table, "csv": as_csv, "json": as_json}[output](columns, rows.to_pylist())
    if output == "table":
        shown += f"\n({rows.num_rows}{' first' if more else ''} rows)\n"
    if out_file is None:
        return shown
    return _write_whole(out_file, rows.num_rows, lambda file: file.write_text(shown, "utf-8"))


def schema_text() -> str:
    """Every table and view with grain, columns, types and meaning, as `regenesis sql --schema` prints it."""
    with duckdb.connect() as connection:
        migrate(connection)
        write_surface(connection)
        things = connection.execute(
            "SELECT view_name AS name, 'view', comment FROM duckdb_views() WHERE NOT internal UNION ALL"
            " SELECT table_name, 'table', comment FROM duckdb_tables() WHERE comment IS NOT NULL ORDER BY 2 DESC, 1"
        ).fetchall()
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT internal"
            " ORDER BY table_name, column_index"
        ).fetchall()
    lines: list[str] = []
    for name, kind, comment in things:
        lines += [f"{kind} {name}: {comment}"]
        lines += [f"    {column} {data_type}: {text}" for table, column, data_type, text in columns if table == name]
        lines += [""]
    return "\n".join(lines)


def environment_for(url: str) -> dict[str, str]:
    """The environment of the process in which a user's SQL runs; it holds no secret."""
    kept = _KEPT + (_KEPT_FOR_A_LAKE if is_lake(url) else ())
    kept_values = {name: os.environ[name] for name in kept if name in os.environ}
    return kept_values | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


@contextmanager
def _child(
    request: dict[str, object], timeout_seconds: float
) -> Generator[tuple[dict[str, "list[str]"], pa.ipc.RecordBatchStreamReader]]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "storage.sql.sandbox_child"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment_for(str(request["url"])),
    )  # fmt: skip
    assassin = threading.Timer(timeout_seconds + _KILL_AFTER_SECONDS, process.kill)
    assassin.start()
    try:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise PermanentError("The child process for SQL has no pipes.")
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
        line = process.stdout.readline()
        if not line:
            last = process.stderr.read().decode("utf-8", "replace").strip().splitlines()[-1:] or ["it was killed"]
            raise InputError(f"The statement's process ended without an answer ({escaped(last[0])}). Narrow the query.")
        header = json.loads(line)
        if "error" in header:
            raise InputError(escaped(header["error"].replace("\n", " ")))
        try:
            yield header, pa.ipc.open_stream(process.stdout)
        except pa.ArrowInvalid as error:
            raise InputError(f"The statement took longer than {timeout_seconds:g} s and was stopped.") from error
    finally:
        assassin.cancel()
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _rows(stream: pa.ipc.RecordBatchStreamReader, kinds: list[str], limit: int | None) -> tuple[ArrowTable, bool]:
    batches: list[pa.RecordBatch] = []
    count = 0
    for batch in stream:
        batches.append(batch)
        count += batch.num_rows
        if limit is not None and count > limit:
            break
    table = shaped(pa.Table.from_batches(batches, stream.schema), kinds)
    more = limit is not None and count > limit
    return (table.slice(0, limit), True) if more else (table, False)


def _write_parquet(stream: pa.ipc.RecordBatchStreamReader, kinds: list[str], target: Path) -> str:
    rows = 0

    def write(file: Path) -> None:
        nonlocal rows
        with pq.ParquetWriter(file, stream.schema) as writer:
            for batch in stream:
                writer.write_batch(batch)
                rows += batch.num_rows

    _write_whole(target, 0, write)
    return f"{rows} rows written to {target}\n"


def _write_whole(target: Path, rows: int, write: Callable[[Path], object]) -> str:
    partial = target.with_name(target.name + ".part")
    try:
        write(partial)
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"{str(target)!r} can't be written ({error.strerror}). Name another file.") from error
    return f"{rows} rows written to {target}\n"
