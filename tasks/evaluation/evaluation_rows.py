"""From stored answers to rows: one evaluation per set and part, and its figures with intervals."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from storage.errors import InputError, PermanentError, ReGenesisError, TransientError
from storage.ids import content_id, seed_of
from storage.records import (
    Answer,
    Evaluation,
    EvaluationFigure,
    FailedRequest,
    Model,
    Part,
    QuestionSet,
    Round,
)
from tasks.asking import Asking
from tasks.engines.engine import LASTING
from tasks.evaluation.answering import PlannedAnswer, known_answers
from tasks.rules.answers.finish_reasons import is_natural_stop
from tasks.rules.gate.answer_figures import Figure, greedy_figures, sampled_figures
from tasks.rules.gate.statistics import wilson_interval
from tasks.rules.ladder.requests import StagePlan

if TYPE_CHECKING:
    from storage.open_store import Store

MOST_MISSING = 0.05
"""Share of questions without an answer above which an evaluation says nothing."""
# the source of our own figures, beside those of a harness
OURS = "regenesis"


@dataclass(frozen=True)
class _Group:
    """The answers to one part of one set: the first of each question, and its samples."""

    question_set: QuestionSet
    part: Part
    draw: int
    answers: list[Answer]
    sampled: dict[UUID, list[Answer]]


def count_answers(
    asking: Asking,
    wanted: Sequence[PlannedAnswer],
    sampled: Sequence[PlannedAnswer],
    plan: StagePlan,
    role: str,
) -> list[Evaluation]:
    """The evaluations of these answers, stored with their figures.

    Raises where over 5 % are missing.
    """
    store, model, round, now = asking.store, asking.model, asking.round, asking.now()
    answers = known_answers(store, [*wanted, *sampled])
    missing = [one for one in wanted if one.id not in answers]
    if len(missing) > MOST_MISSING * len(wanted):
        raise _kind_of_error(store, missing)(
            f"An evaluation needs an answer to at least {1 - MOST_MISSING:.0%} of its questions;"
            f" {model.name!r} gave none to {len(missing)} of {len(wanted)} (first: question"
            f' {missing[0].question.id}). Why: regenesis sql "SELECT reason, message, count(*)'
            " FROM failed_requests WHERE stage = 'answer' GROUP BY ALL\""
        )
    samples = len({one.sample for one in sampled})
    rows: list[Evaluation | EvaluationFigure] = []
    ids: list[UUID] = []
    for group in _groups(store, wanted, sampled, answers):
        key = evaluation_id(round, model, group.question_set.id, group.part, plan)
        ids.append(key)
        rows.append(_evaluation(key, group, model, round, role, now))
        # seeded by the evaluation's id: the same interval whenever it is counted
        generator = np.random.default_rng(seed_of(key))
        found = [
            *greedy_figures(group.answers, generator),
            *sampled_figures(group.sampled, samples, generator),
        ]
        rows += [figure_row(key, round, OURS, figure, now) for figure in found]
    store.append(rows)
    stored = {row.id: row for row in store.select(Evaluation, id=ids)}
    return [stored[key] for key in ids]


def _kind_of_error(store: "Store", missing: Sequence[PlannedAnswer]) -> type[ReGenesisError]:
    """Whether asking again may help: some of what was missing failed for a reason that may pass."""
    failed = store.select(FailedRequest, request_id=[one.id for one in missing])
    return TransientError if {one.reason for one in failed} - set(LASTING) else PermanentError


def evaluation_id(
    round: Round | None, model: Model, question_set_id: UUID, part: Part, plan: StagePlan
) -> UUID:
    """The id that the evaluation of one part of one set has or will have."""
    asked = round.id if round else None
    return content_id(
        "evaluations", asked, model.id, question_set_id, part, plan.prompt.id, plan.sampling_text
    )


def figure_row(
    evaluation: UUID, round: Round | None, source: str, figure: Figure, now: datetime
) -> EvaluationFigure:
    """A figure as it is stored."""
    return EvaluationFigure(
        id=content_id(
            "evaluation_figures", evaluation, source, figure.name, figure.reading, figure.k
        ),
        evaluation_id=evaluation,
        round_id=round.id if round else None,
        source=source,
        name=figure.name,
        reading=figure.reading,
        k=figure.k,
        questions=figure.questions,
        value=figure.value,
        low=figure.interval.low,
        high=figure.interval.high,
        created_at=now,
    )


def _groups(
    store: "Store",
    wanted: Sequence[PlannedAnswer],
    sampled: Sequence[PlannedAnswer],
    answers: dict[UUID, Answer],
) -> list[_Group]:
    groups: defaultdict[tuple[UUID, Part], list[PlannedAnswer]] = defaultdict(list)
    for one in wanted:
        if one.id in answers:
            groups[one.question.question_set_id, one.question.part].append(one)
    several: defaultdict[tuple[UUID, Part], defaultdict[UUID, list[Answer]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for one in sampled:
        if one.id in answers:
            several[one.question.question_set_id, one.question.part][one.question.id].append(
                answers[one.id]
            )
    sets = {one.id: one for one in store.select(QuestionSet, id=list({key[0] for key in groups}))}
    if lost := {key[0] for key in groups} - sets.keys():
        raise InputError(f"Question set {lost.pop()} is not in the store. Run: regenesis ingest")
    return [
        _Group(
            sets[key[0]],
            key[1],
            ones[0].question.draw,
            [answers[one.id] for one in ones],
            dict(several[key]),
        )
        for key, ones in groups.items()
    ]


def _evaluation(
    key: UUID, group: _Group, model: Model, round: Round | None, role: str, now: datetime
) -> Evaluation:
    answers = group.answers
    strict = sum(answer.strict_verdict == "correct" for answer in answers)
    lenient = sum(answer.lenient_verdict == "correct" for answer in answers)
    strict_interval, lenient_interval = (
        wilson_interval(strict, len(answers)),
        wilson_interval(lenient, len(answers)),
    )
    return Evaluation(
        id=key,
        round_id=round.id if round else None,
        model_id=model.id,
        question_set_id=group.question_set.id,
        domain=group.question_set.domain,
        part=group.part,
        draw=group.draw,
        role=role,
        questions=len(answers),
        strict_correct=strict,
        lenient_correct=lenient,
        unjudged=sum(answer.strict_verdict == "unjudged" for answer in answers),
        stopped=sum(is_natural_stop(answer.finish_reason) for answer in answers),
        mean_tokens=sum(answer.completion_tokens for answer in answers) / len(answers),
        strict_low=strict_interval.low,
        strict_high=strict_interval.high,
        lenient_low=lenient_interval.low,
        lenient_high=lenient_interval.high,
        created_at=now,
    )
