"""The process of a user's SQL: one request on standard input, answers on standard output.

The connection only reads, has no way to files, network or settings, and is interrupted at the
deadline; after a further grace the process ends itself. Rows are turned into text here, behind the
wall, and go out in small pieces.
"""

import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow as pa

from storage.child_process import die_with_parent
from storage.errors import ReGenesisError, first_line
from storage.lake.lake_catalogue import CATALOG
from storage.sql.allowed import allowed_functions, own_tables
from storage.sql.answers import LARGEST_ROW, pieces, send_end, send_error, send_rows, send_text
from storage.sql.closed_process import Bounds, Opened, limit, opened, shut, wall_in
from storage.sql.exact_values import exact, make_ready, rows_of
from storage.sql.pivot import with_values
from storage.sql.presenting import as_csv, as_json, as_table, cut, told_apart
from storage.sql.sql_check import Refused, checked
from storage.store.arrow import ArrowBatch, ArrowBatches

# DuckDB interrupts between vectors; a function that runs on within one is ended by the exit
_GRACE_SECONDS = 5.0
_BATCH_ROWS = 2048  # as DuckDB works, so that no more than one such vector is held
TOO_LATE = 3
"""The exit code of a process that ended itself at the deadline."""


@dataclass(frozen=True)
class Request:
    """What is asked, as the parent sends it."""

    url: str
    statement: str
    output: str
    most_rows: int | None
    timeout_seconds: float
    memory: str
    disk: str
    folder: str
    snapshot: int | None
    keys: dict[str, str]


def main() -> None:
    """One request, one answer."""
    die_with_parent()
    request = Request(**json.loads(sys.stdin.buffer.read()))
    answer = sys.stdout.buffer
    try:
        store = _closed_store(request)
        fired = _interrupt_after(store.connection, request.timeout_seconds)
        statement = _allowed(store, request.statement)
        _answer(store, statement, request, answer, fired)
    except (Refused, ReGenesisError) as error:
        send_error(answer, str(error))
    except duckdb.Error as error:
        send_error(answer, _explained(error, request))
    except MemoryError:
        send_error(answer, _too_much_memory(request))


def _closed_store(request: Request) -> Opened:
    folder = Path(request.folder)
    # The order matters: files and the lake's server are opened first, then memory is bounded, then
    # the system's wall is raised (nothing is opened after it), and DuckDB's own doors are closed
    # last, because raising the wall still changes settings.
    store = opened(request.url, request.snapshot, request.keys)
    _load_what_comes_late(store)
    limit(store, Bounds(request.memory, request.disk, folder))
    wall_in(store, request.url, request.keys, folder)
    shut(store)
    return store


def _load_what_comes_late(store: Opened) -> None:
    """What is read from files when it is first needed; behind the wall there are no files."""
    allowed_functions()
    own_tables()
    make_ready()
    zone = str(store.setting("TimeZone"))
    pa.scalar(0, pa.timestamp("us", zone)).as_py()


def _allowed(store: Opened, statement: str) -> str:
    """The text to run; raises Refused."""
    check = partial(checked, store.connection, catalog=_catalog(store))
    return check(with_values(store.connection, statement, check))


def _catalog(store: Opened) -> str:
    """How a statement may call the store's database: of a file its stem, of a lake `regenesis`."""
    row = store.connection.execute("SELECT current_database()").fetchone()
    return str(row[0]) if row else CATALOG


def _answer(
    store: Opened, statement: str, request: Request, answer: BinaryIO, fired: threading.Event
) -> None:
    try:
        found = store.connection.sql(statement)
        names = list(found.columns)
        batches = exact(found).to_arrow_reader(_BATCH_ROWS)
        if request.output == "table":
            rows = _send_table(names, batches, request, answer)
        else:
            send = {"csv": _send_csv, "json": _send_json, "parquet": _send_parquet}[request.output]
            rows = send(names, batches, answer)
    except (duckdb.InterruptException, RuntimeError) as error:
        if not fired.is_set():
            raise
        raise Refused(
            f"The statement took longer than {request.timeout_seconds:g} s and was stopped. "
            "Narrow it (WHERE draw = …), or raise the time-out."
        ) from error
    send_end(answer, rows)


def _send_table(names: list[str], batches: ArrowBatches, request: Request, answer: BinaryIO) -> int:
    # one more than is shown tells whether there are more
    wanted = None if request.most_rows is None else request.most_rows + 1
    cells = [[cut(value) for value in row] for row in islice(_rows(batches), wanted)]
    more = wanted is not None and len(cells) == wanted
    shown = cells[: request.most_rows] if more else cells
    send_text(answer, f"{as_table(names, shown)}\n({len(shown)}{' first' if more else ''} rows)\n")
    return len(shown)


def _send_csv(names: list[str], batches: ArrowBatches, answer: BinaryIO) -> int:
    send_text(answer, as_csv([names]))
    count = 0
    for batch in _small(batches):
        count += batch.num_rows
        send_text(answer, as_csv(rows_of(batch)))
    return count


def _send_json(names: list[str], batches: ArrowBatches, answer: BinaryIO) -> int:
    apart = told_apart(names)
    count = 0
    for batch in _small(batches):
        lines = [as_json(apart, row) for row in rows_of(batch)]
        send_text(answer, (",\n " if count else "[") + ",\n ".join(lines))
        count += len(lines)
    send_text(answer, "]\n" if count else "[]\n")
    return count


def _send_parquet(names: list[str], batches: ArrowBatches, answer: BinaryIO) -> int:
    apart = told_apart(names)
    count = 0
    for batch in chain([_no_rows(batches)], _small(batches)):
        send_rows(answer, pa.RecordBatch.from_arrays(batch.columns, names=apart))
        count += batch.num_rows
    return count


def _rows(batches: Iterable[ArrowBatch]) -> Iterator[Sequence[object]]:
    return chain.from_iterable(rows_of(piece) for batch in batches for piece in pieces(batch))


def _no_rows(batches: ArrowBatches) -> ArrowBatch:
    """It carries the columns, should no row come."""
    return pa.RecordBatch.from_pylist([], schema=batches.schema)


def _small(batches: Iterable[ArrowBatch]) -> Iterator[ArrowBatch]:
    for batch in batches:
        for piece in pieces(batch):
            if piece.nbytes > LARGEST_ROW:
                raise Refused(
                    f"A row may take {LARGEST_ROW >> 20} MiB; found one of {piece.nbytes >> 20}."
                    " Select less of it."
                )
            if piece.num_rows:
                yield piece


def _interrupt_after(connection: duckdb.DuckDBPyConnection, seconds: float) -> threading.Event:
    fired = threading.Event()

    def interrupt() -> None:
        fired.set()
        connection.interrupt()

    for delay, action in (
        (seconds, interrupt),
        # _exit and not exit: a thread of DuckDB that still computes would keep the process
        (seconds + _GRACE_SECONDS, lambda: os._exit(TOO_LATE)),
    ):
        timer = threading.Timer(delay, action)
        timer.daemon = True
        timer.start()
    return fired


def _explained(error: duckdb.Error, request: Request) -> str:
    text = str(error).strip()
    if "disabled by configuration" in text or "disabled through configuration" in text:
        return (
            f"Files, network and extensions are out of reach of a query here. ({first_line(error)})"
        )
    if "bad_alloc" in text or "bad allocation" in text:
        return _too_much_memory(request)
    return text


def _too_much_memory(request: Request) -> str:
    return (
        f"Out of Memory: the statement needs more than its {request.memory}. Narrow it, select"
        " fewer long texts, or raise the limit."
    )


if __name__ == "__main__":
    main()
