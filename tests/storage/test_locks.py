"""A lock file that names its owner."""

import subprocess
import sys
import threading
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

        with (
            pytest.raises(InputError, match=f"held by {holder.pid}"),
            owned(lock, "held by {}".format),
        ):
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


def test_whoever_looks_at_a_lock_keeps_no_taker_out(tmp_path: Path) -> None:
    lock, over = tmp_path / "run.lock", threading.Event()
    lock.touch()

    def look() -> None:
        while not over.is_set():
            owner_of(lock)

    lookers = [threading.Thread(target=look) for _ in range(2)]
    for one in lookers:
        one.start()
    try:
        for _ in range(300):
            with owned(lock, str):
                pass
    finally:
        over.set()
        for one in lookers:
            one.join()


def test_a_refusal_names_one_that_lives_of_those_that_share_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "run.lock"
    holder = HOLDER.replace("str)", "str, shared=True)")
    with ExitStack() as ends:
        holders = [
            ends.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", holder, str(lock)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for _ in range(2)
        ]
        for one in holders:
            assert one.stdout is not None
            assert one.stdout.readline() == b"held\n"
        named = [int(word) for word in lock.read_text().split()]
        last = next(one for one in holders if one.pid == named[-1])
        other = next(one for one in holders if one.pid != named[-1])
        last.kill()
        last.wait()

        with (
            pytest.raises(InputError, match=f"held by {other.pid}"),
            owned(lock, "held by {}".format),
        ):
            pass
