"""Batches that could not be committed, fsynced beside the database until the next writer merges them.

A file holds one whole batch: Arrow streams one after the other, each with its table and operation. Its name is the
time, the rows and the hash of its bytes, so files have an order, and a torn or changed file is known.
"""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from storage.errors import PermanentError
from storage.store.arrow import ArrowTable

Operation = Literal["append", "update"]
_CACHED_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True)
class SpooledRows:
    """Rows of one table out of a spool file."""

    table: str
    operation: Operation
    rows: ArrowTable


class Spool:
    """The spool folder of one database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._cache: dict[str, list[SpooledRows]] = {}

    def names(self) -> list[str]:
        """Spool files, oldest first."""
        try:
            return sorted(entry.name for entry in os.scandir(self.folder) if entry.name.endswith(".arrows"))
        except FileNotFoundError:
            return []

    def write(self, tables: Mapping[str, ArrowTable], operation: Operation) -> str:
        """Store a batch so that it survives a crash of the machine; returns the file's name."""
        content = _encoded(tables, operation)
        digest = hashlib.sha256(content).hexdigest()
        rows = sum(table.num_rows for table in tables.values())
        if operation == "append":  # the same batch again changes nothing; an update again may be a step back
            for name in self.names():
                if name.endswith(f"-{digest}.arrows"):
                    return name
        name = f"{time.time_ns():020d}-{rows}-{digest}.arrows"
        try:
            self._write_whole(name, content)
        except OSError as error:
            raise PermanentError(
                f"The database is held by another program, and the spool {str(self.folder)!r} can't be written "
                f"({error.strerror}). Free disk space or close that program; nothing that was acknowledged is lost."
            ) from error
        return name

    def read(self, name: str) -> list[SpooledRows]:
        """The batch of a file; raises PermanentError where its bytes are not what its name says."""
        if name not in self._cache:
            content = (self.folder / name).read_bytes()
            if hashlib.sha256(content).hexdigest() != name.removesuffix(".arrows").rsplit("-", 1)[1]:
                raise PermanentError(
                    f"The spool file {str(self.folder / name)!r} is damaged: its hash is not its name's. "
                    "Restore it from a backup, or move it away to go on without its batch."
                )
            batch = list(_decoded(content))
            if sum(rows.rows.nbytes for known in self._cache.values() for rows in known) > _CACHED_BYTES:
                self._cache.clear()
            self._cache[name] = batch
        return self._cache[name]

    def remove(self, name: str) -> None:
        """Forget a merged file."""
        self._cache.pop(name, None)
        (self.folder / name).unlink(missing_ok=True)

    def _write_whole(self, name: str, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f".{name}.{os.getpid()}.part"
        try:
            with open(partial, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            partial.rename(self.folder / name)
        finally:
            partial.unlink(missing_ok=True)
        for folder in (self.folder, self.folder.parent):
            _sync_folder(folder)


def rows_in_name(name: str) -> int:
    """How many rows a spool file holds, by its name."""
    return int(name.split("-")[1])


def _encoded(tables: Mapping[str, ArrowTable], operation: Operation) -> bytes:
    sink = pa.BufferOutputStream()
    for table, rows in tables.items():
        schema = rows.schema.with_metadata({"table": table, "operation": operation})
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_table(rows.replace_schema_metadata(schema.metadata))
    return sink.getvalue().to_pybytes()


def _decoded(content: bytes) -> Iterator[SpooledRows]:
    source = pa.BufferReader(content)
    while source.tell() < len(content):
        rows = pa.ipc.open_stream(source).read_all()
        metadata = rows.schema.metadata
        operation: Operation = "update" if metadata[b"operation"] == b"update" else "append"
        yield SpooledRows(metadata[b"table"].decode(), operation, rows.replace_schema_metadata(None))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
