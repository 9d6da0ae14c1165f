"""A lock file that names its owner."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from storage.errors import InputError
from storage.locks import owned, owner_of

HOLDER = """
import pathlib, sys
from storage.locks import owned
with owned(pathlib.Path(sys.argv[1]), str):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_lock_names_the_process_that_holds_it_until_that_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    assert owner_of(lock) == 0
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"

        with pytest.raises(InputError, match=f"held by {holder.pid}"), owned(lock, "held by {}".format):
            pass
        assert owner_of(lock) == holder.pid
        holder.kill()

    assert owner_of(lock) == 0


def test_those_that_share_a_lock_hold_it_together_and_keep_others_out(tmp_path: Path) -> None:
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(owned(tmp_path / "run.lock", str, shared=True))
        with pytest.raises(InputError), owned(tmp_path / "run.lock", str):
            pass
