"""A client of another kind holds the database file, as a notebook left open would.

The round waits, and can go on.
"""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import duckdb
import pytest

from flows.improve import improve
from storage.care.check_and_gc import check_store
from storage.file.reader_copy import READER_NAME
from storage.open_store import open_store
from storage.records import Path as RecordedPath
from storage.records import Round
from tests.fakes.scripted_machinery import ScriptedMachinery, ScriptedServer
from tests.storage.foreign import held

SHORT_WAIT = "\n[room]\nstore_wait_seconds = 0.1\n"


def test_a_round_beside_a_client_that_keeps_the_file_says_who_and_ends_so_that_the_next_goes_on(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    with ExitStack() as client, pytest.MonkeyPatch.context() as patched:

        def serve_beside_it(*arguments: Any) -> ScriptedServer:
            client.enter_context(held(store.path))
            return serve(*arguments)

        serve = machinery.serve
        patched.setattr(machinery, "serve", serve_beside_it)
        state = improve(settings_toml=small + SHORT_WAIT, return_state=True)
    stopped = store.select(Round)
    result = improve(settings_toml=small)

    assert (state.name, state.is_completed()) == ("store busy", True)
    assert "holds" in str(state.message)
    assert [record.status for record in stopped] == ["running"]
    assert result.outcome == "promoted"
    assert [(record.number, record.status) for record in store.select(Round)] == [(1, "finished")]
    assert check_store(store, home) == []


def test_the_command_beside_such_a_client_names_it_ends_with_code_3_and_goes_on(
    home: Path,
    small: str,
    machinery: ScriptedMachinery,
    command: Callable[..., tuple[int, str, str]],
) -> None:
    file = home.parent / "small.toml"
    file.write_text(small + SHORT_WAIT, "utf-8")
    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    with ExitStack() as clients, pytest.MonkeyPatch.context() as patched:
        serve, pids = machinery.serve, list[int]()

        def serve_beside_it(*arguments: Any) -> ScriptedServer:
            pids.append(clients.enter_context(held(store.path)).process.pid)
            return serve(*arguments)

        patched.setattr(machinery, "serve", serve_beside_it)
        code, printed, said = command("round", "--settings", str(file))
    again, _, told = command("round", "--settings", str(file))

    assert code == 3, said
    assert f"Process {pids[0]} " in printed
    assert again == 0, told
    assert [(record.number, record.status) for record in store.select(Round)] == [(1, "finished")]


def test_a_round_beside_a_client_of_the_reader_copy_notices_nothing(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    with held(store.reader_copy(), "read"):
        assert improve(settings_toml=small + SHORT_WAIT).outcome == "promoted"

    assert rounds_in(home / READER_NAME) == [(1, "finished", len(store.select(RecordedPath)))]


def test_after_a_run_the_file_alone_holds_every_row(
    home: Path, small: str, machinery: ScriptedMachinery
) -> None:
    improve(settings_toml=small)

    alone = home / "copied" / "regenesis.duckdb"
    alone.parent.mkdir()
    alone.write_bytes((home / "regenesis.duckdb").read_bytes())
    assert rounds_in(alone)[0][:2] == (1, "finished")
    assert not (home / "regenesis.duckdb.wal").exists()


def rounds_in(file: Path) -> list[tuple[int, str, int]]:
    """Number, status and paths of the rounds that a file shows."""
    with duckdb.connect(file, read_only=True) as connection:
        return connection.execute(
            "SELECT round, status, paths FROM round_summary ORDER BY round"
        ).fetchall()
