"""A home for what a module's tests share: made once, copied by those that change it."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage import mlflow_tracking
from tests.fakes.mlflow_tables import copied


@contextmanager
def at_home(home: Path) -> Generator[None]:
    """Within the block this is the home, and nothing of the environment names another store."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("REGENESIS_HOME", str(home))
        for name in ("REGENESIS_STORE", "REGENESIS_ENDPOINTS", "REGENESIS_CONFIG"):
            patched.delenv(name, raising=False)
        patched.setattr(mlflow_tracking, "_make_whole", copied)
        yield
