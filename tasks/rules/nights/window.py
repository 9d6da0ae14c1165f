"""The end of a window: the next moment at which a clock shows the time that was given."""

import re
from datetime import UTC, datetime, time, timedelta

from storage.errors import InputError

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")  # 6:00, 06:00, 23:59


def next_moment(text: str, since: datetime) -> datetime:
    """The first moment after `since` at which a clock of its zone shows `text` (HH:MM).

    The very minute of `since` counts as gone. Moments are compared in UTC, so the clocks may change
    in between: a time that is shown twice means the first one to come, and one that is left out
    means the moment at which the clock would have shown it without the change.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise InputError(
            "--until takes a time of day such as 06:00, in the zone of REGENESIS_TIMEZONE; found"
            f" {text!r}."
        )
    shown = time(int(found[1]), int(found[2]))
    # Clocks were put back from 00:01 into the day before (Newfoundland), and a day left out (Samoa,
    # 30 December 2011).
    days = [since.date() + timedelta(days=days) for days in range(-1, 3)]
    moments = [
        moment for day in days for moment in _moments(datetime.combine(day, shown, since.tzinfo))
    ]
    return min(moment for moment in moments if moment > since.astimezone(UTC)).astimezone(
        since.tzinfo
    )


def _moments(wall: datetime) -> list[datetime]:
    """In UTC, when a clock shows this: once, or twice where the clocks are put back over it."""
    first, second = (wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    # earlier, where the clocks are put forward over it
    return [first, second] if second > first else [first]
