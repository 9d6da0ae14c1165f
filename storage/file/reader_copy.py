"""`reader.duckdb`: a whole copy of the store for clients that hold a file open long.

It is made aside and renamed when whole, so who looks sees the old copy or the new one. Tables,
views and comments are in it, and the view `reader_age` tells how old it is.
"""

import os
import shutil
from contextlib import closing
from pathlib import Path

from storage.clock import utc_now
from storage.errors import InputError
from storage.file.database import DatabaseFile, changed_at, connect, log_of, partial_beside

READER_NAME = "reader.duckdb"
USUAL_NAME = "regenesis.duckdb"

# OR REPLACE: somebody may have put a reader copy in the store's place
_AGE = """
CREATE OR REPLACE TABLE reader_copies (made_at TIMESTAMP NOT NULL);
COMMENT ON TABLE reader_copies IS 'When this copy was made. One row.';
COMMENT ON COLUMN reader_copies.made_at IS 'UTC time';
CREATE OR REPLACE VIEW reader_age AS
SELECT made_at, epoch(now()) - epoch(made_at) AS age_seconds FROM reader_copies;
COMMENT ON VIEW reader_age IS 'One row: how old this copy of the store is. Key: made_at.';
COMMENT ON COLUMN reader_age.made_at IS 'UTC time at which the copy was made';
COMMENT ON COLUMN reader_age.age_seconds IS 'Seconds since then';
"""


def reader_of(store: Path) -> Path:
    """Where a store's copy lies: `reader.duckdb`, or `NAME.reader.duckdb` for another name."""
    return store.with_name(
        READER_NAME if store.name == USUAL_NAME else f"{store.stem}.{READER_NAME}"
    )


def refresh_reader(file: DatabaseFile) -> Path:
    """Make a fresh copy; returns its path. If that fails, the last copy stays."""
    target = reader_of(file.path)
    partial = partial_beside(target)
    try:
        changed = file.copy_to(partial)
        with closing(connect(partial, read_only=False)) as connection:
            connection.execute(_AGE)
            connection.execute(
                "INSERT INTO reader_copies VALUES (?)", [utc_now().replace(tzinfo=None)]
            )
            connection.execute("CHECKPOINT")
        # a client that opens it to write is told at once, in place of losing its work at the next
        # copy
        partial.chmod(0o444)
        # `newest_reader` knows by the time whether the copy is of the store as it is
        os.utime(partial, ns=(changed, changed))
        partial.replace(target)
        # after the rename: DuckDB would apply the log of the last copy to the new one
        log_of(target).unlink(missing_ok=True)  # of a client that wrote into the last copy
        return target
    except OSError as error:
        free = shutil.disk_usage(target.parent).free
        raise InputError(
            f"The reader copy {str(target)!r} can't be made ({error.strerror}; {free / 1e9:.1f} GB"
            " free). Free disk space; the store itself is not touched."
        ) from error
    finally:
        for leftover in (partial, log_of(partial)):
            leftover.unlink(missing_ok=True)


def newest_reader(file: DatabaseFile) -> Path:
    """The copy with every acknowledged row: made again if the store has changed since.

    In a folder that can only be read it is the store itself, which nobody writes there.
    """
    target = reader_of(file.path)
    if (
        target.exists()
        and file.path.exists()
        and target.stat().st_mtime_ns == changed_at(file.path)
    ):
        return target
    return refresh_reader(file) if os.access(file.path.parent, os.W_OK) else file.path
