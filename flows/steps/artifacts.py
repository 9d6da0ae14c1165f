"""What Prefect's UI shows of a round: progress, the table of results, the report's link.

Model text is never put in; names that users gave are, and Prefect reads descriptions as Markdown.
"""

import contextvars
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast
from uuid import UUID

from flows.steps.progress import how_far
from storage.sql.presenting import terminal_text
from tasks.doctor import misfits
from tasks.reports.round_report import accuracy_rows
from tasks.rounds.round_row import promotion_of
from tasks.rules.answers.cut_shares import cut_shares, cut_sql, cut_warnings
from tasks.rules.cards.markdown import cell

if TYPE_CHECKING:
    from logging import Logger, LoggerAdapter

    from flows.steps.progress import Watcher
    from flows.steps.workplace import Workplace
    from tasks.engines.trainer.trainer import TrainingProgress
    from tasks.synthesis.account import SynthesisProgress, SynthesisReport
    from tasks.verification.collapse_watch import Watched

# between two posts; and how long the end of a flow waits for the last one
PROGRESS_SECONDS, CLOSE_SECONDS = 5.0, 10.0


class ProgressInPrefect:
    """A watcher that tells another one, and within a flow run keeps one progress artifact a step.

    It posts from a thread of its own: steps report from within their event loop, and what the UI
    shows must not slow them, nor a Prefect server that is away for a moment end them.
    """

    def __init__(self, watcher: "Watcher") -> None:
        self._watcher = watcher
        self._title = ""
        self._news: dict[str, tuple[float, str]] = {}
        self._artifacts: dict[str, UUID] = {}
        self._closed = threading.Event()
        self._log: Logger | LoggerAdapter[Logger] | None = None
        if _in_a_flow_run():
            from prefect.logging import get_run_logger

            # the flow's, kept: steps report from threads that know no run
            self._log = get_run_logger()
        else:  # Prefect would start a server of its own to post to
            self._closed.set()
        context = contextvars.copy_context()  # which flow run the artifacts belong to
        self._thread = threading.Thread(
            target=lambda: context.run(self._post), name="progress", daemon=True
        )
        self._thread.start()

    def say(self, line: str) -> None:
        """To the person, and to the run's log, which is what is left of a night in the morning."""
        self._watcher.say(line)
        if self._log:
            self._log.info("%s", terminal_text(line))

    def step(self, title: str) -> None:
        self._title = title
        self._watcher.step(title)

    def update(
        self, done: int, total: int, note: str = "", seconds_left: float | None = None
    ) -> None:
        self._watcher.update(done, total, note, seconds_left)
        if total:
            self._news[self._title] = (
                100.0 * done / total,
                how_far(f"{self._title}: {done} of {total}", note, seconds_left),
            )

    def close(self) -> None:
        """Post what is new; the other watcher is closed by its maker."""
        self._closed.set()
        self._thread.join(timeout=CLOSE_SECONDS)

    def _post(self) -> None:
        ended = False
        while not ended:
            ended = self._closed.wait(PROGRESS_SECONDS)
            for title in list(self._news):
                # progress is for people: that it can't be shown must not end a round
                with suppress(Exception):
                    self._post_one(title, *self._news.pop(title))

    def _post_one(self, title: str, percent: float, description: str) -> None:
        from prefect.artifacts import create_progress_artifact, update_progress_artifact

        description = cell(description)
        if title in self._artifacts:
            update_progress_artifact(self._artifacts[title], percent, description)
        else:
            made = create_progress_artifact(percent, key="progress", description=description)
            self._artifacts[title] = cast("UUID", made)  # a coroutine only within an event loop


def _in_a_flow_run() -> bool:
    from prefect.context import FlowRunContext

    return FlowRunContext.get() is not None


def synthesis_progress(
    watcher: "Watcher", check_room: Callable[[], None]
) -> "Callable[[SynthesisProgress], None]":
    """A callback that shows questions, accepted paths, speed and time left.

    What `check_room` raises ends the step.
    """

    def show(now: "SynthesisProgress") -> None:
        note = (
            f"{now.accepted} accepted of {now.paths} paths · {now.tokens_per_second:.0f} tokens/s"
        )
        note += f" · {now.empty} without text" if now.empty else ""
        note += f" · {now.failed} failed" if now.failed else ""
        watcher.update(now.questions_done, now.questions_total or 0, note, now.seconds_left)
        check_room()

    return show


def training_progress(
    watcher: "Watcher", check_limits: Callable[[], None]
) -> "Callable[[TrainingProgress], None]":
    """A callback for each step of a training.

    What `check_limits` raises ends the training, to be resumed.
    """

    def show(now: "TrainingProgress") -> None:
        watcher.update(now.step, now.steps, f"loss {now.loss:.3f}")
        check_limits()

    return show


def warn_of_misfits(work: "Workplace") -> None:
    """What of the settings does not fit the model, said before anything is generated."""
    for line in misfits(work.settings, work.prompts, work.base.folder):
        _warn(work, line)


def tabulate_results(work: "Workplace") -> None:
    """Accuracy of each model on each set, as a table, and the gate's reasons."""
    from prefect.artifacts import create_table_artifact

    decided = promotion_of(work.store, work.round)
    create_table_artifact(
        accuracy_rows(work.store, work.round),
        key="accuracy",
        description=cell(
            f"Round {work.round.number}: {decided.reasons if decided else work.round.status}"
        ),
    )


def link_report(work: "Workplace", path: Path) -> None:
    """Where the report can be opened, as an artifact."""
    from prefect.artifacts import create_link_artifact

    link = work.tracking.page_of(work.round, path)
    create_link_artifact(link=link, key="report", link_text=f"Report of round {work.round.number}")


def note_synthesis(work: "Workplace", report: "SynthesisReport") -> None:
    """The account of a synthesis: a line for the person, figures for the round."""
    work.timings.add(
        synthesis_tokens=report.tokens,
        synthesis_prompt_tokens=report.prompt_tokens,
        synthesis_texts=report.texts,
        synthesis_seconds=round(report.seconds, 1),
    )
    # a run that goes on accounts for what earlier runs stored, too: the newest account is the
    # round's
    work.timings.figures |= {
        "paths": report.paths,
        "accepted_paths": report.accepted,
        "account": {
            "candidates": report.candidates,
            "fates": dict(report.fates),
            "reasons": dict(report.reasons),
        },
    }
    cost = (
        f"{report.tokens} tokens in {report.seconds:.0f} s, {report.tokens_per_second:.0f} a second"
        if report.tokens or not report.complete
        else "nothing was left to write"
    )
    work.watcher.say(
        f"{report.accepted} accepted paths ({report.hinted_accepted} hinted) for"
        f" {report.solved_questions} of {report.questions} questions; {cost}."
    )


def warn_of_cuts(work: "Workplace", *stages: str) -> None:
    """What was cut off in these stages, said where it is more than a few."""
    shares = cut_shares(work.store.query(cut_sql(work.round)).to_pylist())
    for line in cut_warnings([one for one in shares if one.stage in stages]):
        _warn(work, line)


def _warn(work: "Workplace", line: str) -> None:
    """To the person, and to Prefect's log where there is a run to log to."""
    from prefect.exceptions import MissingContextError
    from prefect.logging import get_run_logger

    work.watcher.say(f"Warning: {line}")
    with suppress(MissingContextError):
        get_run_logger().warning("%s", line)


def warn_of_collapse(work: "Workplace", seen: "Watched") -> None:
    """The collapse watch's figures as a table; its warnings to the person and to Prefect's log."""
    from prefect.artifacts import create_table_artifact
    from prefect.logging import get_run_logger

    for warning in seen.warnings:
        work.watcher.say(f"Collapse watch: {warning}")
        get_run_logger().warning("Collapse watch: %s", warning)
    create_table_artifact(
        [one.as_dict() for one in (seen.paths, seen.held_out) if one],
        key="text-health",
        description=" ".join(seen.warnings) or "Nothing drifted.",
    )


def figures_of(work: "Workplace") -> dict[str, float]:
    """The round's seconds and counts, for MLflow."""
    stored = json.loads(work.round.timings)
    seconds = {f"seconds.{name}": float(value) for name, value in stored.pop("seconds", {}).items()}
    return seconds | {
        name: float(value) for name, value in stored.items() if isinstance(value, int | float)
    }
