"""A home of a test's own, or of a module's tests, which copy it before they change it."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage import mlflow_tracking
from tests.fakes.mlflow_tables import copied


def use_home(patched: pytest.MonkeyPatch, home: Path) -> None:
    """This is the home, and nothing of the environment names another store.

    Its MLflow begins with a copy of MLflow's empty tables.
    """
    patched.setenv("REGENESIS_HOME", str(home))
    for name in ("REGENESIS_STORE", "REGENESIS_ENDPOINTS", "REGENESIS_CONFIG"):
        patched.delenv(name, raising=False)
    patched.setattr(mlflow_tracking, "_make_whole", copied)


@contextmanager
def at_home(home: Path) -> Generator[None]:
    """As `use_home`, within the block: for what is made once for the tests of a module."""
    with pytest.MonkeyPatch.context() as patched:
        use_home(patched, home)
        yield
