"""`reader.duckdb`: a whole copy of the store for foreign clients, which tend to hold a file open.

It is made aside and renamed when whole, so who looks sees the old copy or the new one. Tables, views and comments are
in it, the spool is merged into it, and the view `reader_age` tells how old it is.
"""

import os
import shutil
import time
from pathlib import Path

from storage.clock import utc_now
from storage.errors import InputError, TransientError
from storage.file.database import DatabaseFile, connect
from storage.file.overlay import merge
from storage.file.private_copy import copied_whole
from storage.file.spool import Spool

READER_NAME = "reader.duckdb"
_TRIES = 50
_PAUSE_SECONDS = 0.1

_AGE = """
CREATE TABLE reader_copies (made_at TIMESTAMP NOT NULL);
COMMENT ON TABLE reader_copies IS 'When this copy was made. One row.';
COMMENT ON COLUMN reader_copies.made_at IS 'UTC time';
CREATE VIEW reader_age AS SELECT made_at, epoch(now()) - epoch(made_at) AS age_seconds FROM reader_copies;
COMMENT ON VIEW reader_age IS 'One row: how old this copy of the store is. Key: made_at.';
COMMENT ON COLUMN reader_age.made_at IS 'UTC time at which the copy was made';
COMMENT ON COLUMN reader_age.age_seconds IS 'Seconds since then';
"""


def refresh_reader(file: DatabaseFile, spool: Spool) -> Path:
    """Make the copy anew; returns its path. The last copy stays where this fails."""
    target = file.path.with_name(READER_NAME)
    partial = target.with_name(f".{READER_NAME}.{os.getpid()}-{time.monotonic_ns()}.part")
    try:
        _copy(file, partial)
        _complete(partial, spool)
        partial.chmod(0o444)
        partial.replace(target)
        target.with_name(READER_NAME + ".wal").unlink(missing_ok=True)  # of a client that wrote into the last copy
        return target
    except OSError as error:
        free = shutil.disk_usage(target.parent).free
        raise InputError(
            f"The reader copy {str(target)!r} can't be made ({error.strerror}; {free / 1e9:.1f} GB free). "
            "Free disk space; the store itself is not touched."
        ) from error
    finally:
        for leftover in (partial, partial.with_name(partial.name + ".wal")):
            leftover.unlink(missing_ok=True)


def _copy(file: DatabaseFile, partial: Path) -> None:
    """Byte for byte, in our own readers' turn, and again where a foreign client changed the file meanwhile."""
    for _ in range(_TRIES):
        with file.locked(exclusive=False):
            if copied_whole(file.path, partial):
                return
        time.sleep(_PAUSE_SECONDS)
    raise TransientError(
        f"Another program keeps changing {str(file.path)!r}, so that it can't be copied, or it is damaged. Close "
        "that program; the last reader copy stays."
    )


def _complete(partial: Path, spool: Spool) -> None:
    connection = connect(partial, read_only=False)
    try:
        merge(connection, spool, remove=False)
        connection.execute(_AGE)
        connection.execute("INSERT INTO reader_copies VALUES (?)", [utc_now().replace(tzinfo=None)])
        connection.execute("CHECKPOINT")
    finally:
        connection.close()
