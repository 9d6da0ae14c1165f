"""The temporary Prefect server keeps its database under the home and never outlives its owner."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = """
import sys, time
from pathlib import Path
from flows.temporary_server import await_server, prefect_server
home = Path(sys.argv[1])
with prefect_server(home) as url:
    await_server(url, home)
    print(url, flush=True)
    if sys.argv[2] == "stay":
        time.sleep(600)
"""


def server_of(owner: int) -> list[int]:
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"flows.temporary_server" in words and str(owner).encode() in words:
            found.append(int(entry.name))
    return found


def start(home: Path, what: str) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home), what], env=environment, stdout=subprocess.PIPE, text=True
    )


def test_the_server_ends_with_a_killed_owner(tmp_path: Path) -> None:
    owner = start(tmp_path, "stay")
    assert owner.stdout is not None
    assert owner.stdout.readline().startswith("http://127.0.0.1:")
    assert len(server_of(owner.pid)) == 1

    owner.send_signal(signal.SIGKILL)
    owner.communicate()

    deadline = time.monotonic() + 30
    while server_of(owner.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert server_of(owner.pid) == []
    assert (tmp_path / "prefect" / "prefect.db").is_file()


def test_the_server_ends_with_the_block(tmp_path: Path) -> None:
    owner = start(tmp_path, "leave")

    owner.communicate()

    assert owner.returncode == 0
    assert server_of(owner.pid) == []
