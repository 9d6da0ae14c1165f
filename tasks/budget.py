"""What may be used, what was used of it, and the budget that every request passes.

A run has limits: a moment, tokens, money. So has the synthesis of a round, by its settings, and its
tokens count over all its runs. No request begins that could pass one of them.
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
    """What a run or a round may use, and the reasons under which its end is noted.

    None and 0 are no limit.
    """

    until: datetime | None = None
    tokens: int = 0
    money: float = 0.0
    tokens_reason: str = "run_tokens"
    money_reason: str = "run_money"


class Spending:
    """What was used under some limits: by one run, or by the synthesis of a round."""

    def __init__(
        self,
        limits: Limits | None = None,
        prices: SynthesisSettings | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        earlier_tokens: int = 0,
    ) -> None:
        self.limits = limits or Limits()
        self._prices = prices or SynthesisSettings()
        self._now = now
        self._began = now()
        self._earlier_tokens = earlier_tokens
        self.tokens = 0
        if self.limits.money and not self._prices.has_price:
            raise InputError(
                "A money budget needs a price; found none. Set synthesis.price_per_hour or "
                "synthesis.price_per_million_tokens in the settings."
            )

    @classmethod
    def of_round(cls, settings: SynthesisSettings, earlier_tokens: int) -> Self:
        """Under the budgets that the settings give a round.

        Its earlier runs count towards the tokens, not towards the money.
        """
        limits = Limits(
            tokens=settings.token_budget,
            # of a round begun without a price nobody knows what it costs, and it goes on
            money=settings.money_budget if settings.has_price else 0.0,
            tokens_reason="token_budget",
            money_reason="money_budget",
        )
        return cls(limits, settings, earlier_tokens=earlier_tokens)

    @property
    def money(self) -> float:
        """The cost so far at the settings' prices."""
        return self._prices.cost((self._now() - self._began).total_seconds(), self.tokens)

    def fits(self, tokens: int) -> bool:
        """Whether so many more may be generated."""
        limit = self.limits.tokens
        return not limit or self._earlier_tokens + self.tokens + tokens <= limit

    def over(self) -> str:
        """The reason of the limit that is reached, or empty."""
        return self.over_in_time() or ("" if self.fits(1) else self.limits.tokens_reason)

    def over_in_time(self) -> str:
        """As `over`, of the limits that are reached even while nothing is asked."""
        if self.limits.until is not None and self._now() >= self.limits.until:
            return "window"
        return (
            self.limits.money_reason
            if self.limits.money and self.money >= self.limits.money
            else ""
        )

    def check(self) -> None:
        """Raise Stopped where a limit is reached."""
        if reason := self.over():
            raise self.stopped(reason)

    def stopped(self, reason: str) -> Stopped:
        """The exception that ends a run cleanly; `reason` is one of RUN_LIMITS."""
        until = f"{self.limits.until:%Y-%m-%d %H:%M %Z}" if self.limits.until else ""
        words = {
            "window": f"The window ended at {until}",
            "run_money": f"The money budget of {self.limits.money:,g} is spent ({self.money:,.2f})",
            "run_tokens": (
                f"The budget of {self.limits.tokens:,} tokens is spent ({self.tokens:,} generated)"
            ),
        }
        return Stopped(f"{words[reason]}; what arrived is stored, and the same command goes on.")


class Parked(Exception):
    """The work is ending: nothing more is asked."""


class Budget:
    """What requests under way may still use, under the limits of all that pay for them.

    Tokens are reserved before a request as if it will generate all that it may, and given back
    after it, so that no limit is passed.
    """

    def __init__(self, *payers: Spending) -> None:
        self._payers = payers
        self._reserved = 0
        self._returned = asyncio.Event()
        self.stopped_by = ""

    async def reserve(self, tokens: int) -> None:
        """Wait while requests under way may give back what is missing; raises Parked at the end."""
        while True:
            self.note_time()
            passed = self._passed_by(tokens)
            if passed and not self._reserved:
                self.stop(passed)
            if self.stopped_by:
                raise Parked
            if not passed:
                break
            await self._returned.wait()
        self._reserved += tokens

    def spend(self, reserved: int, used: int) -> None:
        """A request came back: free what it reserved, count what it generated, wake who waits."""
        self._reserved -= reserved
        for payer in self._payers:
            payer.tokens += used
        self._wake()

    def note_time(self) -> None:
        """End the work where a window is over or money is spent."""
        for payer in self._payers:
            if reason := payer.over_in_time():
                self.stop(reason)

    def stop(self, reason: str) -> None:
        """End the work: nothing more is asked. The first reason is the one that is reported."""
        self.stopped_by = self.stopped_by or reason
        self._wake()

    def _passed_by(self, tokens: int) -> str:
        reasons = (
            payer.limits.tokens_reason
            for payer in self._payers
            if not payer.fits(self._reserved + tokens)
        )
        return next(reasons, "")

    def _wake(self) -> None:
        self._returned.set()
        self._returned = asyncio.Event()


class LimitedEngine:
    """An engine within a run's limits: once one is reached it raises Stopped in place of asking."""

    def __init__(self, engine: Engine, spending: Spending) -> None:
        self._engine = engine
        self._spending = spending
        self._budget = Budget(spending)
        self._closing = AsyncExitStack()

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
        try:
            await self._budget.reserve(sampling.max_tokens)
        except Parked:
            raise self._spending.stopped(self._budget.stopped_by) from None
        used = 0
        try:
            completion = await self._engine.complete(prompt_ids, sampling, seed, cached=cached)
            used = completion.completion_tokens
        finally:
            self._budget.spend(sampling.max_tokens, used)
        return completion
