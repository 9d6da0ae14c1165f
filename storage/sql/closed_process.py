"""Shuts in the process that runs a user's SQL: a read-only connection, limits, the system's wall.

First the store is opened; then memory, disk and doors are set for good. What is open stays open, so
a file needs no further reading; a lake opens its data's files, and perhaps its servers, while it is
asked.
"""

import os
import re
import resource
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from storage.file.database import DUCKDBS_OWN, DatabaseFile, told_clearly
from storage.file.reader_copy import newest_reader
from storage.file.surface import identifier
from storage.lake.lake_catalogue import CATALOG, attach
from storage.sql.wall import Openings, close_in
from storage.store.store_url import LakePlace, file_of, is_lake, lake_of
from storage.views import quoted

# what a name's address, an encrypted connection and libpq are read from
_SYSTEM_FILES = (
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl",
    "/etc/pki",
    "/etc/crypto-policies",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/lib",
    "/lib",
    "/lib64",
    "/dev/urandom",
)
# variables that name a file which libpq reads when it connects
_FILES_OF_LIBPQ = ("PGPASSFILE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY")
# libpq's own where a URL names none; a host's name is asked for over TCP where UDP is cut short
_POSTGRES_PORT, _DNS_PORT = 5432, 53
# beyond DuckDB's own memory: Python, Arrow and one batch of rows; and a thread's stack and its
# allocator's share
_MEMORY_BESIDE, _MEMORY_OF_A_THREAD = 384 << 20, 24 << 20


@dataclass
class Opened:
    """A store that can only be read."""

    connection: duckdb.DuckDBPyConnection
    kept: list[duckdb.DuckDBPyConnection] = field(default_factory=list[duckdb.DuckDBPyConnection])
    """Connections that stay open so that files of the catalogue do."""

    def setting(self, name: str) -> object:
        """The value of a setting of DuckDB."""
        row = self.connection.execute("SELECT current_setting(?)", [name]).fetchone()
        return row[0] if row else None


@dataclass(frozen=True)
class Bounds:
    """What a statement may take."""

    memory: str
    disk: str = "0B"
    """For what does not fit into memory, in `folder`; zero: nothing is put aside."""
    folder: Path | None = None


def opened(url: str, snapshot: int | None = None, keys: Mapping[str, str] | None = None) -> Opened:
    """The store to read, on nothing but its own files."""
    if is_lake(url):
        return _lake_alone(lake_of(url), snapshot, keys or {})
    return _file_alone(file_of(url))


def _file_alone(path: Path) -> Opened:
    """The newest copy of the file, under the file's name: no writer waits for a statement."""
    copy = newest_reader(DatabaseFile(path, busy_seconds=2.0))
    connection = duckdb.connect()
    name = identifier(CATALOG if path.stem.lower() in DUCKDBS_OWN else path.stem)
    with told_clearly(copy):
        connection.execute(f"ATTACH {quoted(str(copy))} AS {name} (READ_ONLY)")
        connection.execute(f"USE {name}")
    return Opened(connection)


def _lake_alone(place: LakePlace, snapshot: int | None, keys: Mapping[str, str]) -> Opened:
    """The lake to read, and of all files only its own."""
    connection = attach(place, read_only=True, snapshot=snapshot, key=keys.get)
    store = Opened(connection)
    connection.execute(f"SET allowed_directories = [{quoted(place.data)}]")
    if place.catalogue_file is not None:
        beside = [str(place.catalogue_file) + ending for ending in ("", "-wal", "-shm", "-journal")]
        connection.execute(f"SET allowed_paths = [{', '.join(map(quoted, beside))}]")
        store.kept.append(_reading_catalogue(connection))
    connection.execute(f"USE {CATALOG}.main")
    return store


def _reading_catalogue(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Keep one transaction reading, so that SQLite's shared memory and log stay open.

    Other transactions of the process then need not be able to write them.
    """
    reader = connection.cursor()
    reader.begin()
    reader.execute(
        f"SELECT count(*) FROM __ducklake_metadata_{CATALOG}.ducklake_metadata"
    ).fetchall()
    return reader


def wall_in(store: Opened, url: str, keys: Mapping[str, str], folder: Path) -> int:
    """Raise the system's wall; DuckDB's threads are stopped for it and started again behind it.

    The wall's version.
    """
    threads = store.setting("threads")
    # Landlock holds for the calling thread and those it starts, so DuckDB's must start behind it.
    store.connection.execute("SET threads = 1")
    version = close_in(_openings(url, keys, folder))
    store.connection.execute(f"SET threads = {threads}")
    return version


def _openings(url: str, keys: Mapping[str, str], folder: Path) -> Openings:
    if not is_lake(url):
        return Openings(written=(folder,))
    place = lake_of(url)
    read: list[Path] = [place.data_folder] if place.data_folder else []
    if place.catalogue_file is not None:
        read += [Path(f"{place.catalogue_file}{ending}") for ending in ("", "-wal", "-shm")]
    ports = _ports(place, keys)
    if ports:
        read += map(Path, _SYSTEM_FILES)
        read += [Path(os.environ[name]) for name in _FILES_OF_LIBPQ if name in os.environ]
        read += [Path.home() / name for name in (".pgpass", ".postgresql")]
    return Openings(tuple(read), (folder,), ports)


def _ports(place: LakePlace, keys: Mapping[str, str]) -> tuple[int, ...]:
    """Ports of catalogue, object store and name server; none if all is on disk."""
    ports: set[int] = set()
    if place.catalogue_file is None:
        said = re.search(r"port='(\d+)'", place.catalogue)
        ports |= {int(said[1]) if said else _POSTGRES_PORT}
    if place.data_folder is None:
        endpoint = keys.get("AWS_ENDPOINT_URL_S3") or keys.get("AWS_ENDPOINT_URL") or "https://"
        parts = urlsplit(endpoint)
        ports |= {parts.port or (80 if parts.scheme == "http" else 443)}
    return tuple(sorted(ports | {_DNS_PORT})) if ports else ()


def limit(store: Opened, bounds: Bounds) -> None:
    """Bound memory and disk for DuckDB, and the process as a whole a little beyond that.

    Before the wall is raised.
    """
    execute = store.connection.execute
    execute("SET memory_limit = ?", [bounds.memory])
    if bounds.folder is not None:
        execute("SET temp_directory = ?", [str(bounds.folder)])
    execute("SET max_temp_directory_size = ?", [bounds.disk])
    memory, disk = (_bytes(store, text) for text in (bounds.memory, bounds.disk))
    threads = int(str(store.setting("threads")))
    with suppress(OSError):  # a system without /proc has no such limit either
        now = _data_bytes()
        _set(resource.RLIMIT_DATA, now + memory + _MEMORY_BESIDE + threads * _MEMORY_OF_A_THREAD)
    # bytes of one file, so a spilled one cannot fill the disk
    _set(resource.RLIMIT_FSIZE, disk)
    _set(resource.RLIMIT_CORE, 0)  # a dump would hold the keys of the object store


def shut(store: Opened) -> None:
    """Close DuckDB's own doors, for good."""
    # else `FROM name` would find a variable of this program
    store.connection.execute("SET python_enable_replacements = false")
    store.connection.execute("SET enable_external_access = false")
    # the last: no statement can open again what the lines before closed
    store.connection.execute("SET lock_configuration = true")


def _set(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def _data_bytes() -> int:
    """What the kernel counts against RLIMIT_DATA now."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), 0)


def _bytes(store: Opened, text: str) -> int:
    row = store.connection.execute("SELECT parse_formatted_bytes(?)", [text]).fetchone()
    return int(row[0]) if row else 0
