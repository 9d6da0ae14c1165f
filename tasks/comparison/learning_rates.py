"""The choice of each method's learning rate, on in-domain development questions alone."""

from collections.abc import Sequence
from datetime import UTC, datetime

from storage.ids import content_id
from storage.records import Answer, ComparisonFigure, Evaluation, Question, Trial
from tasks.comparison.contest import Contest
from tasks.evaluation.answering import answer_plan, known_answers, planned_answers
from tasks.evaluation.evaluation_rows import MOST_MISSING, evaluation_id
from tasks.rules.gate.statistics import wilson_interval


def answers_of(
    contest: Contest, trial: Trial, questions: Sequence[Question]
) -> list[Answer | None]:
    """The greedy answers of a trial's model, question by question; None where it gave none."""
    plan = answer_plan({"answer": contest.prompt(trial.prompt_id)}, contest.settings)
    wanted = planned_answers(questions, contest.model(trial.model_id), plan, 0)
    known = known_answers(contest.store, wanted)
    return [known.get(one.id) for one in wanted]


def is_answered(contest: Contest, trial: Trial, questions: Sequence[Question]) -> bool:
    """Whether its model has answered nearly all of them, and they are counted."""
    plan = answer_plan({"answer": contest.prompt(trial.prompt_id)}, contest.settings)
    model = contest.model(trial.model_id)
    counted = {evaluation_id(None, model, one.question_set_id, one.part, plan) for one in questions}
    missing = sum(answer is None for answer in answers_of(contest, trial, questions))
    return (
        missing <= MOST_MISSING * len(questions)
        and contest.store.existing(Evaluation, list(counted)) == counted
    )


def choose_rates(contest: Contest) -> list[str]:
    """Choose each method's learning rate and store it; returns a line per method.

    Of rates with equal accuracy the smaller one is chosen.
    """
    first, questions, said = contest.seeds[0], contest.dev_questions, list[str]()
    for contender in (one for one in contest.contenders if one.method.trains):
        found: dict[float, int] = {}
        for trial in contest.trials:
            if (trial.method, trial.seed, trial.iteration) == (
                contender.name,
                first,
                trial.iterations,
            ):
                answers = answers_of(contest, trial, questions)
                found[trial.learning_rate] = sum(
                    one is not None and one.strict_verdict == "correct" for one in answers
                )
        best = max(sorted(found), key=lambda rate: found[rate])
        rows = [
            _figure(
                contest,
                contender.name,
                "dev_accuracy",
                f"{rate:g}",
                right / len(questions),
                len(questions),
            )
            for rate, right in found.items()
        ]
        contest.store.append(
            [*rows, _figure(contest, contender.name, "chosen_rate", "", best, len(questions))]
        )
        tried = ", ".join(
            f"{rate:g}: {right / len(questions):.1%}" for rate, right in found.items()
        )
        said.append(
            f"{contender.name} learns at {best:g} ({tried} of {len(questions)} development"
            " questions)."
        )
    return said


def _figure(
    contest: Contest, method: str, name: str, rates: str, value: float, questions: int
) -> ComparisonFigure:
    interval = (
        wilson_interval(round(value * questions), questions) if name == "dev_accuracy" else None
    )
    return ComparisonFigure(
        id=content_id("comparison_figures", contest.record.id, name, method, rates),
        comparison_id=contest.record.id,
        name=name,
        rates=rates,
        reading="strict",
        scope="in_domain",
        method=method,
        against="",
        iteration=1,
        seeds=1,
        questions=questions,
        value=value,
        low=interval.low if interval else value,
        high=interval.high if interval else value,
        p_value=None,
        p_adjusted=None,
        created_at=datetime.now(UTC),
    )
