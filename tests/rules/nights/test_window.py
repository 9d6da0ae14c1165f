"""The end of a window, in zones whose clocks change."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import InputError
from tasks.rules.nights.window import next_moment

EAST = timezone(timedelta(hours=5))
BERLIN = ZoneInfo("Europe/Berlin")
# By an hour, by half an hour, by a whole day, in the southern half, at midnight, backwards in
# winter, and never.
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Santiago",
    "Africa/Cairo",
    "Europe/Dublin",
    "America/St_Johns",
    "Asia/Kolkata",
    "UTC",
)
BEGINS = st.integers(0, 19 * 366 * 24 * 60).map(
    lambda step: datetime(2009, 1, 1, tzinfo=UTC) + timedelta(minutes=step)
)


@pytest.mark.parametrize(
    ("text", "since", "expected"),
    [
        ("06:00", datetime(2026, 1, 1, 1, 0, tzinfo=UTC), datetime(2026, 1, 1, 6, 0, tzinfo=UTC)),
        ("6:00", datetime(2026, 1, 1, 23, 30, tzinfo=UTC), datetime(2026, 1, 2, 6, 0, tzinfo=UTC)),
        ("06:00", datetime(2026, 1, 1, 6, 0, tzinfo=UTC), datetime(2026, 1, 2, 6, 0, tzinfo=UTC)),
        (
            "00:00",
            datetime(2026, 12, 31, 12, 0, tzinfo=UTC),
            datetime(2027, 1, 1, 0, 0, tzinfo=UTC),
        ),
        ("23:59", datetime(2026, 1, 1, tzinfo=EAST), datetime(2026, 1, 1, 23, 59, tzinfo=EAST)),
    ],
)
def test_the_window_ends_at_the_next_such_moment(
    text: str, since: datetime, expected: datetime
) -> None:
    assert next_moment(text, since) == expected


@pytest.mark.parametrize(
    ("text", "since", "expected"),
    [
        # 25 October 2026: at 01:00 UTC the clocks go from 03:00 back to 02:00.
        (
            "02:45",
            datetime(2026, 10, 25, 1, 0, tzinfo=BERLIN),
            "2026-10-25T00:45",
        ),  # the first of the two
        (
            "02:30",
            datetime(2026, 10, 25, 2, 45, tzinfo=BERLIN),
            "2026-10-25T01:30",
        ),  # the first is gone
        ("02:45", datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN), "2026-10-25T01:45"),
        ("02:15", datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN), "2026-10-26T01:15"),
        ("06:15", datetime(2026, 10, 25, 1, 0, tzinfo=BERLIN), "2026-10-25T05:15"),
        # 29 March 2026: at 01:00 UTC the clocks go from 02:00 forward to 03:00.
        (
            "02:30",
            datetime(2026, 3, 29, 1, 0, tzinfo=BERLIN),
            "2026-03-29T01:30",
        ),  # as on any other night
        ("02:30", datetime(2026, 3, 29, 3, 45, tzinfo=BERLIN), "2026-03-30T00:30"),
        ("06:15", datetime(2026, 3, 29, 1, 0, tzinfo=BERLIN), "2026-03-29T04:15"),
        # 1 November 2009: the clocks go from 00:01 back to 23:01 of the day before.
        ("23:30", datetime(2009, 11, 1, tzinfo=ZoneInfo("America/St_Johns")), "2009-11-01T03:00"),
        # 30 December 2011 does not exist in Samoa.
        (
            "06:00",
            datetime(2011, 12, 29, 23, 0, tzinfo=ZoneInfo("Pacific/Apia")),
            "2011-12-30T16:00",
        ),
    ],
)
def test_the_window_ends_at_the_moment_that_is_meant_when_the_clocks_change(
    text: str, since: datetime, expected: str
) -> None:
    moment = next_moment(text, since)

    assert moment.astimezone(UTC) == datetime.fromisoformat(expected).replace(tzinfo=UTC)
    assert moment.tzinfo is since.tzinfo


@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    since=BEGINS,
    minutes=st.integers(0, 24 * 60 - 1),
)
def test_a_window_is_never_negative_never_longer_than_a_day_and_a_change_and_ends_at_its_time(
    zone: ZoneInfo, since: datetime, minutes: int
) -> None:
    text = f"{minutes // 60:02}:{minutes % 60:02}"

    moment = next_moment(text, since.astimezone(zone))

    lasts = moment.astimezone(UTC) - since
    assert timedelta() < lasts <= timedelta(hours=25) or (zone.key, since.year) == (
        "Pacific/Apia",
        2011,
    )
    assert (
        f"{moment:%H:%M}" == text
        or moment.utcoffset()
        != (moment.astimezone(UTC) - timedelta(days=1)).astimezone(zone).utcoffset()
    )


@given(
    zone=st.sampled_from(ZONES).map(ZoneInfo),
    since=BEGINS,
    minutes=st.integers(0, 24 * 60 - 1),
)
def test_no_clock_shows_the_time_between_the_begin_of_a_window_and_its_end(
    zone: ZoneInfo, since: datetime, minutes: int
) -> None:
    text = f"{minutes // 60:02}:{minutes % 60:02}"

    moment = next_moment(text, since.astimezone(zone)).astimezone(UTC)

    between = (
        since + timedelta(minutes=step)
        for step in range(1, int((moment - since).total_seconds() // 60))
    )
    assert not any(f"{one.astimezone(zone):%H:%M}" == text for one in between)


@pytest.mark.parametrize("text", ["6", "24:00", "06:60", "6 am", "06:00:00", "-1:00"])
def test_what_is_no_time_of_day_is_refused_by_its_words(text: str) -> None:
    with pytest.raises(InputError, match=r"06:00.*found"):
        next_moment(text, datetime(2026, 1, 1, tzinfo=UTC))
