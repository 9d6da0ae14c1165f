"""The suite itself: what costs much is started once, not once a worker."""

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process holds everything")
def test_xdist_keeps_a_file_and_those_that_share_a_server_on_one_worker(
    request: pytest.FixtureRequest,
) -> None:
    assert request.node.nodeid.endswith(f"@{__file__}")
