"""Nothing outlives its owner: a cheap family of processes stands for vLLM's."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.engines.watchdog import session_members

FAMILY = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
time.sleep(600)
"""
OWNER = """
import os, signal, subprocess, sys, time
# a suite in the background of a shell inherits it ignored
signal.signal(signal.SIGINT, signal.SIG_DFL)
command = [sys.executable, "-m", "tasks.engines.watchdog", str(os.getpid()), sys.argv[1]]
command += [sys.executable, "-c", sys.argv[2]]
print(subprocess.Popen(command, start_new_session=True).pid, flush=True)
time.sleep(600)
"""


def wait_for(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def start_owner(scratch: Path) -> "tuple[subprocess.Popen[str], int]":
    scratch.mkdir()
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(scratch), FAMILY], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    watchdog = int(owner.stdout.readline())
    owner.stdout.close()
    assert wait_for(lambda: len(session_members(watchdog)) == 3)
    return owner, watchdog


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_however_the_owner_dies_its_server_and_children_die_too(
    tmp_path: Path, number: signal.Signals
) -> None:
    owner, watchdog = start_owner(tmp_path / "scratch")

    owner.send_signal(number)
    owner.wait()

    assert wait_for(lambda: not session_members(watchdog), seconds=10)
    assert not (tmp_path / "scratch").exists()


def test_when_the_server_is_killed_its_children_do_not_stay(tmp_path: Path) -> None:
    owner, watchdog = start_owner(tmp_path / "scratch")
    server = next(pid for pid in session_members(watchdog) if parent_of(pid) == watchdog)

    os.kill(server, signal.SIGKILL)

    assert wait_for(lambda: not session_members(watchdog))
    owner.kill()
    owner.wait()


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[1])
