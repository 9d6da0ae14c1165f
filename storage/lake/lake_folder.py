"""Whose a lake's data folder is, told by a mark in it; removes files that no state names.

The mark is a small file with the lake's own id. Without a catalogue a folder full of data looks
like rubbish: a new lake's catalogue names none of it. So no lake is made over another's files, and
a lake removes nothing from a folder that bears no mark of its own.
"""

import re
from glob import escape
from pathlib import Path

import duckdb

from storage.errors import InputError
from storage.file.file_schema import make_folder
from storage.lake.lake_catalogue import CATALOG
from storage.store.store_url import LakePlace
from storage.views import quoted

MARK = "regenesis-lake.id"
# a pattern, for DuckDB asks an object store whether a pattern's file is there, but believes a name
_MARK_PATTERN = "regenesis-lake.i[d]"
# stored/paths/ducklake-01a22cd2-92b3-7b88-81b3-be4c1552742d.parquet, or the same with -delete
_DATA_FILE = re.compile(
    r"stored/(\w+)/ducklake-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-delete)?\.parquet"
)


def another_lakes_file(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> str:
    """A mark or a data file in the folder; empty where a new lake may have it."""
    data = escape(place.data)
    for pattern in (f"{data}{_MARK_PATTERN}", f"{data}stored/*/ducklake-*.parquet"):
        row = connection.execute("SELECT min(file) FROM glob(?)", [pattern]).fetchone()
        if row and row[0]:
            return str(row[0])
    return ""


def refusal(place: LakePlace, file: str) -> InputError:
    """Of a new lake over another's files."""
    return InputError(
        f"A new lake takes a data folder without another lake's files; {place.data!r} holds"
        f" {file!r}, which the catalogue {place.catalogue!r} does not know. Put the catalogue that"
        " knows it back, or name another folder in ?data=."
    )


def claim(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> None:
    """Mark the folder of a lake without tables as its own; raises InputError if it is another's."""
    # the folder before its mark: another process that makes this very lake writes the mark first
    file = another_lakes_file(connection, place)
    if _mark(connection, place) == _lake_id(connection):
        return
    if file:
        raise refusal(place, file)
    _set_mark(connection, place)


def remove_orphans(connection: duckdb.DuckDBPyConnection, place: LakePlace, age: str) -> int:
    """Remove data files of that age that no state names, such as of writers that died.

    Returns how many other files were left that the catalogue does not name: strangers' files, and
    all of them where the folder is not known to be this lake's alone.
    """
    found = _unnamed(connection, age)
    ours = _data_files(connection, place, found)
    if not _is_own(connection, place):
        return len(found)
    if place.data_folder is not None:
        for file in ours:
            Path(file).unlink(missing_ok=True)
    elif len(ours) < len(found):
        return len(found)  # DuckLake removes all or none, and nothing else here reaches the bucket
    elif ours:
        connection.execute(_orphans(age)).fetchall()
    return len(found) - len(ours)


def _is_own(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> bool:
    mark = _mark(connection, place)
    if mark:
        return mark == _lake_id(connection)
    # A lake of a version before has no mark. The folder is its own if it names every data file.
    if _data_files(connection, place, _unnamed(connection, "0 seconds")):
        return False
    _set_mark(connection, place)
    return True


def _data_files(
    connection: duckdb.DuckDBPyConnection, place: LakePlace, files: list[str]
) -> list[str]:
    """Those with a name that DuckLake gives, in the folder of a table of this lake."""
    tables = {
        row[0]
        for row in connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name ="
            " 'stored'",
            [CATALOG],
        ).fetchall()
    }
    named = ((file, _DATA_FILE.fullmatch(file.removeprefix(place.data))) for file in files)
    return [file for file, match in named if match and match[1] in tables]


def _unnamed(connection: duckdb.DuckDBPyConnection, age: str) -> list[str]:
    """Parquet files below the folder that the catalogue does not name, whoever owns them."""
    return [str(row[0]) for row in connection.execute(_orphans(age, dry_run=True)).fetchall()]


def _orphans(age: str, *, dry_run: bool = False) -> str:
    return (
        f"CALL ducklake_delete_orphaned_files('{CATALOG}', dry_run => {dry_run},"
        f" older_than => now() - INTERVAL '{age}')"
    )


def _lake_id(connection: duckdb.DuckDBPyConnection) -> str:
    """Which its catalogue gave to the schema `stored` when it was made."""
    row = connection.execute(
        f"SELECT schema_uuid::VARCHAR FROM __ducklake_metadata_{CATALOG}.ducklake_schema WHERE"
        " schema_name = 'stored' AND end_snapshot IS NULL"
    ).fetchone()
    return str(row[0]) if row else ""


def _mark(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> str:
    """The id in the folder's mark; empty where there is no mark."""
    rows = connection.execute(
        "SELECT content FROM read_text(?)", [escape(place.data) + _MARK_PATTERN]
    ).fetchall()
    return "".join(row[0] for row in rows).strip()


def _set_mark(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> None:
    if place.data_folder is not None:
        make_folder(place.data_folder)
    connection.execute(
        f"COPY (SELECT {quoted(_lake_id(connection))}) TO {quoted(place.data + MARK)}"
        " (FORMAT csv, HEADER false)"
    )
