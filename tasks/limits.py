"""The limits of one run: a moment, generated tokens, money; and what the run has used of them,
whatever step used it.

No request begins that could pass a limit. What a round may cost over all its runs is a setting, not
a limit of a run.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from storage.errors import InputError, Stopped
from tasks.engines.engine import Completion, Engine, entered
from tasks.settings import Sampling, SynthesisSettings

RUN_LIMITS = ("window", "run_tokens", "run_money")


@dataclass(frozen=True)
class Limits:
    """What a run may use; None and 0 are no limit."""

    until: datetime | None = None
    tokens: int = 0
    money: float = 0.0


class Spending:
    """What one run has used.

    Tokens are reserved before a request, so that their limit is never passed.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        prices: SynthesisSettings | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.limits = limits or Limits()
        self._prices = prices or SynthesisSettings()
        self._now = now
        self._began = now()
        self.reserved = 0
        self.tokens = 0
        if self.limits.money and not (
            self._prices.price_per_hour or self._prices.price_per_million_tokens
        ):
            raise InputError(
                "A money budget needs a price; found none. Set synthesis.price_per_hour or "
                "synthesis.price_per_million_tokens in the settings."
            )

    @property
    def money(self) -> float:
        """What the run has cost so far at the settings' prices."""
        return self._prices.cost((self._now() - self._began).total_seconds(), self.tokens)

    def fits(self, tokens: int) -> bool:
        """Whether so many more could be generated."""
        return not self.limits.tokens or self.tokens + self.reserved + tokens <= self.limits.tokens

    def reserve(self, tokens: int) -> None:
        """Count a request that begins as if it will generate all that it may."""
        self.reserved += tokens

    def spend(self, reserved: int, used: int) -> None:
        """A request came back: its reservation is given back, and what it generated is counted."""
        self.reserved -= reserved
        self.tokens += used

    def over(self) -> str:
        """Which limit is reached: window, run_tokens, run_money, or empty."""
        if self.limits.until is not None and self._now() >= self.limits.until:
            return "window"
        if self.limits.money and self.money >= self.limits.money:
            return "run_money"
        return "run_tokens" if self.limits.tokens and self.tokens >= self.limits.tokens else ""

    def check(self) -> None:
        """Raise Stopped where a limit is reached."""
        if reason := self.over():
            raise self.stopped(reason)

    def stopped(self, reason: str) -> Stopped:
        """The exception that ends the run cleanly; `reason` is one that `over` gave."""
        until = f"{self.limits.until:%Y-%m-%d %H:%M %Z}" if self.limits.until else ""
        words = {
            "window": f"The window ended at {until}",
            "run_money": f"The money budget of {self.limits.money:,g} is spent ({self.money:,.2f})",
            "run_tokens": (
                f"The budget of {self.limits.tokens:,} tokens is spent ({self.tokens:,} generated)"
            ),
        }
        return Stopped(f"{words[reason]}; what arrived is stored, and the same command goes on.")


class LimitedEngine:
    """An engine within a run's limits: once one is reached it raises Stopped in place of asking."""

    def __init__(self, engine: Engine, spending: Spending) -> None:
        self._engine = engine
        self._spending = spending
        self._closing = AsyncExitStack()
        self._returned = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._engine = await self._closing.enter_async_context(entered(self._engine))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._closing.aclose()

    async def complete(
        self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, *, cached: bool = True
    ) -> Completion:
        """The engine's completion, counted."""
        await self._reserve(sampling.max_tokens)
        used = 0
        try:
            completion = await self._engine.complete(prompt_ids, sampling, seed, cached=cached)
            used = completion.completion_tokens
        finally:
            self._spending.spend(sampling.max_tokens, used)
            self._returned.set()
            self._returned = asyncio.Event()
        return completion

    async def _reserve(self, tokens: int) -> None:
        """Wait while requests under way may still give back what they reserved."""
        while True:
            if reason := self._spending.over():
                raise self._spending.stopped(reason)
            if self._spending.fits(tokens):
                break
            if not self._spending.reserved:
                raise self._spending.stopped("run_tokens")
            await self._returned.wait()
        self._spending.reserve(tokens)
