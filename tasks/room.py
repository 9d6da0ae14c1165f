"""Whether there is room to go on, asked before a step and while it runs: disk below the home, memory of the machine."""

import shutil
from pathlib import Path

from storage.errors import InputError
from tasks.engines.hardware import GIB, available_memory_bytes
from tasks.settings import RoomSettings


def check_room(home: Path, room: RoomSettings) -> None:
    """Raise InputError where less is free than the settings ask for; the round can go on when there is more."""
    free = shutil.disk_usage(home).free
    if free < room.min_free_disk_gib * GIB:
        raise InputError(
            f"Not enough room on the disk of {str(home)!r}: {free / GIB:.1f} GiB are free, "
            f"{room.min_free_disk_gib:g} are wanted (room.min_free_disk_gib). Free some (regenesis storage gc); "
            "then the same command goes on."
        )
    available = available_memory_bytes()
    if available < room.min_free_memory_gib * GIB:
        raise InputError(
            f"Not enough room in memory: {available / GIB:.1f} GiB are available, {room.min_free_memory_gib:g} are "
            "wanted (room.min_free_memory_gib). End what else runs here; then the same command goes on."
        )
