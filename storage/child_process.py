"""A process that ends with the one that started it."""

import ctypes
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of include/uapi/linux/prctl.h


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread ends that started it; on Linux alone."""
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
