"""The folder for what a statement can't keep in memory: it goes with the statement.

A process that is killed leaves its folder. The next statement of the same user removes such folders
once they are a day old and their process is gone.
"""

import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

# regenesis-sql-4711-ab_c1d2e
_OURS = re.compile(r"regenesis-sql-(\d{1,10})-[a-z0-9_]{8}")
# of a process in another container its number says nothing; no statement takes so long
_OLD_SECONDS = 24 * 3600.0


@contextmanager
def spill_folder() -> Generator[str]:
    """A new empty folder of this user alone."""
    _remove_left(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(
        prefix=f"regenesis-sql-{os.getpid()}-", ignore_cleanup_errors=True
    ) as folder:
        yield folder


def _remove_left(beside: Path) -> None:
    with suppress(OSError):
        for folder in beside.iterdir():
            named = _OURS.fullmatch(folder.name)
            if named and _is_left(folder, int(named[1])):
                shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path, process: int) -> bool:
    try:
        status = folder.lstat()
        newest = max(one.lstat().st_mtime for one in (folder, *folder.iterdir()))
    except OSError:  # another statement removes it, or it is another user's
        return False
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
        and stat.S_IMODE(status.st_mode) == 0o700
        and time.time() - newest > _OLD_SECONDS
        and not _lives(process)
    )


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's has that number now
        return True
    return True
