"""The steps of a comparison as Prefect tasks; each does what the store lacks."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from flows.runs.results import Result
from flows.steps import artifacts
from flows.steps.step_task import step
from flows.steps.workplace import Workplace
from storage.records import Adapter, Model, Pool, TrainingSet, Trial
from tasks.budget import RUN_LIMITS
from tasks.comparison.comparison_figures import trials_read, write_figures
from tasks.comparison.comparison_plan import ContestAhead, plan_comparison
from tasks.comparison.comparison_report import write_comparison_report
from tasks.comparison.contest import Contest, Try, finish_comparison, run_as_here
from tasks.comparison.contest import begin_comparison as begin
from tasks.comparison.learning_rates import choose_rates as choose
from tasks.comparison.learning_rates import is_answered
from tasks.comparison.lessons import (
    first_lessons,
    iterations_of,
    last_lessons,
    middle_lesson,
    trained_tries,
)
from tasks.comparison.pool import draw_of, pool_paths, write_pool_row
from tasks.comparison.states.state import bring, brought_comparison
from tasks.comparison.table.table_lines import table_lines
from tasks.comparison.training_sets import keep_examples, pool_plan, trial_of, untrained_trial
from tasks.evaluation.evaluate_model import evaluate_model
from tasks.ingestion.ingest_questions import check_question_sets, ingest_embedded
from tasks.rounds.round_row import Timings
from tasks.settings import Settings
from tasks.synthesis.synthesize_paths import synthesize_paths
from tasks.training.train_adapter import Training, model_of
from tasks.verification.verify_paths import Judge
from tasks.verification.vote_paths import vote_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.records import Question
    from tasks.comparison.lessons import Lesson
    from tasks.comparison.pool import PoolPlan


@step("begin comparison")
def begin_comparison(work: Workplace, brought: str = "") -> Contest:
    """Continue the comparison of these settings, or begin it.

    `brought` is a folder with another machine's state.
    """
    if brought:
        rows = bring(work.store, Path(brought), work.base.record)
        work.watcher.say(f"Brought {rows} rows from {brought}.")
        record = brought_comparison(work.store, Path(brought))
        # those that it began with, as a round has
        work.settings = run_as_here(
            Settings.model_validate_json(record.settings), here=work.settings
        )
    else:
        check_question_sets(work.store, work.settings)
        record = begin(work.store, work.settings, work.base.record)
    work.comparison, work.timings = record, Timings.of(record)
    contest = Contest(
        work.store, record, work.settings, work.base.record, work.prompts, work.guidelines
    )
    work.own_draws([draw_of(seed) for seed in contest.seeds])
    names = ", ".join(one.name for one in contest.contenders)
    work.watcher.say(
        f"Comparison {record.name} ({str(record.id)[:8]}): {names}; seeds {list(contest.seeds)}."
    )
    artifacts.warn_of_misfits(work)
    return contest


def is_whole(contest: Contest) -> bool:
    """Whether it is finished and has every answer that its table reads."""
    if contest.record.status != "finished":
        return False
    return all(is_answered(contest, one, contest.final_questions) for one in trials_read(contest))


@step("draw questions")
def draw_questions(work: Workplace, contest: Contest) -> None:
    """Every seed's questions, the guidelines and the prompts, in the store."""
    work.watcher.step("Drawing questions")
    with work.timings.phase("storage"):
        for seed in contest.seeds:
            ingest_embedded(work.store, contest.seeded(seed), draw_of(seed))
        work.store.append([*contest.guidelines, *work.prompts.values()])


@step("forecast comparison")
def forecast(work: Workplace, contest: Contest) -> None:
    """What is still to be done will take so much, said before it begins."""
    ahead = ContestAhead(
        work.store,
        contest.record,
        contest.settings,
        contest.base,
        contest.prompts,
        contest.guidelines,
    )
    for line in plan_comparison(ahead).lines:
        work.watcher.say(line)


@step("write paths", task_run_name="write paths of seed {seed}")
def write_pools(work: Workplace, contest: Contest, seed: int) -> None:
    """The pools that this seed's methods share; the learning rate plays no part in them."""
    for contender in contest.contenders:
        if contender.method.teaches == "paths":
            _write_pool(work, contest, Try(contender, contest.fixed_rate), seed, 1)


@step("train", task_run_name="train for seed {seed}")
def train_methods(work: Workplace, contest: Contest, seed: int) -> None:
    """Every trial of the seed, in order of iteration."""
    tries = trained_tries(contest, seed)
    for one in contest.tries(seed):
        if not one.contender.method.trains:
            untrained_trial(contest, one, seed)
    if all(contest.trial(one, seed, iterations_of(contest, one)) for one in tries):
        return
    first = first_lessons(contest, seed)
    for iteration in range(1, max(iterations_of(contest, one) for one in tries)):
        for one in (one for one in tries if iterations_of(contest, one) > iteration):
            if contest.trial(one, seed, iteration) is None:
                _train(work, contest, middle_lesson(contest, one, seed, iteration, first))
        for one in (one for one in tries if iterations_of(contest, one) > iteration):
            _write_pool(work, contest, one, seed, iteration + 1)
    for lesson in last_lessons(contest, tries, seed, first):
        entrant = lesson.entrant
        if contest.trial(entrant.one, seed, entrant.iteration) is None:
            _train(work, contest, lesson)


@step("choose learning rates")
def choose_rates(work: Workplace, contest: Contest) -> None:
    """The rate of each method that does best on the first seed's in-domain gate questions."""
    if {one.name for one in contest.contenders if one.method.trains} <= contest.chosen_rates.keys():
        return
    trials = [
        one
        for one in contest.trials
        if one.seed == contest.seeds[0] and one.iteration == one.iterations
    ]
    _answer(work, contest, [one for one in trials if one.training_set_id], contest.dev_questions)
    for line in choose(contest):
        work.watcher.say(line)


@step("answer final questions", task_run_name="answer final questions of seed {seed}")
def answer_final(work: Workplace, contest: Contest, seed: int) -> None:
    """What the seed's models of the table say to the questions that no decision reads."""
    _answer(
        work,
        contest,
        [one for one in trials_read(contest) if one.seed == seed],
        contest.final_questions,
    )


@step("report comparison")
def report(work: Workplace, contest: Contest, published: str = "") -> Result:
    """The table, its statistics and the report."""
    work.release_server()
    work.watcher.step("Writing the report")
    with work.timings.phase("storage"):
        write_figures(contest)
    if contest.record.status == "running" and work.comparison is not None:
        contest.record = finish_comparison(work.store, work.comparison, work.timings.as_json())
    work.comparison = contest.record
    path = write_comparison_report(
        contest, work.environment.reports, Path(published) if published else None
    )
    work.store.refresh_reader()
    spent = f"{work.spending.tokens} tokens generated in this run."
    text = "\n".join([*table_lines(contest), spent, f"Report: {path}"])
    figures = {
        "comparison": str(contest.record.id),
        "report": str(path),
        "generated_tokens": work.spending.tokens,
    }
    return Result("compared", text, figures)


def _write_pool(work: Workplace, contest: Contest, one: Try, seed: int, iteration: int) -> None:
    """The pool that a try draws on, unless it is whole already."""
    plan = pool_plan(contest, one, seed, iteration)
    if work.store.get(Pool, plan.id) is not None:
        return
    before = contest.trial(one, seed, iteration - 1)
    if before is not None and _model_with_weights(work, contest, before).id != plan.model.id:
        plan = pool_plan(contest, one, seed, iteration)
    _write_paths(work, plan)


def _write_paths(work: Workplace, plan: "PoolPlan") -> None:
    report = work.ask(
        plan.model,
        f"Seed {plan.settings.seed}: {plan.synthesis.strategy} paths by {plan.model.name}",
        lambda asking: synthesize_paths(
            replace(asking, prompts=plan.prompts, settings=plan.settings, draw=plan.draw),
            plan.questions,
            plan.guidelines,
            spending=work.spending,
            on_progress=artifacts.synthesis_progress(work.watcher, work.check_room),
        ),
        "synthesis",
    )
    work.timings.add(synthesis_tokens=report.tokens, synthesis_seconds=round(report.seconds, 1))
    if report.stopped_by in RUN_LIMITS:
        raise work.spending.stopped(report.stopped_by)
    with work.timings.phase("verification"), Judge(work.settings.verification) as judge:
        vote_paths(
            work.store,
            judge,
            work.settings.verification,
            draw=plan.draw,
            paths=pool_paths(work.store, plan),
        )
    row = write_pool_row(work.store, plan)
    work.watcher.say(
        f"{row.paths} {row.strategy} paths, {row.correct} right, {row.solved} of {row.questions}"
        f" questions solved, {row.hinted_correct} of {row.hinted_paths} hinted ones right;"
        f" {row.tokens} tokens."
    )
    work.keep_timings()


def _train(work: Workplace, contest: Contest, lesson: "Lesson") -> None:
    entrant = lesson.entrant
    training_set = keep_examples(contest, entrant, lesson.choices)
    before = contest.trial(entrant.one, entrant.seed, entrant.iteration - 1)
    adapter = _adapter(work, contest, training_set, entrant.one.learning_rate, entrant.seed, before)
    model = model_of(contest.base, adapter)
    work.store.append([trial_of(contest, entrant, lesson.choices, training_set, adapter, model)])
    work.keep_timings()


def _adapter(
    work: Workplace,
    contest: Contest,
    training_set: TrainingSet,
    rate: float,
    seed: int,
    before: Trial | None,
) -> Adapter:
    """The adapter of a training set, from the base or from the iteration before."""
    training = contest.settings.training.model_copy(update={"learning_rate": rate})
    settings = contest.seeded(seed).model_copy(update={"training": training})
    parent = None
    if training.start == "champion" and before is not None and before.adapter_id is not None:
        parent = work.store.get(
            Adapter, _model_with_weights(work, contest, before).adapter_id or before.adapter_id
        )
    title = f"{training_set.method}, seed {seed}, rate {rate:g}: training"
    return work.train(Training(training_set, work.base, settings, parent=parent), title)


def _answer(
    work: Workplace, contest: Contest, trials: "Sequence[Trial]", questions: "Sequence[Question]"
) -> None:
    """Let the trials' models answer what is missing, the base first, as adapters need it."""
    asked: set[tuple[object, object]] = set()
    for trial in sorted(trials, key=lambda one: one.adapter_id is not None):
        if (trial.model_id, trial.prompt_id) in asked or is_answered(contest, trial, questions):
            continue
        asked.add((trial.model_id, trial.prompt_id))
        model, prompts = (
            _model_with_weights(work, contest, trial),
            {"answer": contest.prompt(trial.prompt_id)},
        )
        work.ask(
            model,
            f"{trial.method}, seed {trial.seed}: {model.name} answers {len(questions)} questions",
            lambda asking, prompts=prompts, trial=trial: evaluate_model(
                replace(asking, prompts=prompts),
                questions,
                "control" if trial.adapter_id else "base",
            ),
            "evaluation",
        )
        work.keep_timings()


def _model_with_weights(work: Workplace, contest: Contest, trial: Trial) -> Model:
    """The trial's model, trained again where its weights are not here, as after `--from`."""
    model = contest.model(trial.model_id)
    adapter = work.store.get(Adapter, trial.adapter_id) if trial.adapter_id else None
    training_set = (
        work.store.get(TrainingSet, trial.training_set_id) if trial.training_set_id else None
    )
    if (
        adapter is None
        or training_set is None
        or (work.environment.home / adapter.location).is_dir()
    ):
        return model
    before = contest.before(trial)
    trained = model_of(
        contest.base, _adapter(work, contest, training_set, trial.learning_rate, trial.seed, before)
    )
    work.store.update(replace(trial, model_id=trained.id))
    return trained
