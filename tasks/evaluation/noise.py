"""The noise floor: the same questions asked again, to count changes without training (A/A).

The second asking goes in the other order and reuses no cached prefix. Its answers are rows beside
the first, which stand; an evaluation never counts them.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from storage.records import Answer, Model, Question
from tasks.asking import Asking, tell_nobody
from tasks.engines.engine import entered
from tasks.evaluation.answering import (
    PlannedAnswer,
    answer_plan,
    ask_missing,
    known_answers,
    planned_answers,
)

if TYPE_CHECKING:
    from storage.open_store import Store


@dataclass(frozen=True)
class Noise:
    """What asking again changed; the floor under every difference between two models."""

    questions: int
    changed_texts: int
    changed_verdicts: int
    tokens: int
    """Generated for it."""

    def __str__(self) -> str:
        return (
            f"{self.questions} answers asked for again: {self.changed_texts} texts and"
            f" {self.changed_verdicts} verdicts changed"
        )


def noise_sample(questions: Sequence[Question], count: int) -> list[Question]:
    """Gate questions of all sets, `count` at most, chosen by their ids, which are hashes."""
    return sorted((one for one in questions if one.part == "gate"), key=lambda one: one.id)[:count]


def next_sample(store: "Store", model: Model, questions: Sequence[Question]) -> int:
    """The sample number above every stored one, under which these can be asked once more."""
    known = store.select(Answer, model_id=model.id, question_id=[one.id for one in questions])
    return 1 + max((answer.sample for answer in known), default=0)


def ask_again(asking: Asking, questions: Sequence[Question], sample: int = 1) -> Noise:
    """Ask for each answer again as this sample and compare; only missing ones are asked."""
    store = asking.store
    plan = answer_plan(asking.prompts, asking.settings)
    first, second = (
        planned_answers(questions, asking.model, plan, asking.draw, one) for one in (0, sample)
    )
    known = known_answers(store, [*first, *second])
    lacking = [[one for one in planned if one.id not in known] for planned in (first, second)]
    if any(lacking):
        asyncio.run(_ask(asking, *lacking))
    answers = known_answers(store, [*first, *second])
    pairs = [(answers.get(a.id), answers.get(b.id)) for a, b in zip(first, second, strict=True)]
    both = [(a, b) for a, b in pairs if a and b]
    return Noise(
        len(both),
        sum(a.text != b.text for a, b in both),
        sum(a.strict_verdict != b.strict_verdict for a, b in both),
        sum(b.completion_tokens for _, b in both),
    )


async def _ask(
    asking: Asking, first: Sequence[PlannedAnswer], second: Sequence[PlannedAnswer]
) -> None:
    """The second asking goes backwards, without cached prefixes."""
    async with entered(asking.engine) as engine:
        # another order makes other batches, and no cached prefix makes other sums: the two sources
        # of chance
        asking = replace(asking, engine=engine)
        await ask_missing(replace(asking, on_answer=tell_nobody), first)
        await ask_missing(replace(asking, cached=False), second[::-1])
