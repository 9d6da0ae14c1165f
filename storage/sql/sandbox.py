"""Runs a user's SQL in a child process that can only read, and hands its rows on.

In: a store's URL and one statement. Out: text (table, CSV, JSON), whole or piece by piece, or a
Parquet file. It works while a round writes. However large a result is, this process holds only a
piece of it.
"""

import codecs
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, BinaryIO, Literal, cast

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from storage.errors import InputError, PermanentError
from storage.file.database import partial_beside
from storage.file.surface import write_surface
from storage.migrations import migrate
from storage.sql.answers import END, ERROR, CutOff, received
from storage.sql.presenting import escaped
from storage.sql.spill_folder import spill_folder
from storage.store.store_url import is_lake

Output = Literal["table", "csv", "json", "parquet"]
# of a table on a screen; a file has them all
_SHOWN_ROWS = 1000
# Parquet's readers take a group at a time: small ones compress badly, large ones need memory
_ROW_GROUP_BYTES = 32 << 20
# what a browser still shows at once
_PAGE_BYTES = 4 << 20
# of files of rows; a store, its log, its locks and its catalogue have others
_ENDINGS = ("", ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")
_NARROW = "Narrow it (WHERE draw = …), or raise the limit."
# as DuckDB, C++ and Python say it on the child's standard error before it dies
_MEMORY = re.compile("out of memory|bad_alloc|MemoryError", re.IGNORECASE)
# all else of the environment stays outside: it may hold keys, and LD_PRELOAD would run code
_KEPT = ("PATH", "LANG", "HOME", "TZ")
# how libpq reaches a catalogue's server; what is secret goes to the child with the request, and no
# setting repeats it
_KEPT_FOR_A_LAKE = (
    "PGPASSFILE",
    "PGSSLMODE",
    "PGSSLROOTCERT",
    "PGSSLCERT",
    "PGSSLKEY",
    "PGCONNECT_TIMEOUT",
    "PGCHANNELBINDING",
)
# sent with the request, and kept out of the child's environment
_KEYS = (
    "PGPASSWORD",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
)
# past the time-out: starting, waiting for a turn, and the child's own grace
_KILL_AFTER_SECONDS = 15.0


@dataclass(frozen=True)
class Limits:
    """What a statement may take; sizes as DuckDB reads them, such as 1GB."""

    timeout_seconds: float = 60
    memory: str = "1GB"
    disk: str = "4GB"
    """In a temporary folder, for what does not fit into memory."""


def run_user_sql(
    url: str,
    statement: str,
    output: str = "table",
    limits: Limits | None = None,
    out_file: Path | None = None,
    snapshot: int | None = None,
) -> str:
    """The rows as text, or a line that says that they were written to `out_file`.

    Of a lake also as it was at `snapshot`.

    Raises InputError where the statement is refused, wrong or too slow; the message says which.
    """
    request = _request(url, statement, output, snapshot, whole=out_file is not None)
    if out_file is None:
        if output == "parquet":
            raise InputError("Parquet is written to a file; name one.")
        return "".join(_texts(request, limits or Limits()))
    pieces = _pieces(request, limits or Limits())
    write = _write_parquet if output == "parquet" else _write_text
    with _whole(out_file) as partial:
        rows = write(pieces, partial)
    return f"{rows} rows written to {out_file}\n"


def print_user_sql(
    url: str,
    statement: str,
    write: Callable[[str], object],
    output: str = "table",
    limits: Limits | None = None,
    snapshot: int | None = None,
) -> None:
    """The same rows handed to `write` piece by piece, as they come."""
    if output == "parquet":
        raise InputError("Parquet is written to a file; name one.")
    for text in _texts(_request(url, statement, output, snapshot, whole=False), limits or Limits()):
        write(text)


def first_rows(url: str, statement: str, most_rows: int) -> tuple[list[dict[str, object]], bool]:
    """The first rows by column, as JSON values, and whether there are more (at most 4 MiB)."""
    rows: list[dict[str, object]] = []
    taken = 0
    with closing(_texts(_request(url, statement, "json", None, whole=True), Limits())) as texts:
        for line in _lines(texts):
            # a row per line: '[{"n": 1},', ' {"n": 2}]'
            begins, ends = (line.find("{"), line.rfind("}"))
            if begins < 0:
                continue
            if len(rows) == most_rows or taken > _PAGE_BYTES:
                return rows, True
            taken += len(line)
            rows.append(json.loads(line[begins : ends + 1]))
    return rows, False


def _lines(texts: Iterator[str]) -> Iterator[str]:
    """Raises InputError at a line that no page shows: it is never held as a whole."""
    begun = ""
    for text in texts:
        *whole, begun = (begun + text).split("\n")
        yield from whole
        if len(begun) > _PAGE_BYTES:
            raise InputError(
                f"A page shows rows of at most {_PAGE_BYTES >> 20} MiB; found a larger one. Take"
                " part of its text (left(text, 1000)), or ask by regenesis sql."
            )
    yield begun


def _request(
    url: str, statement: str, output: str, snapshot: int | None, *, whole: bool
) -> dict[str, object]:
    if output not in ("table", "csv", "json", "parquet"):
        raise InputError(f"A format is table, csv, json or parquet; found {output!r}.")
    try:
        statement.encode()
    except UnicodeEncodeError as error:  # as a shell hands on bytes that are no UTF-8
        raise InputError(
            "A statement is text in UTF-8; found bytes that are not, or half a character:"
            f" {statement[error.start : error.end]!r} at character {error.start + 1}."
        ) from error
    return {
        "url": url,
        "statement": statement,
        "output": output,
        "most_rows": _SHOWN_ROWS if output == "table" and not whole else None,
        "snapshot": snapshot,
        "keys": (
            {name: os.environ[name] for name in _KEYS if name in os.environ} if is_lake(url) else {}
        ),
    }


def schema_text() -> str:
    """Every table and view with columns, types and meaning, as `regenesis sql --schema` prints."""
    with duckdb.connect() as connection:
        migrate(connection)
        write_surface(connection)
        things = connection.execute(
            "SELECT view_name AS name, 'view', comment FROM duckdb_views() WHERE NOT internal UNION"
            " ALL SELECT table_name, 'table', comment FROM duckdb_tables() WHERE comment IS NOT"
            " NULL ORDER BY 2 DESC, 1"
        ).fetchall()
        columns = connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() WHERE NOT"
            " internal ORDER BY table_name, column_index"
        ).fetchall()
    lines: list[str] = []
    for name, kind, comment in things:
        lines += [f"{kind} {name}: {comment}"]
        lines += [
            f"    {column} {data_type}: {text}"
            for table, column, data_type, text in columns
            if table == name
        ]
        lines += [""]
    return "\n".join(lines)


def environment_for(url: str) -> dict[str, str]:
    """The environment of the process in which a user's SQL runs; it holds no secret."""
    kept = _KEPT + (_KEPT_FOR_A_LAKE if is_lake(url) else ())
    kept_values = {name: os.environ[name] for name in kept if name in os.environ}
    return kept_values | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _texts(request: dict[str, object], limits: Limits) -> Generator[str]:
    # a piece may end within a character
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for kind, payload in _pieces(request, limits):
        if text := decoder.decode(b"" if kind == END else payload, final=kind == END):
            yield text


def _pieces(request: dict[str, object], limits: Limits) -> Iterator[tuple[bytes, bytes]]:
    """The child's answer, its end included; raises InputError with the child's own words."""
    began = time.monotonic()
    with (
        spill_folder() as folder,
        _child(request | asdict(limits) | {"folder": folder}, limits) as (answer, complaints),
    ):
        try:
            for kind, payload in received(answer):
                if kind == ERROR:
                    raise InputError(escaped(payload.decode("utf-8", "replace").replace("\n", " ")))
                yield kind, payload
        except CutOff as error:
            late = time.monotonic() - began >= limits.timeout_seconds
            raise InputError(_why_cut_off(complaints.read(), limits, late=late)) from error


def _why_cut_off(complaints: bytes, limits: Limits, *, late: bool) -> str:
    if late:
        return (
            f"The statement took longer than {limits.timeout_seconds:g} s and was stopped."
            f" {_NARROW}"
        )
    said = complaints.decode("utf-8", "replace").strip()
    if _MEMORY.search(said):
        return f"Out of Memory: the statement needs more than its {limits.memory}. {_NARROW}"
    last = said.splitlines()[-1:] or ["it was killed"]
    return f"The statement's process ended without an answer ({escaped(last[0])}). {_NARROW}"


@contextmanager
def _child(request: dict[str, object], limits: Limits) -> Generator[tuple[BinaryIO, IO[bytes]]]:
    process = subprocess.Popen(
        # -P: the current folder, which may be the user's, is no place to import from
        [sys.executable, "-P", "-m", "storage.sql.sandbox_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment_for(str(request["url"])),
    )
    # The child ends itself at its deadline; this is for one that hangs where it cannot.
    assassin = threading.Timer(limits.timeout_seconds + _KILL_AFTER_SECONDS, process.kill)
    assassin.start()
    try:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise PermanentError("The child process for SQL has no pipes.")
        process.stdin.write(json.dumps(request).encode())
        process.stdin.close()
        yield cast("BinaryIO", process.stdout), process.stderr
    finally:
        assassin.cancel()
        # also where the caller stopped reading in the middle: nothing runs on behind it
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _write_text(pieces: Iterator[tuple[bytes, bytes]], file: Path) -> int:
    with file.open("wb") as target:
        for kind, payload in pieces:
            if kind == END:
                return int(json.loads(payload)["rows"])
            target.write(payload)
    return 0


def _write_parquet(pieces: Iterator[tuple[bytes, bytes]], file: Path) -> int:
    """A row group is written when it is large enough to be worth one."""
    waiting: list[pa.Table] = []
    writer: pq.ParquetWriter | None = None
    try:
        for kind, payload in pieces:
            if kind == END:
                if writer is not None and waiting:
                    writer.write_table(pa.concat_tables(waiting))
                return int(json.loads(payload)["rows"])
            rows = pa.ipc.open_stream(payload).read_all()
            writer = writer or pq.ParquetWriter(file, rows.schema)
            waiting.append(rows)
            if sum(table.nbytes for table in waiting) >= _ROW_GROUP_BYTES:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
    finally:
        if writer is not None:
            writer.close()
    return 0


@contextmanager
def _whole(target: Path) -> Generator[Path]:
    """A file of its own beside the target that gets its name when all is written, else goes.

    What is there is never replaced, and nothing takes a name that a store would open.
    """
    if target.suffix not in _ENDINGS:
        raise InputError(
            f"Rows are written to a file named *{', *'.join(filter(None, _ENDINGS))}, or without"
            f" an ending; found {str(target)!r}."
        )
    partial = partial_beside(target)
    try:
        _refuse_what_is_there(target)
        yield partial
        _refuse_what_is_there(target)  # a statement may take long
        partial.replace(target)
    except OSError as error:
        raise InputError(
            f"{str(target)!r} can't be written ({error.strerror}). Name another file."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _refuse_what_is_there(target: Path) -> None:
    if os.path.lexists(target):
        raise InputError(f"{str(target)!r} is there, and is not replaced. Name another file.")
