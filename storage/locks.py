"""Turns at the database file among our own processes: one writer or many readers, first come first served.

Advisory locks on two small files beside the database. The kernel lets go when a process dies, so none outlives its
owner. A foreign client does not know them; its hold shows only when DuckDB's own open fails.
"""

import fcntl
import os
import random
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from storage.errors import InputError, TransientError

RUN_LOCK = "run.lock"  # beside a store: shared by the runs that work on it
_POLL_SECONDS = 0.002


class TurnNotTaken(TransientError):
    """Others of our own processes kept the database busy for the whole of the bound."""


@contextmanager
def turn(database: Path, *, exclusive: bool, wait_seconds: float) -> Generator[None]:
    """Hold the database among our own processes; raises TurnNotTaken after the bound.

    Everybody queues at the gate; a writer keeps the gate until it has finished, so no stream of readers
    starves it.
    """
    deadline = time.monotonic() + wait_seconds
    with ExitStack() as held:
        gate = held.enter_context(_opened(database.with_name(database.name + ".gate"), required=exclusive))
        hall = held.enter_context(_opened(database.with_name(database.name + ".lock"), required=exclusive))
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
    """Hold a lock file of its own, for something that two processes must not do at once; raises TurnNotTaken."""
    with _opened(lock, required=True) as descriptor:
        if descriptor is not None:
            _take(descriptor, fcntl.LOCK_EX, time.monotonic() + wait_seconds, lock)
        yield


@contextmanager
def owned(lock: Path, refusal: Callable[[int], str], *, shared: bool = False) -> Generator[None]:
    """Hold a lock file that names its owner's process, not waited for; raises InputError with what `refusal` says of
    the owner, who may share it only with others that do. The kernel frees the lock of a process that died.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(refusal(_named_in(descriptor))) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def owner_of(lock: Path) -> int:
    """The process that holds this lock file; 0 when none does."""
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return 0
    except BlockingIOError:
        return _named_in(descriptor)
    finally:
        os.close(descriptor)


def _named_in(descriptor: int) -> int:
    return int(os.pread(descriptor, 20, 0).decode() or 0)


@contextmanager
def _opened(path: Path, *, required: bool) -> Generator[int | None]:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if required:
            raise InputError(
                f"The store's folder must be one that can be written; {str(path.parent)!r} is not ({error.strerror}). "
                "Set REGENESIS_HOME or REGENESIS_STORE to another."
            ) from error
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


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
