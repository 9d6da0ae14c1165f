"""Turns at the database file among our own processes: one writer or many readers, in order.

Advisory locks on two small files beside the database. The kernel lets go when a process dies, so
none outlives its owner. A foreign client does not know them; its hold shows only when DuckDB's own
open fails.
"""

import fcntl
import os
import random
import stat
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from storage.errors import InputError, PermanentError, StoreBusy

RUN_LOCK = "run.lock"  # beside a store: shared by the runs that work on it
# a turn lasts milliseconds; flock has no way to wait with a bound but to ask again
_POLL_SECONDS = 0.002
# `owner_of` holds a shared lock while it looks
_LOOK_SECONDS = 0.1


class TurnNotTaken(StoreBusy):
    """Others of our own processes kept the database busy for the whole of the bound."""


@contextmanager
def turn(database: Path, *, exclusive: bool, wait_seconds: float) -> Generator[None]:
    """Hold the database among our own processes; raises TurnNotTaken after the bound.

    Everybody queues at the gate; a writer keeps the gate until it has finished, so no stream of
    readers starves it.
    """
    # Two locks in this order, the gate and the hall. A reader passes the gate and gives it back at
    # once; a writer keeps it, so readers that come later queue behind the writer.
    deadline = time.monotonic() + wait_seconds
    with ExitStack() as held:
        gate = held.enter_context(
            _opened(database.with_name(database.name + ".gate"), required=exclusive)
        )
        hall = held.enter_context(
            _opened(database.with_name(database.name + ".lock"), required=exclusive)
        )
        if gate is None or hall is None:  # a folder that can only be read: nobody writes there
            yield
            return
        _take(gate, fcntl.LOCK_EX, deadline, database)
        _take(hall, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH, deadline, database)
        if not exclusive:
            fcntl.flock(gate, fcntl.LOCK_UN)
        yield


@contextmanager
def alone(lock: Path, *, wait_seconds: float) -> Generator[None]:
    """Hold a lock file for what two processes must not do at once; raises TurnNotTaken."""
    with _opened(lock, required=True) as descriptor:
        if descriptor is not None:
            _take(descriptor, fcntl.LOCK_EX, time.monotonic() + wait_seconds, lock)
        yield


@contextmanager
def owned(lock: Path, refusal: Callable[[int], str], *, shared: bool = False) -> Generator[None]:
    """Hold a lock file that names its owner's process; raises InputError with `refusal`'s words.

    With `shared` others that share it may hold it too. The kernel frees the lock of a process that
    died. A taker waits for the moment in which somebody looks (`owner_of`), not for an owner.
    """
    with _opened(lock, required=True) as descriptor:
        if descriptor is None:
            raise PermanentError(f"The lock {str(lock)!r} has no file.")
        try:
            kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
            _take(descriptor, kind, time.monotonic() + _LOOK_SECONDS, lock)
        except TurnNotTaken as error:
            living = (one for one in _owners(descriptor) if Path(f"/proc/{one}").exists())
            raise InputError(refusal(next(living, 0))) from error
        # read by a process that is refused, so it is written when the lock is held and not before
        if not shared:
            os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_END)
        # of several that share it the living ones count
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield


def owner_of(lock: Path) -> int:
    """A process that holds this lock file; 0 when none does.

    Looking keeps a taker out for a moment at most.
    """
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return 0
    except BlockingIOError:
        return next(iter(_owners(descriptor)), 0)
    finally:
        os.close(descriptor)


def _owners(descriptor: int) -> list[int]:
    """The processes that the file names, newest first; some of those that shared it may be dead."""
    named = os.pread(descriptor, 4096, max(0, os.fstat(descriptor).st_size - 4096)).split()
    return [int(one) for one in reversed(named) if one.isdigit()]


@contextmanager
def _opened(path: Path, *, required: bool) -> Generator[int | None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if required:
            raise InputError(
                f"The store's folder must be one that can be written; {str(path.parent)!r} is not"
                f" ({error.strerror}). Set REGENESIS_HOME or REGENESIS_STORE to another."
            ) from error
        yield None
        return
    try:
        _keep_others_out(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)


def _keep_others_out(descriptor: int, path: Path) -> None:
    """Who may only read a lock file can hold it for ever, so only those who may write get it."""
    found = os.fstat(descriptor)
    # a folder in which the group may write is meant for the group's runs
    wanted = 0o660 if path.parent.stat().st_mode & stat.S_IWGRP else 0o600
    if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) != wanted:
        os.fchmod(descriptor, wanted)


def _take(descriptor: int, kind: int, deadline: float, database: Path) -> None:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise TurnNotTaken(
                    f"Another process of this project kept {str(database)!r} busy past the bound. "
                    "Try again; if it stays, look for a process that hangs."
                ) from error
        time.sleep(_POLL_SECONDS * (0.5 + random.random()))
