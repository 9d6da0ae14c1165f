"""The noise floor: a model is asked the same questions again, and what changes without any training is counted (A/A).

The second asking goes in the other order and reuses no cached prefix. Its answers are rows beside the first, which
stand; an evaluation never counts them.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from storage.records import Answer, Model, Prompt, Question, Round
from tasks.engines.engine import Engine, entered
from tasks.evaluation.answering import Asking, Judges, Renders, answer_plan, ask_missing, known_answers, planned_answers
from tasks.settings import Settings

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
            f"{self.questions} answers asked for again: {self.changed_texts} texts and {self.changed_verdicts} "
            "verdicts changed"
        )


def noise_sample(questions: Sequence[Question], count: int) -> list[Question]:
    """Gate questions of all sets, `count` at most, chosen by their ids, which are hashes."""
    return sorted((one for one in questions if one.part == "gate"), key=lambda one: one.id)[:count]


def next_sample(store: "Store", model: Model, questions: Sequence[Question]) -> int:
    """The number of a further asking of all these questions."""
    known = store.select(Answer, model_id=model.id, question_id=[one.id for one in questions])
    return 1 + max((answer.sample for answer in known), default=0)


def ask_again(
    store: "Store", engine: Engine, renderer: Renders, judge: Judges, *, model: Model, questions: Sequence[Question],
    prompts: Mapping[str, Prompt], settings: Settings, round: Round | None, draw: int = 0, sample: int = 1,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Noise:  # fmt: skip
    """Ask for each answer again as this sample and compare it with the first; only what is missing is asked."""
    plan = answer_plan(prompts, settings)
    first, second = (planned_answers(questions, model, plan, draw, one) for one in (0, sample))

    async def ask() -> None:
        known = known_answers(store, [*first, *second])
        lacking = [[one for one in planned if one.id not in known] for planned in (first, second)]
        if not any(lacking):
            return
        async with entered(engine) as running:
            for missing, cached in ((lacking[0], True), (lacking[1][::-1], False)):
                await ask_missing(
                    Asking(store, running, renderer, judge, model, round, settings, now, cached=cached), missing
                )

    asyncio.run(ask())
    answers = known_answers(store, [*first, *second])
    pairs = [(answers.get(a.id), answers.get(b.id)) for a, b in zip(first, second, strict=True)]
    both = [(a, b) for a, b in pairs if a and b]
    return Noise(
        len(both),
        sum(a.text != b.text for a, b in both),
        sum(a.strict_verdict != b.strict_verdict for a, b in both),
        sum(b.completion_tokens for _, b in both),
    )
