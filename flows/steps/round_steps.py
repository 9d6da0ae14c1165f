"""The steps of a round as Prefect tasks; each does what the store lacks.

What a step needs of a finished one it reads from the store, so that any process can go on with the
round.
"""

import json
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from prefect import task

from flows.runs.results import Result
from flows.steps import artifacts, facts
from flows.steps.ingest_file import AskedFile, ingest_question_file
from flows.steps.ingest_published import AskedSet, ingest_published
from flows.steps.step_task import STEP, step
from flows.steps.workplace import Workplace
from storage.environment import read_environment
from storage.errors import InputError, PermanentError
from storage.open_store import open_store
from storage.records import Model, Outcome, Promotion, Question, Round
from tasks.asking import utc_now
from tasks.budget import RUN_LIMITS
from tasks.engines.harness import Target, harness_version
from tasks.engines.models.model_files import refuse_quantised
from tasks.engines.trainer.training_process import plan_launch
from tasks.evaluation import noise
from tasks.evaluation.cross_check import cross_check as check
from tasks.evaluation.evaluate_model import evaluate_model
from tasks.evaluation.noise import next_sample
from tasks.ingestion.ingest_questions import check_question_sets, ingest_embedded
from tasks.promotion import promote as promotion
from tasks.promotion.promote import (
    carry_out,
    current_champion,
    decide_promotion,
    promotions_of,
    repair,
)
from tasks.reports.round_report import draw_report, round_table, write_report
from tasks.rounds import round_row as rounds
from tasks.rounds.log_to_mlflow import log_round
from tasks.settings import Settings
from tasks.synthesis.round_forecast import Hardware, forecast_round, kept_weight_bytes
from tasks.synthesis.synthesize_paths import synthesize_paths as synthesize
from tasks.training.select_examples import SelectionPlan
from tasks.training.select_examples import select_examples as select
from tasks.training.train_adapter import Training, example_counter
from tasks.verification.audit import audit_verdicts as audit
from tasks.verification.collapse_watch import TIMINGS_KEY
from tasks.verification.collapse_watch import watch_collapse as watch
from tasks.verification.verify_paths import VERIFIER_VERSION, Judge
from tasks.verification.verify_paths import verify_paths as verify
from tasks.verification.vote_paths import vote_paths

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_training(settings: Settings) -> None:
    """Raise where training cannot start here, before a night of paths and not after it."""
    plan_launch(settings.training.kind, settings.training.accelerate_config)


@step("begin round")
def begin_round(work: Workplace, new: bool = False, change: bool = False) -> None:
    """Continue the line's unfinished round, or begin one, and repair what a crash left.

    `change` gives an unfinished round the synthesis settings at hand.
    """
    with work.timings.phase("storage"):
        if promotions_of(work.store, work.line):
            for line in repair(work.store, work.tracking, base=work.base.record, line=work.line):
                work.watcher.say(line)
        unfinished = rounds.unfinished_round(work.store, work.line)
        if unfinished and new:
            rounds.abandon_round(work.store, unfinished, "a new round was asked for")
            work.watcher.say(
                f"Round {unfinished.number} is abandoned; what it wrote stays in the store."
            )
            unfinished = None
        if unfinished:
            _go_on(work, unfinished, change)
        else:
            _begin(work)
        artifacts.warn_of_misfits(work)


def _go_on(work: Workplace, unfinished: Round, change: bool) -> None:
    work.round = unfinished
    work.own_round()
    if change:
        _change_synthesis(work)
    work.settings = rounds.settings_of(work.round)
    check_training(work.settings)
    work.timings = rounds.Timings.of(work.round)
    words = (
        "these synthesis settings" if change else "the settings it began with (--new abandons it)"
    )
    begun = f"{work.round.started_at:%Y-%m-%d %H:%M} UTC"
    work.watcher.say(f"Round {work.round.number}, begun {begun}, goes on with {words}.")


def _begin(work: Workplace) -> None:
    check_question_sets(work.store, work.settings)
    refuse_quantised(work.base.folder, work.settings.model.name)
    check_training(work.settings)
    champion = current_champion(work.store, work.base.record, work.line)
    work.store.append([work.base.record])
    work.round = rounds.start_round(work.store, work.settings, work.base.record, champion)
    work.own_round()
    work.settings = rounds.settings_of(work.round)  # of the machine that came first
    work.watcher.say(f"Round {work.round.number} of {work.line}; the champion is {champion.name}.")


def _change_synthesis(work: Workplace) -> None:
    if facts.training_set_of(work) is not None:
        raise InputError(
            f"Synthesis settings are changed before training; round {work.round.number} has its"
            " training set. Leave out --change, or begin another round: regenesis round --new"
        )
    work.round = rounds.change_synthesis(work.store, work.round, work.settings.synthesis)


@step("ingest questions")
def ingest_questions(work: Workplace) -> None:
    """The round's questions, the guidelines and the prompts, in the store."""
    work.watcher.step("Drawing questions")
    with work.timings.phase("storage"):
        ingest_embedded(work.store, work.settings, work.round.number)
        work.store.append([*work.guidelines, *work.prompts.values()])


@step("synthesize paths")
def synthesize_paths(work: Workplace) -> None:
    """Reasoning paths by guidelines, adapted guidelines and structures, each with its verdict."""
    if facts.training_set_of(work) is not None:
        return
    questions = work.questions("train")
    work.open_tracking_meanwhile()
    writer = facts.writer_of(work)
    report = work.ask(
        writer,
        "Writing reasoning paths",
        lambda asking: synthesize(
            asking,
            questions,
            work.guidelines,
            spending=work.spending,
            on_progress=artifacts.synthesis_progress(work.watcher, work.check_room),
        ),
        "synthesis",
    )
    artifacts.note_synthesis(work, report)
    artifacts.warn_of_cuts(work, "adapted guideline", "structure", "path")
    work.keep_timings()
    if report.stopped_by in RUN_LIMITS:
        raise work.spending.stopped(report.stopped_by)


@step("audit verdicts")
def audit_verdicts(work: Workplace) -> None:
    """Vote on each question's paths, and let a second judge read disputed ones."""
    if facts.training_set_of(work) is not None:
        return
    work.watcher.step("Reading verdicts again")
    with work.timings.phase("verification"), Judge(work.settings.verification) as judge:
        vote_paths(work.store, judge, work.settings.verification, draw=work.round.number)
        found = audit(work.store, draw=work.round.number, seed=work.settings.seed)
    work.watcher.say(
        f"A second judge read {len(found.cases)} paths and differs on {len(found.disagreements)}:"
        " regenesis audit"
    )


@step("watch collapse")
def watch_collapse(work: Workplace) -> None:
    """Figures of the round's texts against the line's earlier rounds, with warnings."""
    if TIMINGS_KEY in work.timings.figures and facts.training_set_of(work) is not None:
        return
    work.watcher.step("Looking for collapse")
    with work.timings.phase("verification"):
        seen = watch(work.store, work.round, facts.writer_of(work).id, work.base.record.id)
    work.timings.figures |= seen.as_figures()
    artifacts.warn_of_collapse(work, seen)
    work.keep_timings()


@step("select examples")
def select_examples(work: Workplace) -> None:
    """The training set of the round, with a reason for each path that is not in it."""
    if facts.training_set_of(work) is not None:
        return
    work.watcher.step("Selecting training examples")
    with work.timings.phase("storage"):
        counter = example_counter(work.renderer)
        plan = SelectionPlan.of_round(work.round, work.settings, work.prompts, count_tokens=counter)
        sets = [one.id for one in work.question_sets("in_domain")]
        chosen = select(work.store, plan, round=work.round, question_set_ids=sets)
    work.watcher.say(
        f"Training set: {chosen.examples} examples, {chosen.hinted_examples} of them hinted."
    )


@step("train adapter")
def train_adapter(work: Workplace) -> None:
    """The challenger's adapter."""
    challenger = facts.challenger_of(work)
    # its run is noted last: without one, logging and registering were cut off and go on
    if challenger is not None and challenger.mlflow_run_id:
        return
    training_set = facts.training_set_of(work)
    if training_set is None:
        raise InputError(f"Round {work.round.number} has no training set. Run: regenesis train")
    fewest = work.settings.training.min_examples
    if training_set.examples < fewest:
        raise PermanentError(
            f"Training needs at least {fewest} examples (training.min_examples); round"
            f" {work.round.number} has {training_set.examples}, so it ends here. Draw more"
            " questions or chains: regenesis round"
        )
    work.train(Training(training_set, work.base, work.settings, work.round))


@step("evaluate", task_run_name="evaluate {role}")
def evaluate(work: Workplace, role: str) -> None:
    """Let base, champion or challenger answer; the champion some questions twice (A/A)."""
    model = facts.model_in(work, role)
    questions = work.questions("gate", "final")
    if not facts.is_evaluated(work, model, questions):
        work.ask(
            model,
            f"{role.capitalize()} answers {len(questions)} held-out questions",
            lambda asking: evaluate_model(asking, questions, role),
            "evaluation",
        )
    if twice := facts.to_ask_twice(work, model, questions):
        _ask_again(work, model, twice, sample=1)
    artifacts.warn_of_cuts(work, "held-out answer")
    work.keep_timings()


@step("ask again", task_run_name="ask {role} again")
def ask_again(work: Workplace, role: str) -> str:
    """Every held-out question of a model once more, its cache off; says what changed.

    The first answers stand.
    """
    model = facts.model_in(work, role)
    questions = work.questions("gate", "final")
    return _ask_again(work, model, questions, next_sample(work.store, model, questions))


@step("cross-check", task_run_name="cross-check {role}")
def cross_check(work: Workplace, role: str) -> None:
    """Another harness asks and judges a model's gate questions; its figures stand beside ours."""
    model, version = facts.model_in(work, role), harness_version()  # said before a server starts
    url, name, key = work.address_of(model)
    work.watcher.step(f"{version} asks {model.name}")
    with work.timings.phase("evaluation"):
        target = Target(url, name, work.base.folder, key)
        check(
            work.store,
            target,
            model,
            work.round,
            work.questions("gate"),
            work.prompts,
            work.settings,
        )


def _ask_again(work: Workplace, model: Model, questions: "Sequence[Question]", sample: int) -> str:
    began = time.monotonic()
    found = work.ask(
        model,
        f"{model.name} answers {len(questions)} questions again",
        lambda asking: noise.ask_again(asking, questions, sample),
        "evaluation",
    )
    seconds = time.monotonic() - began
    work.timings.add(noise_seconds=round(seconds, 1), noise_tokens=found.tokens)
    said = f"{model.name}: {found} (A/A; {seconds:.1f} s)."
    work.watcher.say(said)
    return said


@step("promote")
def promote(work: Workplace) -> Promotion:
    """The gate's decision, carried out."""
    work.release_server()
    work.watcher.step("Deciding")
    with work.timings.phase("storage"):
        decided = rounds.promotion_of(work.store, work.round) or decide_promotion(
            work.store,
            round=work.round,
            challenger=facts.model_in(work, "challenger"),
            champion=facts.model_in(work, "champion"),
            settings=work.settings,
        )
        decided = carry_out(work.store, work.tracking, decided)
    work.round = rounds.decide_round(work.store, work.round, decided.outcome, work.timings)
    return decided


@step("overrule")
def overrule(work: Workplace, outcome: Outcome, person: str, reason: str) -> None:
    """A person's word over the gate's decision on this round, kept beside it."""
    decided = rounds.promotion_of(work.store, work.round)
    if decided is None:
        raise InputError(
            f"A person overrules a decision; the gate has made none on round {work.round.number}. "
            f"Run: regenesis promote --round {work.round.number}"
        )
    word = promotion.Word(person, reason, utc_now())
    done = promotion.overrule(
        work.store, work.tracking, decided, outcome, word, base=work.base.record
    )
    work.tracking.note_decision(
        work.round, decided.challenger_model_id, done.decided_by, done.reasons
    )
    work.watcher.say(f"{done.reasons} ({done.decided_by})")


@step("report")
def report(work: Workplace) -> Result:
    """The report of the round, which is over then, and the reader's copy of the database."""
    work.watcher.step("Writing the report")
    over = replace(work.round, status="finished")
    drawn = draw_report(work.store, over)
    path = write_report(drawn, over, work.environment.reports)
    log_round(work.store, work.tracking, over, artifacts.figures_of(work), drawn, path)
    work.round = rounds.finish_round(work.store, work.round)
    work.store.refresh_reader()
    artifacts.tabulate_results(work)
    artifacts.link_report(work, path)
    outcome = work.round.outcome
    decided = rounds.promotion_of(work.store, work.round)
    text = (
        f"{round_table(work.store, work.round)}\n{decided.reasons if decided else ''}\nReport:"
        f" {path}"
    )
    figures = {"round": work.round.number, "line": work.round.line, "report": path}
    return Result(outcome, text, figures | json.loads(work.round.timings))


@task(name="ingest file", **STEP)
def ingest_file(wanted: AskedFile) -> Result:
    """A file's questions, in the store."""
    return ingest_question_file(wanted)


@task(name="ingest published set", **STEP)
def ingest_published_questions(wanted: AskedSet) -> Result:
    """A published set's questions, in the store."""
    return ingest_published(wanted)


@task(name="verify paths", **STEP)
def verify_paths(settings: Settings, round_number: int) -> Result:
    """Verdicts of this version for stored paths that lack one."""
    store = open_store(read_environment().store_url)
    with Judge(settings.verification) as judge:
        judged = verify(store, judge, draw=round_number or None)
    return Result(
        "verified", f"{judged} paths judged by version {VERIFIER_VERSION}.", {"judged": judged}
    )


@step("forecast")
def forecast(work: Workplace, rate: float) -> Result:
    """What the round at hand will take; the probe's paths are the round's own."""
    questions, writer = work.questions("train"), facts.writer_of(work)
    answers = 2 * len(work.questions("gate", "final")) + work.settings.evaluation.noise_questions
    weights = kept_weight_bytes(work.base.folder, work.settings.training)
    found = work.ask(
        writer,
        "Probing",
        lambda asking: forecast_round(
            asking,
            questions,
            work.guidelines,
            evaluation_answers=answers,
            hardware=Hardware(tokens_per_second=rate or None, weight_bytes=weights),
        ),
        "synthesis",
    )
    return Result("forecast", "\n".join(found.lines()), asdict(found))


@step("roll back")
def roll_back(work: Workplace, to: str, reason: str) -> Result:
    """An earlier champion is champion again."""
    target = facts.find_model(work.store, to) if to else None
    done = promotion.roll_back(
        work.store, work.tracking, base=work.base.record, line=work.line, to=target, reason=reason
    )
    champion = promotion.current_champion(work.store, work.base.record, work.line)
    return Result(
        "rolled back", f"The champion of {work.line} is {champion.name}.", {"promotion": done.id}
    )


def find_round(work: Workplace, number: int) -> None:
    """Work on the round of this number, or on the newest of the line."""
    work.round = rounds.find_round(work.store, number, work.line)
    work.settings = rounds.settings_of(work.round)
    work.timings = rounds.Timings.of(work.round)
    work.own_round()
