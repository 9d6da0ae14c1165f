"""The cross-check: gate questions asked and judged by EleutherAI's harness, beside our figures."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from storage.errors import InputError
from storage.records import Evaluation, EvaluationFigure, Model, Prompt, Question, Round
from tasks.asking import utc_now
from tasks.engines.harness import Target, harness_version, run_harness
from tasks.evaluation.answering import answer_plan
from tasks.evaluation.evaluation_rows import figure_row
from tasks.rules.gate.harness_tasks import HarnessTask, harness_figures, harness_task
from tasks.settings import Settings

if TYPE_CHECKING:
    from storage.open_store import Store


def cross_check(
    store: "Store",
    target: Target,
    model: Model,
    round: Round,
    questions: Sequence[Question],
    prompts: Mapping[str, Prompt],
    settings: Settings,
) -> list[EvaluationFigure]:
    """The harness's figures on each set's gate questions, stored; stored ones are not asked again.

    Raises InputError where the harness is not installed, or the model has no evaluation of ours to
    stand beside.
    """
    source = harness_version()
    ours = {
        row.question_set_id: row
        for row in store.select(Evaluation, round_id=round.id, model_id=model.id, part="gate")
    }
    if not ours:
        raise InputError(
            f"A cross-check stands beside our own evaluation; {model.name!r} has none in round"
            f" {round.number}. Run: regenesis evaluate"
        )
    known = store.select(
        EvaluationFigure, evaluation_id=[row.id for row in ours.values()], source=source
    )
    done = {row.evaluation_id for row in known}
    tasks = {
        key: task
        for key, task in _tasks(questions, prompts, settings).items()
        if ours[key].id not in done
    }
    if tasks:
        system = settings.model.system_prompt
        found = run_harness(list(tasks.values()), target, system=system)
        fresh = [
            figure_row(ours[key].id, round, source, figure, utc_now())
            for key, task in tasks.items()
            for figure in harness_figures(found[task.name], len(task.rows))
        ]
        store.append(fresh)
        known += fresh
    return known


def _tasks(
    questions: Sequence[Question], prompts: Mapping[str, Prompt], settings: Settings
) -> dict[UUID, HarnessTask]:
    """One task per question set."""
    plan = answer_plan(prompts, settings)
    by_set: defaultdict[UUID, list[Question]] = defaultdict(list)
    for question in questions:
        if question.part == "gate":
            by_set[question.question_set_id].append(question)
    return {key: harness_task(f"regenesis_{key.hex}", ones, plan) for key, ones in by_set.items()}
