"""The long form of tests/faults: a synthesis or its servers, killed at fifty random moments."""

from pathlib import Path as File

import pytest

from storage.open_store import open_store
from tests.faults.test_synthesis_endpoints import check_accounts, killed_again_and_again
from tests.faults.test_synthesis_killed import kill_and_resume

pytestmark = pytest.mark.soak


@pytest.mark.parametrize("seed", range(10))
def test_a_synthesis_killed_fifty_times_leaves_exact_accounts(seed: int, tmp_path: File) -> None:
    kill_and_resume(tmp_path, kills=5, seed=seed)


@pytest.mark.parametrize("seed", range(10))
async def test_servers_killed_fifty_times_leave_exact_accounts(seed: int, tmp_path: File) -> None:
    store = open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}")

    report = await killed_again_and_again(store, kills=5, chains=25, seed=seed)

    check_accounts(store, report)
    assert report.paths == 12 * 25
