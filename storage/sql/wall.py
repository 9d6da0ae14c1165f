"""The operating system's wall around a user's SQL: Landlock, on Linux 5.13 and later.

What is not named is shut for good, for this process and its threads: no file is opened to read or
write, none is made, removed or renamed, no program is started, and from Linux 6.7 on no TCP port is
reached. What is open already stays open. It knows nothing of SQL, so a hole in the check of
statements still writes nothing and reads no file.
"""

import ctypes
import os
import stat
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Linux, include/uapi/linux/landlock.h; the numbers of the calls are the same on x86-64 and ARM
_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
# LANDLOCK_CREATE_RULESET_VERSION: with it the first call only answers
_ASK_VERSION = 1
# kinds of rules
_PATH_BENEATH, _NET_PORT = 1, 2
# prctl: without it the kernel restricts only root
_NO_NEW_PRIVILEGES = 38

# LANDLOCK_ACCESS_FS_*; the bits in between (execute, devices, sockets, links) are opened for nobody
_WRITE_FILE, _READ_FILE, _READ_FOLDER = 1 << 1, 1 << 2, 1 << 3
_REMOVE_FOLDER, _REMOVE_FILE, _MAKE_FOLDER, _MAKE_FILE = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_TRUNCATE = 1 << 14
# how many rights on files each version knows: 13 at first, then renaming across folders,
# truncating, and devices
_RIGHTS_OF_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
# LANDLOCK_ACCESS_NET_CONNECT_TCP
_CONNECT = 1 << 1
_BOTH_TCP = 3  # bind and connect, from version 4 on
_BOTH_SCOPES = 3  # abstract sockets and signals, from version 6 on
# a rule for a file may name only these; the kernel refuses rights of folders on it (EINVAL)
_OF_A_FILE = _WRITE_FILE | _READ_FILE | _TRUNCATE


class _Rules(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("ports", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    # struct landlock_path_beneath_attr is packed: 12 bytes, not 16
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _Port(ctypes.Structure):
    _fields_ = (("rights", ctypes.c_uint64), ("port", ctypes.c_uint64))


@dataclass(frozen=True)
class Openings:
    """What the wall leaves open. A path that is not there is left out."""

    read: tuple[Path, ...] = ()
    """Files, and folders with all below them."""
    written: tuple[Path, ...] = ()
    """Folders in which files may be made, read, written and removed."""
    ports: tuple[int, ...] = ()
    """TCP ports that may be connected to, on any machine."""


def wall_version() -> int:
    """The version of Landlock that this kernel has; 0 where there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, _call(_CREATE, None, 0, _ASK_VERSION))


def close_in(openings: Openings) -> int:
    """Shut this process in, except for the openings; returns Landlock's version, 0 for no wall.

    It holds for this thread and those that it starts: call it while there is no other.
    """
    version = wall_version()
    if not version:
        return 0
    # A right that this kernel does not know is an error, and one that is not named stays open: so
    # all that it knows are named.
    rights = (1 << _RIGHTS_OF_VERSION.get(version, 16)) - 1
    rules = _Rules(rights, _BOTH_TCP if version >= 4 else 0, _BOTH_SCOPES if version >= 6 else 0)
    ruleset = _done(_call(_CREATE, ctypes.byref(rules), ctypes.sizeof(rules), 0))
    try:
        _open_paths(ruleset, openings.read, (_READ_FILE | _READ_FOLDER) & rights)
        made = _OF_A_FILE | _READ_FOLDER | _REMOVE_FOLDER | _REMOVE_FILE | _MAKE_FOLDER | _MAKE_FILE
        _open_paths(ruleset, openings.written, made & rights)
        for port in openings.ports if version >= 4 else ():
            rule = _Port(_CONNECT, port)
            _done(_call(_ADD_RULE, ruleset, _NET_PORT, ctypes.byref(rule), 0))
        # Last, and not to be undone: from here on the thread and its children have only the
        # openings.
        _done(_libc().prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        _done(_call(_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)
    return version


def _open_paths(ruleset: int, paths: Iterable[Path], rights: int) -> None:
    for path in paths:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        # not there: nothing to open
        except OSError:
            continue
        try:
            folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            rule = _Beneath(rights if folder else rights & _OF_A_FILE, descriptor)
            _done(_call(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
        finally:
            os.close(descriptor)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: object) -> int:
    # every argument as long as a register, or the upper half of it would hold what was there before
    words = (
        one if one is None or not isinstance(one, int) else ctypes.c_long(one) for one in arguments
    )
    return int(_libc().syscall(ctypes.c_long(number), *words))


def _done(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
