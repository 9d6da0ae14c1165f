"""The time, for what the storage layer itself records."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, in UTC and aware."""
    return datetime.now(UTC)
