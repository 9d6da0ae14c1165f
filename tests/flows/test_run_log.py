"""What a person reads of a run while it runs stands in the run's log in Prefect, too."""

import logging
import threading
from collections.abc import Iterator

import pytest
from prefect import flow, task

from flows.steps.artifacts import ProgressInPrefect
from flows.steps.progress import Quiet


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """Level and text of what goes to the logs of flow runs."""
    lines: list[tuple[str, str]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.module == "artifacts":  # Prefect's own words stand beside ours
                lines.append((record.levelname, record.getMessage()))

    logger, keep = logging.getLogger("prefect.flow_runs"), Keep()
    monkeypatch.setattr(logger, "handlers", [keep])
    monkeypatch.setattr(logger, "propagate", False)
    before = logger.level
    logger.setLevel(logging.INFO)
    yield lines
    logger.setLevel(before)


def test_what_is_said_in_a_run_its_tasks_and_their_threads_is_in_the_runs_log(
    logged: list[tuple[str, str]],
) -> None:
    @task
    def step(progress: list[ProgressInPrefect]) -> None:
        progress[0].say("12 accepted paths")
        thread = threading.Thread(target=progress[0].say, args=("from a thread \x1b[2J%s",))
        thread.start()
        thread.join()

    @flow
    def night() -> None:
        progress = ProgressInPrefect(Quiet())
        progress.say("Round 1 begins")
        step([progress])
        progress.close()

    night()

    assert logged[:2] == [("INFO", "Round 1 begins"), ("INFO", "12 accepted paths")]
    assert "from a thread" in logged[2][1]
    assert "\x1b" not in logged[2][1]


def test_outside_of_a_run_nothing_is_logged(logged: list[tuple[str, str]]) -> None:
    progress = ProgressInPrefect(Quiet())
    progress.say("a line")
    progress.close()

    assert logged == []
