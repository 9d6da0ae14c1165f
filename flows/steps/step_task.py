"""A step as a Prefect task: retried where that may help, ended cleanly by a run's limit."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.runs.results import ended_early
from flows.steps.workplace import Workplace
from storage.errors import Stopped, TransientError

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task

P = ParamSpec("P")
T = TypeVar("T")


def _may_pass(task: "Task[..., Any]", run: "TaskRun", state: "State[Any]") -> bool:
    """Only what is transient is tried again."""
    return isinstance(state.data, TransientError) or isinstance(
        getattr(state.data, "exception", None), TransientError
    )


STEP: dict[str, Any] = {
    # the store knows what is done; a cached result of Prefect's would be believed against it
    "cache_policy": NO_CACHE,
    # results hold a workplace with open files, and everything that must stay is in the store
    "persist_result": False,
    # an engine that died is started again twice; what still fails then is no matter of chance
    "retries": 2,
    "retry_delay_seconds": 5,
    "retry_condition_fn": _may_pass,
}


def step(
    name: str, **options: Any
) -> Callable[[Callable[Concatenate[Workplace, P], T]], Callable[Concatenate[Workplace, P], T]]:
    """A step on a workplace as a Prefect task of this name.

    Where a limit stops the step early, the task's state says which limit, and Stopped is raised
    again outside the task, so that Prefect does not mark the task as failed.
    """

    def as_task(
        do: Callable[Concatenate[Workplace, P], T],
    ) -> Callable[Concatenate[Workplace, P], T]:
        @wraps(do)
        def within_limits(
            work: Workplace, *arguments: P.args, **named: P.kwargs
        ) -> "T | State[None]":
            try:
                return do(work, *arguments, **named)
            except Stopped as stopped:
                work.end_stopped(stopped)
                return ended_early(stopped, None)

        run_task = cast("Callable[..., T]", task(name=name, **STEP, **options)(within_limits))

        @wraps(do)
        def run(work: Workplace, *arguments: P.args, **named: P.kwargs) -> T:
            given = run_task(work, *arguments, **named)
            if work.stopped:
                raise work.stopped
            return given

        return run

    return as_task
