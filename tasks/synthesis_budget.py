"""The limits of a run: generated tokens, money, and a reason to stop. No request begins that could exceed them."""

import asyncio

from tasks.settings import SynthesisSettings


class Parked(Exception):
    """The run is ending: this chain asks nothing more."""


class Budget:
    """Tokens are reserved before a request and given back after it, so that the limit is never passed."""

    def __init__(self, settings: SynthesisSettings, spent_tokens: int = 0) -> None:
        self._settings = settings
        self._spent = spent_tokens  # earlier runs of this draw included
        self._used_now = 0
        self._reserved = 0
        self._seconds = 0.0
        self._returned = asyncio.Event()
        self.stopped_by = ""

    async def reserve(self, tokens: int, *, even_if_stopped: bool = False) -> None:
        """Wait until `tokens` more fit; raises Parked when the run is ending."""
        limit = self._settings.token_budget
        while not even_if_stopped:
            if self.stopped_by:
                raise Parked
            if not limit or self._spent + self._reserved + tokens <= limit:
                break
            if not self._reserved:
                self.stop("token_budget")
                raise Parked
            await self._returned.wait()
        self._reserved += tokens

    def spend(self, reserved: int, used: int) -> None:
        """A request came back."""
        self._reserved -= reserved
        self._spent += used
        self._used_now += used
        if self._settings.token_budget:
            self._wake()

    def note_seconds(self, seconds: float) -> None:
        """Time passes; stops the run when its money is spent."""
        self._seconds = seconds
        if self._settings.money_budget and self.money >= self._settings.money_budget:
            self.stop("money_budget")

    @property
    def money(self) -> float:
        """What this run cost so far, at the settings' prices."""
        tokens = self._used_now / 1e6 * self._settings.price_per_million_tokens
        return tokens + self._seconds / 3600 * self._settings.price_per_hour

    def stop(self, reason: str) -> None:
        """The first reason stands."""
        self.stopped_by = self.stopped_by or reason
        self._wake()

    def _wake(self) -> None:
        self._returned.set()
        self._returned = asyncio.Event()
