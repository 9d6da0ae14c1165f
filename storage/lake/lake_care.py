"""Care of a lake: rows of an id that is there twice, small files, old states.

A state that a training set was chosen from is kept for ever, so that it can be read as it was then.
"""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from storage.clock import utc_now
from storage.lake.lake_catalogue import CATALOG
from storage.lake.lake_folder import remove_orphans
from storage.lake.lake_store import LakeStore
from storage.records import RECORD_TYPES
from storage.store.store_url import LakePlace
from storage.store.tables import sql_types

_SMALLEST_UNUSED_AGE = "1 day"  # a file that a writer has begun and not yet committed is younger


@dataclass(frozen=True)
class Compacted:
    """What compacting a store did."""

    bytes_before: int
    bytes_after: int
    files_before: int = 1
    files_after: int = 1
    doubled_rows: int = 0
    snapshots_expired: int = 0
    unknown_files_left: int = 0
    """Parquet files below a lake's folder that are not known to be its own."""


def compact_lake(store: LakeStore, keep_days: float) -> Compacted:
    """Remove an id's later rows, merge small files, forget old states that nothing names."""
    files_before, bytes_before = _files(store)
    # merging comes first: rows vanish from under an open reader where a file younger than its state
    # has lost rows and is then merged (DuckLake 1.5.5)
    store.lake.committed(
        lambda c: c.execute(f"CALL ducklake_merge_adjacent_files('{CATALOG}')").fetchall()
    )
    doubled = store.lake.committed(_remove_later_rows)
    store.lake.committed(
        # after the removal of later rows, whose places this frees
        lambda c: c.execute(f"CALL ducklake_rewrite_data_files('{CATALOG}')").fetchall()
    )
    # states go before the files that only they named
    expired = store.lake.committed(lambda connection: _expire(connection, keep_days))
    left = store.lake.committed(lambda connection: _clean_up(connection, store.lake.place))
    files_after, bytes_after = _files(store)
    return Compacted(bytes_before, bytes_after, files_before, files_after, doubled, expired, left)


def old_snapshots(connection: duckdb.DuckDBPyConnection, keep_days: float) -> list[int]:
    """States older than that, except the newest and those that a training set was chosen from."""
    rows = connection.execute(
        f"SELECT snapshot_id FROM ducklake_snapshots('{CATALOG}') WHERE snapshot_time <"
        " ?::TIMESTAMPTZ - to_seconds(?) AND snapshot_id < (SELECT max(snapshot_id) FROM"
        f" ducklake_snapshots('{CATALOG}')) AND snapshot_id NOT IN (SELECT snapshot FROM"
        f" {CATALOG}.stored.training_sets WHERE snapshot IS NOT NULL) ORDER BY snapshot_id",
        [utc_now(), keep_days * 86_400],
    ).fetchall()
    return [int(row[0]) for row in rows]


def missing_files(store: LakeStore) -> list[Path]:
    """Files of the present state that are missing in the lake's folder; none for object stores."""
    if store.lake.place.data_folder is None:
        return []
    files: list[Path] = []
    with store.reading() as connection:
        for record_type in RECORD_TYPES:
            rows = connection.execute(
                f"SELECT data_file FROM ducklake_list_files('{CATALOG}', ?, schema => 'stored')",
                [record_type.table],
            ).fetchall()
            files += [Path(row[0]) for row in rows]
    return [file for file in files if not file.exists()]


def _remove_later_rows(connection: duckdb.DuckDBPyConnection) -> int:
    removed = 0
    for record_type in RECORD_TYPES:
        key = "draw, id" if "draw" in sql_types(record_type) else "id"
        found = connection.execute(
            f"SELECT unnest(list(rowid ORDER BY rowid)[2:]) FROM {record_type.table} GROUP BY {key}"
            " HAVING count(*) > 1"
        ).fetchall()
        if found:
            later = ", ".join(str(int(row[0])) for row in found)
            connection.execute(f"DELETE FROM {record_type.table} WHERE rowid IN ({later})")
            removed += len(found)
    return removed


def _expire(connection: duckdb.DuckDBPyConnection, keep_days: float) -> int:
    versions = old_snapshots(connection, keep_days)
    if versions:
        connection.execute(
            f"CALL ducklake_expire_snapshots('{CATALOG}', versions => {versions})"
        ).fetchall()
    return len(versions)


def _clean_up(connection: duckdb.DuckDBPyConnection, place: LakePlace) -> int:
    """Remove files that no state names, also those of writers that died a day ago or more."""
    connection.execute(
        f"CALL ducklake_cleanup_old_files('{CATALOG}', older_than => now() - INTERVAL"
        f" '{_SMALLEST_UNUSED_AGE}')"
    ).fetchall()
    return remove_orphans(connection, place, _SMALLEST_UNUSED_AGE)


def _files(store: LakeStore) -> tuple[int, int]:
    with store.reading() as connection:
        row = connection.execute(
            "SELECT coalesce(sum(file_count + delete_file_count), 0), coalesce(sum(file_size_bytes"
            f" + delete_file_size_bytes), 0) FROM ducklake_table_info('{CATALOG}')"
        ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
