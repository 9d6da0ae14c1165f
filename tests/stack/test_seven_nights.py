"""Seven nights, a fault in each.

What the run's state is, who is paged, what is kept, and what the next night does.

The short form: scripted engine, real worker, server and Postgres; two of the nights in `make
test`, the others in `make soak`, for time. tests/soak has the form with the real engine.
"""

import pytest

from tests.fakes.real_stack import RealStack
from tests.fakes.seven_nights import NIGHTS, Night, live_through, rounds_of, summary_of

pytestmark = pytest.mark.slow
ALWAYS = ("no room on the disk", "prefect server and postgres killed")


@pytest.mark.parametrize(
    "night",
    [pytest.param(one, marks=() if one.fault in ALWAYS else pytest.mark.soak) for one in NIGHTS],
    ids=lambda night: night.fault.replace(" ", "-"),
)
def test_a_night_with_a_fault_ends_as_the_table_says_and_the_next_one_is_whole(
    stack: RealStack, night: Night
) -> None:
    live_through(stack, night)


def test_the_summary_alone_names_the_cause_of_every_night_that_went_wrong(stack: RealStack) -> None:
    text = summary_of(stack)

    lived = [night for night in NIGHTS if rounds_of(stack, night.fault.replace(" ", "-"))]
    assert lived
    for night in lived:
        assert night.cause in text
        assert night.state == "well" or f"| {night.state} |" in text
