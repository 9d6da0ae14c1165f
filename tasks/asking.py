"""One value for asking: who asks which model with what, and where the answers are kept.

Synthesis, evaluation, the A/A run and the forecast take it as their first argument.
`flows.steps.workplace` makes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from storage.records import Model, Prompt, Round
from tasks.engines.engine import Engine, Renders
from tasks.rules.answers.verdicts import Case, Judgement
from tasks.settings import Settings

if TYPE_CHECKING:
    from storage.open_store import Store


class Judges(Protocol):
    """The part of `tasks.verification.verify_paths.Judge` that asking needs."""

    async def judge_one(self, case: Case) -> Judgement:
        """The judgement of one text."""
        ...


def tell_nobody(done: int, total: int, seconds_left: float) -> None:
    """Progress that nobody watches."""


def utc_now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Asking:
    """Everything that stays the same while a step asks a model."""

    store: "Store"
    engine: Engine
    """An engine that is an async context manager is entered by the step that asks."""
    renderer: Renders
    judge: Judges
    model: Model
    prompts: Mapping[str, Prompt]
    settings: Settings
    round: Round | None = None
    """None where a comparison asks, which has no round."""
    draw: int = 0
    """The draw of what is generated: the round's number, or the comparison's own."""
    now: Callable[[], datetime] = utc_now
    cached: bool = True
    """Whether the server may reuse another request's prefix."""
    on_answer: Callable[[int, int, float], None] = tell_nobody
    """Told when a held-out answer came, or failed for good: how many of how many, seconds left."""
