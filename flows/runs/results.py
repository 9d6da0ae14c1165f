"""What a flow gives back: a text for a person, and the same as JSON."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from flows.runs.outcomes import BUDGET_SPENT, STORE_BUSY
from storage.errors import Stopped, StoreBusy

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


def outcome_of(stopped: Stopped) -> str:
    """How the UI names a clean end before the work was done."""
    return STORE_BUSY if isinstance(stopped, StoreBusy) else BUDGET_SPENT


def ended_early(stopped: Stopped, result: R) -> "State[R]":
    """The state of such an end: completed, and so named that the UI tells it apart."""
    from prefect.states import Completed

    return Completed(name=outcome_of(stopped), message=str(stopped), data=result)


def completed(result: Result) -> "State[Result]":
    """The state of a flow that ended well, named after its outcome, with its last lines."""
    from prefect.states import Completed

    return Completed(
        name=result.outcome, message="\n".join(result.text.splitlines()[-2:]), data=result
    )


def named_after_outcome(
    flow: "Callable[P, Result | State[Result]]",
) -> "Callable[P, State[Result]]":
    """The flow's function, with its outcome as the state's name."""

    @wraps(flow)
    def run(*arguments: P.args, **named: P.kwargs) -> "State[Result]":
        result = flow(*arguments, **named)
        # a limit that ended it says so itself
        return completed(result) if isinstance(result, Result) else result

    return run


def ends_cleanly(flow: Callable[P, Result]) -> "Callable[P, Result | State[Result]]":
    """The flow's function; where it is stopped early, the flow's state says by what."""

    @wraps(flow)
    def run(*arguments: P.args, **named: P.kwargs) -> "Result | State[Result]":
        try:
            return flow(*arguments, **named)
        except Stopped as stopped:
            return ended_early(
                stopped, Result(outcome_of(stopped), str(stopped), {"reason": str(stopped)})
            )

    return run
