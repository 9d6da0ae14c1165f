"""Whether disk and memory suffice to go on, asked before a step and while it runs.

And whether it was a full disk that ended something, in any program's words.
"""

import errno
import re
import shutil
from pathlib import Path

from storage.errors import InputError
from tasks.engines.hardware import GIB, available_memory_bytes
from tasks.settings import RoomSettings

# no space, a quota, and a limit on a file's size
# the disk is full, a quota is used up, a file is larger than its file system or limit allows
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
# a child's last words, SQLite's (MLflow's and Prefect's), DuckDB's: none of them hands the number
# on
_SAID_FULL = re.compile(
    r"no space left on device|disk quota exceeded|\[Errno (28|122|27)\]|disk is full|file too"
    r" large",
    re.IGNORECASE,
)


def check_room(home: Path, room: RoomSettings) -> None:
    """Raise InputError where less is free than the settings ask for; the round can go on later."""
    free = shutil.disk_usage(home).free
    if free < room.min_free_disk_gib * GIB:
        raise InputError(
            f"Not enough room on the disk of {str(home)!r}: {free / GIB:.1f} GiB are free,"
            f" {room.min_free_disk_gib:g} are wanted (room.min_free_disk_gib). Free some (regenesis"
            " storage gc); then the same command goes on."
        )
    available = available_memory_bytes()
    if available < room.min_free_memory_gib * GIB:
        raise InputError(
            f"Not enough room in memory: {available / GIB:.1f} GiB are available,"
            f" {room.min_free_memory_gib:g} are wanted (room.min_free_memory_gib). End what else"
            " runs here; then the same command goes on."
        )


def is_full_disk(error: BaseException) -> bool:
    """Whether a full disk is behind it: the error itself, or one from which it came, says so."""
    # a chain of causes can close on itself
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        if (isinstance(one, OSError) and one.errno in _FULL) or _SAID_FULL.search(str(one)):
            return True
        one = one.__cause__ or one.__context__
    return False


def full_disk(error: BaseException) -> InputError:
    """The error where a full disk ended something: with more room the run goes on."""
    if isinstance(error, InputError):
        return error
    said = " ".join(str(error).split())[:300]
    return InputError(
        f"A disk is full ({type(error).__name__}: {said}). Free some (regenesis storage gc); what"
        " was acknowledged is kept, and the same command goes on."
    )
