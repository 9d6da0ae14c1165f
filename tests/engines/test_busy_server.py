"""A server of our own that does not answer in time."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.errors import TransientError
from tasks.engines.server import vllm_server
from tasks.engines.server.vllm_server import Server


@pytest.fixture
def silent() -> Iterator[Server]:
    """One that takes requests and answers none."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        process = subprocess.Popen([sys.executable, "-c", ""])
        yield Server(url, "base", "bfloat16", 4, Path("log"), 1.0, Path("weights"), process, "key")
        process.wait()


def test_a_machine_that_is_too_busy_to_be_measured_has_no_rate(
    silent: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_server, "MEASURING_SECONDS", 0.2)

    assert silent.raw_tokens_per_second() == 0.0


def test_what_must_be_answered_says_how_long_it_waited(silent: Server) -> None:
    with pytest.raises(TransientError, match="must answer /reload within 1 s; is the machine busy"):
        silent._post("/reload", {}, 1)  # pyright: ignore[reportPrivateUsage]
