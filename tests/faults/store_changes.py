"""What changes a whole store at once, to be killed.

Making it, bringing it to this schema, restoring a backup.
"""

from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from storage.care.backups import restore
from storage.environment import Environment
from storage.open_store import open_store


def open_it(begun: Connection, home: str) -> None:
    """Make the store, or bring it to this schema."""
    begun.send("now")
    open_store(environment_of(Path(home)).store_url)


def restore_it(begun: Connection, home: str) -> None:
    """Put the home's backup in the store's place."""
    begun.send("now")
    restore(environment_of(Path(home)), Path(home) / "backups" / "one.duckdb", datetime.now(UTC))


def environment_of(home: Path) -> Environment:
    """A home with its store in it."""
    return Environment(
        home=home, store_url=f"duckdb:///{home / 'regenesis.duckdb'}", endpoints=(), config=None
    )
