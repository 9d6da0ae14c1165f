"""The end of a window: the next moment at which a clock shows the time that was given."""

import re
from datetime import datetime, time, timedelta

from storage.errors import InputError

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def next_moment(text: str, now: datetime) -> datetime:
    """When a clock that shows `now` shows `text` (HH:MM, 24 hours) next; the very minute counts as gone.

    What comes back is in the zone of `now`.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise InputError(
            f"--until takes a time of day such as 06:00, in the zone of REGENESIS_TIMEZONE; found {text!r}."
        )
    today = datetime.combine(now.date(), time(int(found[1]), int(found[2])), now.tzinfo)
    return today if today > now else today + timedelta(days=1)
