"""From stored answers to what the gate compares: verdicts of models on the same questions."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from storage.errors import InputError
from storage.records import Answer, Evaluation, Label, Model, Question, QuestionSet, Round
from tasks.rules.gate.gate import PairedSet

if TYPE_CHECKING:
    from storage.open_store import Store


def paired_sets(
    store: "Store", round: Round, challenger: Model, champion: Model
) -> tuple[list[PairedSet], int]:
    """Paired verdicts of each set that the challenger answered, and how many were left out.

    Left out is what one model answered and another did not.

    Reads the `gate` part only. Raises InputError where another model has no evaluation on one of
    the sets.
    """
    with store.reading():
        return _paired_sets(
            store, round, challenger, list(dict.fromkeys([champion.id, round.base_model_id]))
        )


def _paired_sets(
    store: "Store", round: Round, challenger: Model, others: Sequence[UUID]
) -> tuple[list[PairedSet], int]:
    rows = store.select(Evaluation, round_id=round.id, part="gate")
    mine = [row for row in rows if row.model_id == challenger.id]
    if not mine:
        raise InputError(
            f"Challenger {challenger.name!r} has no evaluation on gate questions in round"
            f" {round.number}. Run: regenesis evaluate"
        )
    sets = {
        one.id: one for one in store.select(QuestionSet, id=[row.question_set_id for row in mine])
    }
    mine.sort(key=lambda row: (row.domain, sets[row.question_set_id].name))
    for row in mine:
        lacking = [one for one in others if not _has(rows, one, row.question_set_id)]
        if lacking:
            raise InputError(
                f"Model {lacking[0]} has no evaluation on {sets[row.question_set_id].name!r} in"
                f" round {round.number}; the gate compares all models on the same questions. Run:"
                " regenesis evaluate"
            )
    paired: list[PairedSet] = []
    left_out = 0
    for row in mine:
        one, missing = _paired_set(store, sets[row.question_set_id], row, [challenger.id, *others])
        paired.append(one)
        left_out += missing
    return paired, left_out


def _has(rows: Sequence[Evaluation], model_id: UUID, question_set_id: UUID) -> bool:
    return any(row.model_id == model_id and row.question_set_id == question_set_id for row in rows)


def _paired_set(
    store: "Store", question_set: QuestionSet, evaluation: Evaluation, models: Sequence[UUID]
) -> tuple[PairedSet, int]:
    questions = store.select(
        Question, question_set_id=question_set.id, part="gate", draw=evaluation.draw, order_by="id"
    )
    ids = [question.id for question in questions]
    by_request: defaultdict[tuple[UUID, str], defaultdict[UUID, dict[UUID, Answer]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    newest: dict[tuple[UUID, str], float] = {}
    asked: set[UUID] = set()  # a round asks some of a fixed set's gate questions
    for answer in store.select(Answer, question_id=ids, model_id=list(models), sample=0):
        key = (answer.prompt_id, answer.sampling)
        by_request[key][answer.question_id][answer.model_id] = answer
        newest[key] = max(newest.get(key, 0.0), answer.created_at.timestamp())
        asked.add(answer.question_id)
    # Of several prompts or samplings the one that every model answered most; of equals the newest.
    whole = {
        key: [one for one in ids if set(models) <= set(by_request[key][one])] for key in newest
    }
    best = max(whole, key=lambda key: (len(whole[key]), newest[key]), default=None)
    kept = whole[best] if best else []
    answers = [[by_request[best][one][model] for one in kept] if best else [] for model in models]
    lenient = _of_reading(
        question_set, evaluation, [[one.lenient_verdict for one in own] for own in answers]
    )
    strict = _of_reading(
        question_set, evaluation, [[one.strict_verdict for one in own] for own in answers]
    )
    return replace(strict, lenient=lenient), len(asked) - len(kept)


def _of_reading(
    question_set: QuestionSet, evaluation: Evaluation, verdicts: Sequence[Sequence[Label]]
) -> PairedSet:
    right = [tuple(verdict == "correct" for verdict in own) for own in verdicts]
    return PairedSet(
        name=question_set.name,
        domain=question_set.domain,
        # a fixed set has draw 0; its questions were asked at earlier decisions
        fresh=evaluation.draw > 0,
        challenger=right[0],
        champion=right[1],
        base=right[2] if len(right) > 2 else (),
    )
