"""Servers listen on loopback unless told otherwise, and elsewhere only with a key or a password."""

import inspect
from pathlib import Path

import pytest

from storage.errors import InputError


def listeners() -> set[str]:
    """Local addresses (hexadecimal) of this process's listening sockets."""
    inodes = {link.readlink().name for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text("utf-8").splitlines()[1:]]
    return {
        row[1].partition(":")[0]
        for row in rows
        if row[3] == "0A" and f"socket:[{row[9]}]" in inodes
    }


def test_the_temporary_prefect_server_listens_on_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import subprocess

    from flows.runs import temporary_server

    heard: list[set[str]] = []

    class Child:
        def __init__(self, *_: object, **__: object) -> None:
            heard.append(listeners())

        def terminate(self) -> None: ...

        def wait(self, timeout: float = 0) -> int:
            return 0

    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr(subprocess, "Popen", Child)
    before = listeners()
    with temporary_server.prefect_server(tmp_path) as server:
        assert server.url.startswith("http://127.0.0.1:")

    assert heard[0] - before <= {"0100007F"}
    assert heard[0]


def test_every_server_of_ours_is_on_loopback_by_default() -> None:
    from flows.cli import machine_commands as cli_machine
    from flows.cli import stack_commands as cli_stack
    from flows.stack.plan import Ports, Stack
    from tasks.engines.server.vllm_server import running_server
    from tasks.web_guard import LOOPBACK

    assert inspect.signature(cli_machine.serve).parameters["host"].default == LOOPBACK
    assert inspect.signature(cli_stack.up).parameters["host"].default == LOOPBACK
    assert inspect.signature(running_server).parameters["address"].default.host == LOOPBACK
    stack = Stack(Path("home"), "0.0.0.0", Ports(), None)
    assert stack.mlflow_url.startswith(f"http://{LOOPBACK}:")
    assert stack.explore_url.startswith(f"http://{LOOPBACK}:")


def test_every_engine_of_ours_has_a_key_and_on_loopback_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tasks.engines.server import vllm_server as server
    from tasks.web_guard import LOOPBACK_NAMES

    monkeypatch.delenv("REGENESIS_SERVE_KEY", raising=False)
    keys = {server._key_for(host) for host in LOOPBACK_NAMES for _ in range(3)}  # pyright: ignore[reportPrivateUsage]
    assert len(keys) == 9
    assert min(map(len, keys)) > 30
    for host in (*LOOPBACK_NAMES, "0.0.0.0"):
        assert "--middleware=tasks.web_guard.EngineGuard" in server._guards_for(host)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_every_server_takes_each_name_of_loopback_without_a_password(
    host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from urllib.parse import urlsplit

    from flows.stack.plan import Ports, Stack
    from flows.stack.up import _check_host  # pyright: ignore[reportPrivateUsage]
    from tasks.engines.server import vllm_server as server
    from tasks.web_guard import LOOPBACK_NAMES

    for name in ("REGENESIS_SERVE_KEY", "PREFECT_SERVER_API_AUTH_STRING"):
        monkeypatch.delenv(name, raising=False)
    _check_host(host)
    server._key_for(host)  # pyright: ignore[reportPrivateUsage]
    assert any("WebGuard" in one for one in server._guards_for(host))  # pyright: ignore[reportPrivateUsage]
    parts = urlsplit(Stack(tmp_path, host, Ports(), None).prefect_url)
    assert (parts.hostname, parts.port) == (host, 4200)
    assert host in LOOPBACK_NAMES


@pytest.mark.parametrize(
    "key", ["two words", "schlüssel", " edge", "edge\n", "tab\tbed", "\U0001f511"]
)
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.engines.server import vllm_server as server

    monkeypatch.setenv("REGENESIS_SERVE_KEY", key)
    for host in ("127.0.0.1", "0.0.0.0"):
        with pytest.raises(InputError, match="REGENESIS_SERVE_KEY is of letters") as refused:
            server._key_for(host)  # pyright: ignore[reportPrivateUsage]
        assert key.strip() not in str(refused.value)


def test_a_server_for_other_machines_asks_for_a_password_or_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from flows.stack import up
    from tasks.engines.server import vllm_server as server

    monkeypatch.delenv("PREFECT_SERVER_API_AUTH_STRING", raising=False)
    monkeypatch.delenv("REGENESIS_SERVE_KEY", raising=False)

    with pytest.raises(InputError, match="PREFECT_SERVER_API_AUTH_STRING"):
        up._check_host("0.0.0.0")  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(InputError, match="REGENESIS_SERVE_KEY"):
        server._key_for("0.0.0.0")  # pyright: ignore[reportPrivateUsage]
