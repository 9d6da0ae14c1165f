"""The synthesize step: questions and guidelines in, judged reasoning paths in the store out.

It asks the store what is there and generates only what is missing, so a rerun is a resume. Every
row is committed in micro-batches while it runs. It does not select, and never trains.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from storage.records import Guideline, Prompt, Question
from tasks.asking import Asking
from tasks.budget import Spending
from tasks.engines.engine import entered
from tasks.rules.ladder.ladder import Ladder, build_ladder
from tasks.synthesis.account import SynthesisProgress, SynthesisReport
from tasks.synthesis.chain import Following, Run
from tasks.synthesis.scheduler import Scheduler

if TYPE_CHECKING:
    from storage.open_store import Store

__all__ = ["SynthesisProgress", "SynthesisReport", "synthesize", "synthesize_paths"]


def synthesize_paths(
    asking: Asking,
    questions: Iterable[Question],
    guidelines: Sequence[Guideline],
    *,
    spending: Spending | None = None,
    work_ahead: bool = True,
    on_progress: Callable[[SynthesisProgress], None] | None = None,
) -> SynthesisReport:
    """Paths and verdicts for the questions under this draw, and the exact account of what happened.

    `questions` may be an iterator of any length. Ends cleanly at a limit of the run (`spending`) or
    at a budget of the settings (`stopped_by` says which); on an error, Ctrl-C or SIGTERM what has
    arrived is committed first.
    """
    following = Following(spending, work_ahead, on_progress)
    return asyncio.run(synthesize(asking, questions, guidelines, following))


async def synthesize(
    asking: Asking,
    questions: Iterable[Question],
    guidelines: Sequence[Guideline],
    following: Following | None = None,
) -> SynthesisReport:
    """`synthesize_paths` within a running event loop."""
    seed = asking.round.seed if asking.round else None
    ladder = build_ladder(
        asking.settings, asking.model.id, asking.prompts, guidelines, asking.draw, seed
    )
    await asyncio.to_thread(
        asking.store.append, [*guidelines, *ladder.selections, *_prompts_used(ladder)]
    )
    rows, spent = await asyncio.to_thread(already_there, asking.store, ladder)
    async with entered(asking.engine) as engine:
        run = Run(
            replace(asking, engine=engine),
            ladder,
            following or Following(),
            fresh=rows == 0,
            questions_total=len(questions) if isinstance(questions, Sequence) else None,
        )
        scheduler = Scheduler(run, questions, spent)
        with _sigterm_commits_first(scheduler):
            await scheduler.run()
    return scheduler.account.report(
        draw=asking.draw,
        rows=scheduler.committer.committed,
        seconds=scheduler.seconds,
        stopped_by=scheduler.budget.stopped_by,
    )


def already_there(store: "Store", ladder: Ladder) -> tuple[int, int]:
    """Rows and generated tokens of this draw and model, whatever the configuration."""
    union = " UNION ALL ".join(
        f"SELECT completion_tokens FROM {table} WHERE draw = $1 AND model_id = $2"
        for table in ("adapted_guidelines", "structures", "paths")
    )
    sql = (
        "SELECT count(*) AS n, coalesce(sum(completion_tokens), 0)::BIGINT AS tokens FROM"
        f" ({union})"
    )
    row = store.query(sql, [ladder.draw, ladder.model_id]).to_pylist()[0]
    return int(row["n"]), int(row["tokens"])


def _prompts_used(ladder: Ladder) -> list[Prompt]:
    return list({plan.prompt.id: plan.prompt for plan in ladder.stages.values()}.values())


@contextmanager
def _sigterm_commits_first(scheduler: Scheduler) -> Generator[None]:
    """On SIGTERM the run ends and commits; then the signal does what it would have done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    received = False

    def end() -> None:
        nonlocal received
        received = True
        scheduler.fail(SystemExit(128 + signal.SIGTERM))

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
        if received:
            os.kill(os.getpid(), signal.SIGTERM)
