"""A round asks for room before a step and while it runs."""

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InputError, PermanentError, ReGenesisError
from tasks.room import check_room, full_disk, is_full_disk
from tasks.settings import RoomSettings


def test_where_there_is_room_nothing_is_said(tmp_path: Path) -> None:
    check_room(tmp_path, RoomSettings(min_free_disk_gib=0, min_free_memory_gib=0))


@pytest.mark.parametrize(
    ("room", "words"),
    [
        (RoomSettings(min_free_disk_gib=1e9), "room.min_free_disk_gib"),
        (RoomSettings(min_free_disk_gib=0, min_free_memory_gib=1e9), "room.min_free_memory_gib"),
    ],
)
def test_too_little_room_is_said_with_the_setting_that_asks_for_it(
    tmp_path: Path, room: RoomSettings, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        check_room(tmp_path, room)


def _number(code: int) -> OSError:
    return OSError(code, os.strerror(code), "/srv/home/report.html")


FULL: list[Callable[[], Exception]] = [
    lambda: _number(errno.ENOSPC),
    lambda: _number(errno.EDQUOT),
    lambda: _number(errno.EFBIG),
    lambda: sqlite3.OperationalError("database or disk is full"),
    lambda: PermanentError(
        "Training must end well; it says: OSError: [Errno 28] No space left on device: 'step-3'"
    ),
    lambda: RuntimeError("IO Error: Could not write file: No space left on device"),
]
OTHER: list[Callable[[], Exception]] = [
    lambda: _number(errno.EACCES),
    lambda: sqlite3.OperationalError("database is locked"),
    lambda: PermanentError("There are too few examples to train on: 3."),
    lambda: ValueError("28"),
]


def wrapped(error: Exception, how: str) -> Exception:
    """The error as a layer above hands it on."""
    try:
        try:
            raise error
        except Exception as below:
            if how == "from":
                raise RuntimeError("the step failed") from below
            if how == "beside":
                raise PermanentError("the step failed")  # noqa: B904
            raise
    except Exception as above:
        return above


@given(st.sampled_from(FULL), st.lists(st.sampled_from(["from", "beside", "as it is"]), max_size=4))
def test_a_full_disk_is_known_whoever_says_so_and_however_it_was_handed_on(
    made: Callable[[], Exception], ways: list[str]
) -> None:
    error = made()
    for how in ways:
        error = wrapped(error, how)

    assert is_full_disk(error)
    assert isinstance(full_disk(error), InputError)
    assert "the same command goes on" in str(full_disk(error))


@given(
    st.sampled_from(OTHER), st.lists(st.sampled_from(["from", "beside", "as it is"]), max_size=4)
)
def test_other_errors_are_no_full_disk(made: Callable[[], Exception], ways: list[str]) -> None:
    error = made()
    for how in ways:
        error = wrapped(error, how)

    assert not is_full_disk(error)


def test_what_is_said_clearly_already_is_left_as_it_is() -> None:
    error: ReGenesisError = InputError(
        "The store can't be written (No space left on device). Free disk space."
    )
    assert full_disk(error) is error
