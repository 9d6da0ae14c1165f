"""Concurrency grows while it pays, stays where it does not, and gives way when pushed back."""

import pytest

from tasks.engines.server.concurrency import AdaptiveLimit


def run(limit: AdaptiveLimit, *, capacity: int, seconds: float, began: float = 0.0) -> float:
    """An endpoint that serves `capacity` requests at once, one a second each; the clock afterwards."""
    now = began
    while now < began + seconds:
        now += 1.0 / min(int(limit.limit), capacity)
        limit.sent(int(limit.limit))
        limit.completed(10, now)
    return now


@pytest.mark.parametrize("capacity", [40, 100, 250])
def test_the_limit_finds_what_the_endpoint_can_serve(capacity: int) -> None:
    limit = AdaptiveLimit(8.0, most=512)

    run(limit, capacity=capacity, seconds=60)

    assert 0.6 * capacity <= limit.limit <= 2.0 * capacity


def test_a_limit_that_is_never_reached_does_not_grow() -> None:
    limit = AdaptiveLimit(32.0)

    for second in range(200):
        limit.sent(3)
        limit.completed(10, float(second))

    assert limit.limit == 32.0


def test_a_burst_of_refusals_halves_it_once() -> None:
    limit = AdaptiveLimit(64.0)

    for _ in range(20):
        limit.pushed_back(10.0)

    assert limit.limit == 32.0


def test_refusals_that_go_on_bring_it_down_to_one() -> None:
    limit = AdaptiveLimit(64.0)

    for second in range(20):
        limit.pushed_back(second * 2.0)

    assert limit.limit == 1.0


def test_it_grows_again_after_the_refusals_stop() -> None:
    limit = AdaptiveLimit(64.0)
    for second in range(5):
        limit.pushed_back(second * 2.0)
    low = limit.limit

    run(limit, capacity=64, seconds=300, began=20.0)

    assert limit.limit > 4 * low


def test_it_never_passes_its_most() -> None:
    limit = AdaptiveLimit(8.0, most=50)

    run(limit, capacity=1000, seconds=60)

    assert limit.limit == 50
