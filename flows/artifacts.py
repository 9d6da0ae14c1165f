"""What Prefect's UI shows of a round while it runs and after: progress, tables, the report's link.

Outside a flow run nothing is written. Model text is never put in.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.progress import Watcher
    from flows.workplace import Workplace
    from tasks.synthesis_account import SynthesisProgress, SynthesisReport


def synthesis_progress(watcher: "Watcher") -> "Callable[[SynthesisProgress], None]":
    """A callback that shows questions, accepted paths, speed and time left."""

    def show(now: "SynthesisProgress") -> None:
        note = f"{now.accepted} accepted of {now.paths} paths · {now.tokens_per_second:.0f} tokens/s"
        if now.failed:
            note += f" · {now.failed} failed"
        watcher.update(now.questions_done, now.questions_total or 0, note, now.seconds_left)

    return show


def training_progress(watcher: "Watcher") -> Callable[[int, int, float], None]:
    """A callback for (step, steps, loss)."""

    def show(step: int, steps: int, loss: float) -> None:
        watcher.update(step, steps, f"loss {loss:.3f}")

    return show


def link_report(work: "Workplace", path: Path) -> None:
    """The report's place, as an artifact."""
    from prefect.artifacts import create_link_artifact

    create_link_artifact(link=path.as_uri(), key="report", link_text=f"Report of round {work.round.number}")


def note_synthesis(work: "Workplace", report: "SynthesisReport") -> None:
    """The account of a synthesis: a line for the person, figures for the round."""
    work.timings.add(
        synthesis_tokens=report.tokens, synthesis_prompt_tokens=report.prompt_tokens,
        synthesis_seconds=round(report.seconds, 1), paths=report.candidates, accepted_paths=report.accepted,
    )  # fmt: skip
    work.watcher.say(
        f"{report.accepted} accepted paths ({report.hinted_accepted} hinted) for {report.solved_questions} of "
        f"{report.questions} questions; {report.tokens} tokens in {report.seconds:.0f} s, "
        f"{report.tokens_per_second:.0f} a second."
    )


def figures_of(work: "Workplace") -> dict[str, float]:
    """The round's seconds and counts, for MLflow."""
    stored = json.loads(work.round.timings)
    seconds = {f"seconds.{name}": float(value) for name, value in stored.pop("seconds", {}).items()}
    return seconds | {name: float(value) for name, value in stored.items() if isinstance(value, int | float)}
