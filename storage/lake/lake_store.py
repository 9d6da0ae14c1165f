"""The store as a DuckLake: many writers, each batch a transaction, repeated on conflict."""

import shlex
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb

from storage.errors import InputError
from storage.lake.lake_catalogue import CATALOG, Lake, attach_statement
from storage.lake.leases import conflict_with_others, held_lease
from storage.records import Record
from storage.store.arrow import ArrowTable
from storage.store.batches import append_rows, numbered_row, replace_row
from storage.store.store import ALONE_SECONDS, Store
from storage.store.tables import R, to_arrow

T = TypeVar("T")
# a try costs a round trip to the catalogue's server
_POLL_SECONDS = 0.2


class LakeStore(Store):
    """A DuckLake."""

    def __init__(self, url: str, lake: Lake) -> None:
        super().__init__(url)
        self.lake = lake

    def append_tables(self, tables: dict[str, ArrowTable]) -> int:
        if not any(rows.num_rows for rows in tables.values()):
            return 0
        return self._committed(
            lambda connection: sum(
                append_rows(connection, table, rows) for table, rows in tables.items()
            )
        )

    def append_next(self, make: Callable[[int], R], column: str, unless: Mapping[str, object]) -> R:
        def append(connection: duckdb.DuckDBPyConnection) -> R:
            # two that number a row at once would take the same number: one of them must fail to
            # commit
            conflict_with_others(connection)
            return numbered_row(connection, make, column, unless)

        return self._committed(append)

    def update(self, record: Record) -> None:
        rows = to_arrow(type(record), [record])
        self._committed(lambda connection: replace_row(connection, record.table, rows))

    def client_command(self) -> str:
        catalogue = "sqlite" if self.lake.place.catalogue_file else "postgres"
        opening = (
            f"INSTALL ducklake; INSTALL {catalogue};"
            f" {attach_statement(self.lake.place, read_only=True)}; USE {CATALOG}"
        )
        return f"duckdb -cmd {shlex.quote(opening)}"

    def refresh_reader(self) -> Path | None:
        return None

    def settle(self) -> None:
        """Every batch is in files of its own already."""

    def snapshot(self) -> int | None:
        with self.lake.reading() as connection:
            row = connection.execute(
                f"SELECT max(snapshot_id) FROM ducklake_snapshots('{CATALOG}')"
            ).fetchone()
        return int(row[0]) if row else None

    @contextmanager
    def leased(self, question_sets: Sequence[str], draw: int) -> Generator[None]:
        with held_lease(self.lake, question_sets, draw):
            yield

    @contextmanager
    def alone(self, purpose: str) -> Generator[None]:
        deadline = time.monotonic() + ALONE_SECONDS
        with ExitStack() as held:
            while True:
                try:
                    held.enter_context(held_lease(self.lake, [f"({purpose})"], 0))
                    break
                except InputError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(_POLL_SECONDS)
            yield

    def reading_long(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return self.reading()

    def _read(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return self.lake.reading()

    def _committed(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        with self._writes():
            return self.lake.committed(work)
