"""A real store with two small question sets, and models of one line of rounds, for evaluation and
promotion.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage.ids import content_id
from storage.open_store import Store, open_store
from storage.records import Domain, Model, Part, Question, QuestionSet, Round
from tasks.settings import EvaluationSettings, Settings

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SETTINGS = Settings(evaluation=EvaluationSettings())


@dataclass(frozen=True)
class Clock:
    """A clock that goes on by a second at each look."""

    times: list[datetime]

    def __call__(self) -> datetime:
        self.times.append(self.times[-1] + timedelta(seconds=1))
        return self.times[-1]


def clock() -> Clock:
    return Clock([NOON])


def model(name: str, adapter: str = "") -> Model:
    """The base, or the base with an adapter."""
    base = content_id("models", "base")
    return Model(
        id=content_id("models", name) if adapter else base,
        name=name,
        base_model_id=base,
        adapter_id=content_id("adapters", adapter) if adapter else None,
        revision="r",
        chat_template_hash="h",
    )


BASE = model("base")
CHALLENGER = model("base+round1", "round1")


def question_set(name: str, domain: Domain) -> QuestionSet:
    return QuestionSet(
        id=content_id("question_sets", name),
        name=name,
        domain=domain,
        source=f"procedural:{name}",
        digest="d",
        mapping="{}",
        licence="",
        citation="",
        redistributable=True,
        created_at=NOON,
    )


SETS = [question_set("sums", "in_domain"), question_set("riddles", "out_of_domain")]


def questions_of(one: QuestionSet, part: Part, count: int, draw: int) -> list[Question]:
    """Sums whose answer is their own number."""
    return [
        Question(
            id=content_id("questions", one.id, part, draw, place),
            question_set_id=one.id,
            source_row_id=str(place),
            part=part,
            draw=draw,
            text=f"<b>{one.name}</b> {part} {draw} of number {place}?",
            choices=[],
            answer=str(place),
            answer_kind="number",
            extra="{}",
            created_at=NOON,
        )
        for place in range(count)
    ]


def round_of(number: int, champion: Model = BASE) -> Round:
    return Round(
        id=content_id("rounds", number),
        number=number,
        line="base/test",
        base_model_id=BASE.id,
        champion_model_id=champion.id,
        seed=1,
        status="running",
        outcome="",
        reason="",
        settings=SETTINGS.model_dump_json(),
        timings="{}",
        started_at=NOON + timedelta(hours=number),
        finished_at=None,
    )


def small_store(
    folder: Path, *, gate: int = 64, final: int = 8, draw: int = 1
) -> tuple[Store, list[Question]]:
    """The store, and the gate and final questions of a draw."""
    store = open_store(f"duckdb:///{folder / 'small.duckdb'}")
    parts: list[tuple[Part, int, int]] = [("gate", gate, draw), ("final", final, 0)]
    questions = [
        one
        for each in SETS
        for part, count, own in parts
        for one in questions_of(each, part, count, own)
    ]
    store.append([*SETS, *questions, BASE, CHALLENGER])
    return store, questions
