"""A disk that fills at any step of a round.

The run says so, nothing is given up, and the next run goes on with it.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from flows.improve import improve
from storage import mlflow_tracking
from storage.care.check_and_gc import check_store
from storage.errors import InputError
from storage.file.file_store import FileStore
from storage.mlflow_tracking import Tracking
from storage.open_store import open_store
from storage.records import Round
from tests.fakes import mlflow_tables
from tests.fakes.scripted_machinery import ScriptedMachinery

ROOM = "\n[room]\nmin_free_disk_gib = 0\nmin_free_memory_gib = 0\n"
SHORT = ((Tracking, "finish_round"),)
MOMENTS = (
    (ScriptedMachinery, "serve"),
    (ScriptedMachinery, "train_weights"),
    (Tracking, "log_round"),
    (Tracking, "log_stage"),
    (Tracking, "register_model"),
    (Tracking, "move_champion"),
    (FileStore, "refresh_reader"),
    (FileStore, "settle"),
)


@pytest.fixture
def small_disk(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home on a disk of its own, which may fill while MLflow makes its tables."""
    monkeypatch.setattr(mlflow_tracking, "_make_whole", mlflow_tables.made)
    home.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m", "none", str(home)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a disk of a test's own is mounted by root")
    try:
        yield home
    finally:
        subprocess.run(["umount", "--lazy", str(home)], check=True)


def fill(file: Path) -> None:
    """Until nothing more can be written."""
    with file.open("ab", buffering=0) as ballast:
        for size in (1 << 20, 4096):
            try:
                while True:
                    ballast.write(os.urandom(size))
            except OSError:
                continue


def filled_before(owner: type, name: str, ballast: Path, patched: pytest.MonkeyPatch) -> None:
    """The disk is full from the first call of this method on."""
    acts: Callable[..., Any] = getattr(owner, name)

    @wraps(acts)
    def act(*arguments: Any, **options: Any) -> Any:
        if not ballast.exists():
            fill(ballast)
        return acts(*arguments, **options)

    patched.setattr(owner, name, act)


@pytest.mark.skipif(os.geteuid() != 0, reason="a disk of a test's own is mounted by root")
@pytest.mark.parametrize(
    ("owner", "name"),
    [*SHORT, *(pytest.param(*one, marks=pytest.mark.soak) for one in MOMENTS)],
    ids=lambda one: str(one),
)
def test_a_round_on_a_full_disk_ends_so_that_the_next_run_goes_on(
    small_disk: Path, small: str, machinery: ScriptedMachinery, owner: type, name: str
) -> None:
    ballast = small_disk / "ballast"
    with pytest.MonkeyPatch.context() as patched:
        filled_before(owner, name, ballast, patched)
        state = improve(settings_toml=small + ROOM, return_state=True)
    error = None if state.is_completed() else state.result(raise_on_failure=False)
    ballast.unlink()
    store = open_store(f"duckdb:///{small_disk / 'regenesis.duckdb'}")
    statuses = [record.status for record in store.select(Round)]

    assert error is None or isinstance(error, InputError)
    assert error is None or "isk" in str(error) or "can't be written" in str(error)
    assert statuses in ([], ["running"], ["finished"])
    if statuses != ["finished"]:
        assert error is not None
        assert improve(settings_toml=small + ROOM).outcome == "promoted"
    assert [(record.number, record.status) for record in store.select(Round)] == [(1, "finished")]
    assert check_store(store, small_disk) == []
