"""What steps ask of a model server: token ids in, a completion out.

The real engine is `tasks.engines.server.client.OpenAIEngine`; tests script others. Rendering and judging are elsewhere.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol, cast

from storage.errors import PermanentError
from tasks.rules.ladder.prompts import Turns
from tasks.settings import Sampling


@dataclass(frozen=True)
class Completion:
    """What came back for one request; `finish_reason` is stop or length."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    endpoint: str
    attempts: int


class RequestFailed(PermanentError):
    """No retry could mend this request. `fatal` when no later request can succeed either."""

    def __init__(self, message: str, *, reason: str, attempts: int, fatal: bool = False) -> None:
        super().__init__(message)
        self.reason = reason  # prompt_too_long, unauthorized, unknown_model, refused, endpoint_error, timed_out, ...
        self.attempts = attempts
        self.fatal = fatal
        if fatal:
            self.exit_code = 2

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (str(self), self.reason, self.attempts, self.fatal)


def _rebuild(message: str, reason: str, attempts: int, fatal: bool) -> RequestFailed:
    return RequestFailed(message, reason=reason, attempts=attempts, fatal=fatal)


class Engine(Protocol):
    """Anything that completes a prompt; called from many tasks of one event loop at once."""

    async def complete(
        self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, *, cached: bool = True
    ) -> Completion:
        """One completion, drawn from `seed` where the server takes one (our own do).

        `cached` False reuses no other request's prefix, where the server can be told. Raises RequestFailed when
        retries are spent or can't help.
        """
        ...


class RendersExamples(Protocol):
    """The one function from turns to token ids, for synthesis, evaluation and training examples."""

    def prompt_ids(self, turns: Turns) -> list[int]:
        """Token ids of a conversation to be continued."""
        ...

    def completion_ids(self, text: str) -> list[int]:
        """Token ids of the continuation that is trained on, with its end-of-turn token."""
        ...


@asynccontextmanager
async def entered(engine: Engine) -> AsyncGenerator[Engine]:
    """The engine, opened where it is one that is opened."""
    if hasattr(engine, "__aenter__"):
        async with cast("AbstractAsyncContextManager[Engine]", engine) as running:
            yield running
    else:
        yield engine
