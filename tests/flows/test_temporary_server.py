"""The temporary Prefect server keeps its database under the home and never outlives its owner."""

import base64
import os
import signal
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from flows.runs import temporary_server
from storage.errors import PermanentError

PROGRAM = """
import sys, time
from pathlib import Path
from flows.runs.temporary_server import prefect_server
home = Path(sys.argv[1])
with prefect_server(home) as server:
    server.await_answer()
    print(server.url, flush=True)
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
        if b"flows.runs.temporary_server" in words and str(owner).encode() in words:
            found.append(int(entry.name))
    return found


def start(home: Path, what: str) -> "subprocess.Popen[str]":
    environment = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(home), what],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
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


def test_a_server_that_dies_while_it_starts_ends_the_wait_with_its_logs_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_API_DATABASE_CONNECTION_URL", "nonsense")
    monkeypatch.setattr(temporary_server, "START_TIMEOUT_SECONDS", 1e9)

    with (
        temporary_server.prefect_server(tmp_path) as server,
        pytest.raises(PermanentError, match=r"ended before it answered.*prefect\.log"),
    ):
        server.await_answer()


def test_a_password_of_somebody_elses_server_is_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:of-another")
    seen: list[str] = []

    for _ in range(2):
        with temporary_server.prefect_server(tmp_path):
            seen.append(os.environ["PREFECT_API_AUTH_STRING"])
            assert os.environ["PREFECT_SERVER_API_AUTH_STRING"] == seen[-1]

    assert os.environ["PREFECT_API_AUTH_STRING"] == "admin:of-another"
    assert "PREFECT_SERVER_API_AUTH_STRING" not in os.environ
    assert len({*seen, "admin:of-another"}) == 3


def test_the_temporary_server_answers_only_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with temporary_server.prefect_server(tmp_path) as server:
        server.await_answer()
        page = f"{server.url}/admin/version"

        assert status(page) == 401
        assert status(page, Host="evil.example") == 403
        assert status(page, Origin="https://evil.example") == 403
        assert status(page, Authorization=basic(os.environ["PREFECT_API_AUTH_STRING"])) == 200
    assert stat.S_IMODE((tmp_path / "logs").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "prefect").stat().st_mode) == 0o700


def status(url: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=60
        ) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()
