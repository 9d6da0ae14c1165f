"""Seven nights, a fault in each: what the run's state is, who is paged, what is kept, and what the next night does.

The short form: scripted engine, real worker, server and Postgres. tests/soak has the long one.
"""

import pytest

from tests.fakes.real_stack import RealStack
from tests.fakes.seven_nights import NIGHTS, Night, live_through, summary_of

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("night", NIGHTS, ids=lambda night: night.fault.replace(" ", "-"))
def test_a_night_with_a_fault_ends_as_the_table_says_and_the_next_one_is_whole(stack: RealStack, night: Night) -> None:
    live_through(stack, night)


def test_the_summary_alone_names_the_cause_of_every_night_that_went_wrong(stack: RealStack) -> None:
    text = summary_of(stack)

    for night in NIGHTS:
        assert night.cause in text
        assert night.state == "well" or f"| {night.state} |" in text
