"""What steps ask of a model server: token ids in, a completion out.

The real engine is `tasks.engines.server.client.OpenAIEngine`; tests script others. Rendering and
judging are elsewhere.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, cast

from storage.errors import InputError, PermanentError, ReGenesisError, TransientError
from tasks.rules.ladder.prompts import Turns
from tasks.settings import Sampling


@dataclass(frozen=True)
class Completion:
    """The answer to one request; `finish_reason` is `stop`, or the server's word for the cut."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    endpoint: str
    attempts: int


# Failures that a retry cannot cure, by `RequestFailed.reason`; every other one may pass.
LASTING = (
    "refused",
    "prompt_too_long",
    "unauthorized",
    "unknown_model",
    "wrong_url",
    "quota_spent",
)

ITS_OWN_FAULT = ("prompt_too_long", "empty_text")  # failures that say nothing about the engine


class EngineDown(TransientError):
    """No server answers, and waiting has lasted as long as an outage may."""


class RequestFailed(PermanentError):
    """A request that failed at once or after all retries; `fatal` if every later one will fail."""

    def __init__(self, message: str, *, reason: str, attempts: int, fatal: bool = False) -> None:
        super().__init__(message)
        # prompt_too_long, unauthorized, unknown_model, refused, endpoint_error, timed_out, ...
        self.reason = reason
        self.attempts = attempts
        self.fatal = fatal
        if fatal:
            self.exit_code = 2

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (str(self), self.reason, self.attempts, self.fatal)


def _rebuild(message: str, reason: str, attempts: int, fatal: bool) -> RequestFailed:
    return RequestFailed(message, reason=reason, attempts=attempts, fatal=fatal)


class AllFailed:
    """Counts the outcomes of a run's requests: a run in which none succeeds ends by AllFailed."""

    IN_A_ROW = 32  # so many failures in a row end a run in which more requests wait

    def __init__(self, in_flight: int = 0) -> None:
        """`in_flight`: requests at once, which may all meet one and the same moment of trouble."""
        self._most = max(self.IN_A_ROW, in_flight)
        self._succeeded = False
        self._in_a_row = 0
        self._last: RequestFailed | None = None

    def succeeded(self) -> None:
        """A request was answered."""
        self._succeeded, self._in_a_row = True, 0

    def failed(self, error: RequestFailed) -> ReGenesisError | None:
        """A request failed; the error that ends the run, once too many have in a row."""
        self._last = error
        self._in_a_row += error.reason not in ITS_OWN_FAULT
        return self._error(error) if self._in_a_row >= self._most else None

    def at_the_end(self) -> ReGenesisError | None:
        """The error of a run that is over and had no answer at all; None for any other."""
        return None if self._succeeded or self._last is None else self._error(self._last)

    def _error(self, last: RequestFailed) -> ReGenesisError:
        which = f"the last {self._in_a_row} failed" if self._succeeded else "all failed"
        message = f"Some requests must succeed; {which}, the newest with {last.reason!r}: {last} "
        if last.reason in LASTING:
            return InputError(
                f"{message}What arrived is stored; correct that, then run the same command again."
            )
        return TransientError(
            f"{message}What arrived is stored. See that the engine runs, then run the same command"
            " again."
        )


class Engine(Protocol):
    """Anything that completes a prompt; called from many tasks of one event loop at once."""

    async def complete(
        self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, *, cached: bool = True
    ) -> Completion:
        """One completion, drawn from `seed` where the server takes one (our own do).

        `cached` False reuses no other request's prefix, where the server can be told. Raises
        RequestFailed when retries are spent or can't help.
        """
        ...


def capacity_of(engine: Engine) -> int:
    """Requests that an engine takes at once, by what is known now; 0 where it does not say."""
    return int(getattr(engine, "capacity", 0))


class Renders(Protocol):
    """The one function from turns to token ids, for synthesis, evaluation and training examples."""

    def prompt_ids(self, turns: Turns) -> list[int]:
        """Token ids of a conversation to be continued."""
        ...


class RendersExamples(Renders, Protocol):
    """What renders training examples too."""

    def completion_ids(self, text: str) -> list[int]:
        """Token ids of the continuation that is trained on, with its end-of-turn token."""
        ...

    @property
    def end_of_turn(self) -> int:
        """The token with which a completion ends."""
        ...


@asynccontextmanager
async def entered(engine: Engine) -> AsyncGenerator[Engine]:
    """The engine, opened where it is one that is opened."""
    if hasattr(engine, "__aenter__"):
        async with cast("AbstractAsyncContextManager[Engine]", engine) as running:
            yield running
    else:
        yield engine
