"""When a line of rounds should stop running by itself, and what the morning reads."""

from dataclasses import replace

import pytest

from tasks.rules.nights.night_summary import (
    RoundLine,
    RunLine,
    cell,
    reason_to_pause,
    summary_markdown,
)

ROUND = RoundLine(
    3,
    "embedded/gcd",
    "finished",
    "promoted",
    "Promoted: a gain.",
    24,
    190,
    40,
    30,
    0.10,
    0.35,
    0.2,
    0.21,
    12_345,
    0,
    480.0,
)
RUN = RunLine(
    "improve gcd",
    "nightly-gcd",
    "promoted",
    "",
    "http://127.0.0.1:4200/runs/flow-run/1",
    is_well=True,
)


@pytest.mark.parametrize(
    ("outcomes", "pauses"),
    [
        ([], False),
        (["refused", "refused"], False),
        (["refused", "refused", "refused"], True),
        (["refused", "inconclusive", "refused", "refused"], False),
        (["promoted", "refused", "refused", "refused"], True),
        (["refused", "refused", "refused", "promoted"], False),
    ],
)
def test_only_refused_rounds_in_a_row_pause_a_line(outcomes: list[str], pauses: bool) -> None:
    assert bool(reason_to_pause(outcomes, 3, [])) is pauses


def test_a_collapse_warning_pauses_at_once_and_is_quoted() -> None:
    assert "pass@k was 0.5" in reason_to_pause(["promoted"], 3, ["pass@k was 0.5 and is 0.1"])


def test_the_summary_says_what_was_tried_gained_and_spent() -> None:
    text = summary_markdown([ROUND, replace(ROUND, round=4, outcome="refused")], [RUN], 24)

    assert "1 runs, 0 of them went wrong. 2 rounds: 1 promoted, 1 refused. 24,690 tokens." in text
    assert "10.0% -\\> 35.0%" in text
    assert "What went wrong" not in text


def test_the_summary_puts_what_went_wrong_first_with_its_cause_and_link() -> None:
    wrong = replace(
        RUN, state="Crashed", message="Heartbeat lost: nothing was heard", is_well=False
    )

    text = summary_markdown([], [RUN, wrong], 24)

    assert text.index("What went wrong") < text.index("## Runs")
    assert (
        "[improve gcd](http://127.0.0.1:4200/runs/flow-run/1) | nightly-gcd | Crashed | Heartbeat"
        " lost" in text
    )


def test_hostile_text_stays_text_in_one_cell() -> None:
    shown = cell("a | b\n# <script>x</script> [l](javascript:1) \x1b[31m`c`")

    assert "\n" not in shown
    assert "\x1b" not in shown
    assert "<" not in shown.replace("\\<", "")
    assert "|" not in shown.replace("\\|", "")
