"""A round asks for room before a step and while it runs."""

from pathlib import Path

import pytest

from storage.errors import InputError
from tasks.room import check_room
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
