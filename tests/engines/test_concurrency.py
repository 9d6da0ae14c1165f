"""Concurrency grows while it pays, stays where it does not, and gives way when pushed back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.engines.server.concurrency import AdaptiveLimit, ToldLimit
from tasks.engines.server.server_kinds import Load


def run(limit: AdaptiveLimit, *, capacity: int, seconds: float, began: float = 0.0) -> float:
    """Serve `capacity` requests at once, one second each, and return the clock at the end."""
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


def drive(
    limit: ToldLimit, *, capacity: int, engines: int = 1, looks: int = 60
) -> list[tuple[int, int]]:
    """(running, waiting) at each look of a server that runs `capacity` at once, where requests
    never run out.
    """
    seen: list[tuple[int, int]] = []
    for _ in range(looks):
        in_flight = int(limit.limit)
        limit.sent(in_flight)
        seen.append((min(in_flight, capacity), max(0, in_flight - capacity)))
        limit.told(Load(*seen[-1], engines), in_flight)
    return seen


@given(st.integers(1, 8), st.integers(4, 1024))
@settings(max_examples=60, deadline=None)
def test_a_server_that_tells_is_kept_full_with_a_short_queue_from_the_start(
    engines: int, each: int
) -> None:
    capacity = engines * each
    limit = ToldLimit(256.0 * engines)

    seen = drive(limit, capacity=capacity, engines=engines)

    assert seen[0][0] == min(capacity, 256 * engines)
    assert all(running == capacity for running, _ in seen[4:])
    assert all(waiting <= max(16 * engines, capacity // 2) for _, waiting in seen[20:])


def test_a_limit_that_the_work_never_reaches_stays_though_the_server_has_room() -> None:
    limit = ToldLimit(256.0)
    for _ in range(50):
        limit.sent(10)
        limit.told(Load(10, 0, 1), 10)

    assert limit.limit == 256.0


def test_others_who_fill_a_server_leave_us_a_short_queue() -> None:
    limit = ToldLimit(256.0)
    for _ in range(20):
        limit.sent(int(limit.limit))
        limit.told(Load(128, 500, 1), int(limit.limit))

    assert limit.limit == 16.0
