"""Runs a command in a session of its own, and ends the session when the owner dies.

Usage: python -m tasks.engines.watchdog OWNER_PID SCRATCH_FOLDER COMMAND... It looks at its parent
twice a second: a killed owner cannot tell anybody, but its child gets another parent.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

# between two looks; and what the command has to end by itself before everything is killed
POLL_SECONDS, GRACE_SECONDS = 0.5, 4.0
_asked_to_end: list[int] = []


def watch(owner: int, scratch: str, command: list[str]) -> int:
    """The command's exit status; -1 when the owner was gone first."""
    signal.signal(signal.SIGTERM, lambda number, _: _asked_to_end.append(number))
    # Ctrl-C goes to the whole terminal; the owner then ends this one in order
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = -1
    # the owner may have died before this process looked for the first time
    if os.getppid() == owner:
        child = subprocess.Popen(command)
        while os.getppid() == owner and not _asked_to_end and child.poll() is None:
            time.sleep(POLL_SECONDS if not _asked_to_end else 0)
        if child.poll() is None:
            child.terminate()
            _wait(child)
        status = child.returncode if child.returncode is not None else -1
    _end_session()
    shutil.rmtree(scratch, ignore_errors=True)
    return status


def _wait(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _end_session() -> None:
    """Kill what is left, Python's resource tracker last, for it removes shared memory."""
    for attempt in range(40):
        others = session_members(os.getsid(0)) - {os.getpid()}
        if not others:
            return
        for pid in others:
            if attempt < 10 and b"resource_tracker" in _command_line(pid):
                continue
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)


def session_members(session: int) -> set[int]:
    """Living processes of a session, zombies left out."""
    found: set[int] = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # fields behind the command's name, which is in brackets and may hold blanks and
                # brackets itself
                fields = (folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] != "Z":
                found.add(int(folder.name))
    return found


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


if __name__ == "__main__":
    sys.exit(watch(int(sys.argv[1]), sys.argv[2], sys.argv[3:]) & 0xFF)
