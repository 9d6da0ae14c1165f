"""What changes a whole store at once, to be killed.

Making it, bringing it to this schema, restoring a backup.
"""

import os
import signal
import sys
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

from storage.care.backups import restore
from storage.environment import Environment
from storage.open_store import open_store

# as Python audits them: what changes which file has which name
_STEPS = {"os.rename", "os.link", "os.remove"}


def open_it(begun: Connection, home: str) -> None:
    """Make the store, or bring it to this schema."""
    begun.send("now")
    open_store(environment_of(Path(home)).store_url)


def restore_it(begun: Connection, home: str) -> None:
    """Put the home's backup in the store's place."""
    begun.send("now")
    restore(environment_of(Path(home)), Path(home) / "backups" / "one.duckdb", datetime.now(UTC))


def restore_killed_at_a_step(begun: Connection, home: str, step: int) -> None:
    """Restore, and die before the step of that number: a name, a link or a removal."""
    steps = iter(range(1, step + 1))

    def die_at_last(event: str, arguments: tuple[object, ...]) -> None:
        # what is not there is removed in vain, which is no step
        ours = event in _STEPS and home in str(arguments) and os.path.exists(str(arguments[0]))
        if ours and next(steps, step) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die_at_last)
    restore_it(begun, home)


def environment_of(home: Path) -> Environment:
    """A home with its store in it."""
    return Environment(
        home=home, store_url=f"duckdb:///{home / 'regenesis.duckdb'}", endpoints=(), config=None
    )
