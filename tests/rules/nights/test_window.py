"""The end of a window."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from storage.errors import InputError
from tasks.rules.nights.window import next_moment

EAST = timezone(timedelta(hours=5))


@pytest.mark.parametrize(
    ("text", "now", "expected"),
    [
        ("06:00", datetime(2026, 1, 1, 1, 0, tzinfo=UTC), datetime(2026, 1, 1, 6, 0, tzinfo=UTC)),
        ("6:00", datetime(2026, 1, 1, 23, 30, tzinfo=UTC), datetime(2026, 1, 2, 6, 0, tzinfo=UTC)),
        ("06:00", datetime(2026, 1, 1, 6, 0, tzinfo=UTC), datetime(2026, 1, 2, 6, 0, tzinfo=UTC)),
        ("00:00", datetime(2026, 12, 31, 12, 0, tzinfo=UTC), datetime(2027, 1, 1, 0, 0, tzinfo=UTC)),
        ("23:59", datetime(2026, 1, 1, tzinfo=EAST), datetime(2026, 1, 1, 23, 59, tzinfo=EAST)),
    ],
)
def test_the_window_ends_at_the_next_such_moment(text: str, now: datetime, expected: datetime) -> None:
    assert next_moment(text, now) == expected


@pytest.mark.parametrize("text", ["6", "24:00", "06:60", "6 am", "06:00:00", "-1:00"])
def test_what_is_no_time_of_day_is_refused_by_its_words(text: str) -> None:
    with pytest.raises(InputError, match=r"06:00.*found"):
        next_moment(text, datetime(2026, 1, 1, tzinfo=UTC))
