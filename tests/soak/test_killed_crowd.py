"""The long form of the killed writers.

Eight of them and four readers for ten minutes, on each kind of store.
"""

import os
from pathlib import Path

import pytest

from tests.conftest import empty_store
from tests.faults.crowd import check, kill_at_random

MINUTES = float(os.environ.get("REGENESIS_MINUTES", "10"))


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["file", "lake", "postgres"])
def test_every_acknowledged_batch_is_there_exactly_once_after_ten_minutes_of_kills(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    url, seed = empty_store(request, kind, tmp_path), int(os.environ.get("REGENESIS_SEED", "7"))

    told = kill_at_random(
        url, tmp_path, writers=8, readers=4, seconds=60 * MINUTES, seed=seed, pause=(1.0, 4.0)
    )

    print(f"{kind}: {told}")
    check(url, told)
