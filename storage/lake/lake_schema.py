"""Brings a lake to this program's schema: base tables in `stored`, public views in `main`.

The migrations and the views' text are those of the file. A lake that is already right is only read.
"""

import hashlib
import sqlite3
from contextlib import AbstractContextManager, closing, nullcontext

import duckdb

from storage.file.file_schema import make_folder
from storage.file.surface import MAKE_STATE, surface_digest
from storage.lake.lake_catalogue import CATALOG, Lake, LakeAway, is_made, without_catalogue
from storage.lake.lake_folder import another_lakes_file, claim, refusal
from storage.lake.leases import refuse_beside_a_run
from storage.locks import alone
from storage.migrations import check_version, migrate, schema_version
from storage.records import RECORD_TYPES, Record, field_documentation
from storage.store.batches import transaction
from storage.store.store import ALONE_SECONDS
from storage.store.store_url import LakePlace
from storage.store.tables import sql_types
from storage.views import make_views, quoted
from storage.views.comments import write_comments


def ensure_lake(lake: Lake) -> None:
    """Create or migrate the lake.

    Raises InputError for one that is newer or can't be written, and for a new one whose data folder
    holds another lake's files.
    """
    place = lake.place
    if place.catalogue_file is not None and not place.catalogue_file.exists():
        _refuse_another_lakes_folder(place)
        # the folders of a new lake on disk
        for folder in filter(None, (place.catalogue_file.parent, place.data_folder)):
            make_folder(folder)
    elif is_current(lake):
        return
    elif place.catalogue_file is None:
        _refuse_another_lakes_folder(place)
    with _one_at_a_time(place):
        # asked again under the lock, for another process may have made it meanwhile
        if not is_current(lake):
            lake.tried_again(lambda connection: _bring_up(connection, place))
    lake.close()  # what reads attaches the lake as it is now


def _refuse_another_lakes_folder(place: LakePlace) -> None:
    """Before a catalogue is made: it would name none of those files, and nothing would be left."""
    with without_catalogue(place) as connection:
        file = another_lakes_file(connection, place)
    # asked after the look: another process that makes this very lake makes the catalogue first
    if file and not is_made(place):
        raise refusal(place, file)


def _one_at_a_time(place: LakePlace) -> AbstractContextManager[None]:
    """Change a SQLite catalogue's schema alone: two at once can end in an I/O error.

    On Postgres one of the two tries again.
    """
    if place.catalogue_file is None:
        return nullcontext()
    return alone(
        place.catalogue_file.with_name(place.catalogue_file.name + ".making"),
        wait_seconds=ALONE_SECONDS,
    )


def first_rows(record_type: type[Record]) -> str:
    """The text of the view that keeps the first row of an id: the one that was committed first."""
    columns = ", ".join(f'"{name}"' for name in sql_types(record_type))
    # equal ids have equal draws, and a filter on the draw then passes through to the files
    key = "draw, id" if "draw" in sql_types(record_type) else "id"
    return (
        f"SELECT {columns} FROM {CATALOG}.stored.{record_type.table}"
        f" QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY rowid) = 1"
    )


def _bring_up(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> None:
    version = schema_version(connection)
    if check_version(version, place.catalogue) and version:
        # a run of the version before would go on inserting into tables that have changed under it
        refuse_beside_a_run(connection, place)
        _back_up_catalogue(place, version)
    if not version:
        claim(connection, place)
    migrate(connection)
    with transaction(connection):
        connection.execute(MAKE_STATE)
        write_comments(connection)
        connection.execute(f"USE {CATALOG}.main")
        for record_type in RECORD_TYPES:
            connection.execute(
                f"CREATE OR REPLACE VIEW {record_type.table} AS {first_rows(record_type)}"
            )
            purpose = (record_type.__doc__ or "").splitlines()[0]
            connection.execute(
                f"COMMENT ON VIEW {record_type.table} IS {quoted(f'{purpose} One row per id.')}"
            )
        make_views(connection, with_columns=False)  # DuckLake keeps no comment on a view's column
        connection.execute(f"USE {CATALOG}.stored")
        connection.execute("DELETE FROM schema_state")
        connection.execute("INSERT INTO schema_state VALUES (?)", [_digest()])


def is_current(lake: Lake) -> bool:
    """False also where it is not made yet or can't be reached, which making it will say."""
    try:
        with lake.reading() as connection:
            connection.execute(f"USE {CATALOG}.stored")
            due = check_version(schema_version(connection), lake.place.catalogue)
            return not due and connection.execute(
                "SELECT surface FROM schema_state"
            ).fetchall() == [(_digest(),)]
    except (LakeAway, duckdb.Error):
        return False


def _digest() -> str:
    text = [
        surface_digest(),
        *(first_rows(one) for one in RECORD_TYPES),
        *map(str, map(field_documentation, RECORD_TYPES)),
    ]
    return hashlib.sha256(repr(text).encode()).hexdigest()


def _back_up_catalogue(place: LakePlace, version: int) -> None:
    """Copy a SQLite catalogue beside itself; a Postgres catalogue has its database's own backup."""
    if place.catalogue_file is None:
        return
    target = place.catalogue_file.with_name(
        f"{place.catalogue_file.stem}.before-schema-{version}.sqlite"
    )
    with (
        closing(sqlite3.connect(place.catalogue_file)) as source,
        closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
