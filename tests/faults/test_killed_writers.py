"""kill -9 of writers at random moments, readers beside them.

Every acknowledged batch is there exactly once.
"""

from pathlib import Path

import pytest

from tests.conftest import empty_store
from tests.faults.crowd import check, kill_at_random


@pytest.mark.parametrize("kind", ["file", "lake", "postgres"])
def test_every_acknowledged_batch_is_there_exactly_once_after_kills(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    url = empty_store(request, kind, tmp_path)

    told = kill_at_random(url, tmp_path, writers=3, readers=1, seconds=8, seed=1, pause=(0.1, 0.7))

    check(url, told)
