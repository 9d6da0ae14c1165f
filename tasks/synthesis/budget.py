"""The limits of a synthesis: generated tokens, money, a window, and a reason to stop.

No request begins past one.

The round's own limits are settings and count what its earlier runs generated; the run's are its
`Spending`.
"""

import asyncio

from tasks.limits import Spending
from tasks.settings import SynthesisSettings


class Parked(Exception):
    """The run is ending: this chain asks nothing more."""


class Budget:
    """Tokens are reserved before a request and given back after it, so that the limit is never
    passed.
    """

    def __init__(
        self, settings: SynthesisSettings, spent_tokens: int = 0, run: Spending | None = None
    ) -> None:
        self._settings = settings
        self._run = run or Spending()
        self._spent = spent_tokens  # earlier runs of this draw included
        self._used_now = 0
        self._reserved = 0
        self._seconds = 0.0
        self._returned = asyncio.Event()
        self.stopped_by = ""

    async def reserve(self, tokens: int) -> None:
        """Wait until `tokens` more fit; raises Parked when the run is ending."""
        while True:
            if self.stopped_by:
                raise Parked
            passed = self._passed_by(tokens)
            if not passed:
                break
            if not self._reserved:
                self.stop(passed)
                raise Parked
            await self._returned.wait()
        self._reserved += tokens
        self._run.reserve(tokens)

    def spend(self, reserved: int, used: int) -> None:
        """A request came back: free what it reserved, count what it generated, wake who waits."""
        self._reserved -= reserved
        self._spent += used
        self._used_now += used
        self._run.spend(reserved, used)
        if self._settings.token_budget or self._run.limits.tokens:
            self._wake()

    def note_seconds(self, seconds: float) -> None:
        """Time passes; stops the run when its window is over or its money is spent."""
        self._seconds = seconds
        if self._settings.money_budget and self.money >= self._settings.money_budget:
            self.stop("money_budget")
        over = self._run.over()
        if over in ("window", "run_money"):
            self.stop(over)

    @property
    def money(self) -> float:
        """What this run cost so far, at the settings' prices."""
        return self._settings.cost(self._seconds, self._used_now)

    def stop(self, reason: str) -> None:
        """End the synthesis: no chain asks anything more.

        The first reason is the one that is reported.
        """
        self.stopped_by = self.stopped_by or reason
        self._wake()

    def _passed_by(self, tokens: int) -> str:
        limit = self._settings.token_budget
        if limit and self._spent + self._reserved + tokens > limit:
            return "token_budget"
        return "" if self._run.fits(tokens) else "run_tokens"

    def _wake(self) -> None:
        self._returned.set()
        self._returned = asyncio.Event()
