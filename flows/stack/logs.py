"""Keeps logs of long-running programs small: the older half goes, in place, unseen by writers."""

from contextlib import suppress
from pathlib import Path

MOST_BYTES = 20_000_000


def bound_logs(folder: Path, most_bytes: int = MOST_BYTES) -> list[Path]:
    """Shorten every log of the folder that is too large; returns those."""
    shortened: list[Path] = []
    for log in folder.glob("*.log"):
        with suppress(OSError):
            if log.stat().st_size > most_bytes:
                _drop_older_half(log, most_bytes)
                shortened.append(log)
    return shortened


def _drop_older_half(log: Path, most_bytes: int) -> None:
    """Programs write in append mode, so what they write next goes to the new end."""
    with log.open("r+b") as file:
        # from the end; `readline` then drops the line that the cut went through
        file.seek(-(most_bytes // 2), 2)
        file.readline()
        newest = file.read()
        file.seek(0)
        file.write(newest)
        file.truncate()
