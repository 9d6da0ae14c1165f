"""What a flow gives back: a text for a person, and the same as JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from flows.outcomes import BUDGET_SPENT
from storage.errors import Stopped

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Result:
    """The end of a flow, and how it ended in a word or two."""

    outcome: str
    text: str
    figures: Mapping[str, object] = field(default_factory=dict[str, object])

    def as_json(self) -> dict[str, object]:
        """One object, for `--json`."""
        return {"outcome": self.outcome, **self.figures}


def budget_spent(message: str, result: R) -> "State[R]":
    """The state of what a window or a budget ended: completed, and so named that the UI tells it apart."""
    from prefect.states import Completed

    return Completed(name=BUDGET_SPENT, message=message, data=result)


def ends_cleanly(flow: Callable[P, Result]) -> "Callable[P, Result | State[Result]]":
    """The flow's function; where a limit of the run stops it, the flow's state is `budget spent`."""

    @wraps(flow)
    def run(*arguments: P.args, **named: P.kwargs) -> "Result | State[Result]":
        try:
            return flow(*arguments, **named)
        except Stopped as stopped:
            return budget_spent(str(stopped), Result(BUDGET_SPENT, str(stopped), {"reason": str(stopped)}))

    return run
