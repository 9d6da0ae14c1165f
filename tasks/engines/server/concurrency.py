"""How many requests one endpoint gets at once.

By what it says (`ToldLimit`), or where it tells nothing by its throughput (`AdaptiveLimit`): grow
while that grows, back off when it pushes back. Pure arithmetic on a clock that the caller reads;
one instance per endpoint.
"""

from dataclasses import dataclass
from typing import Protocol

from tasks.engines.server.server_kinds import Load

# at least 5 % more tokens/s, or growing is not worth it
GROWTH, PROBE_GROWTH, GAIN = (2.0, 1.25, 1.05)
# a probe that fails costs one window in nine
WINDOWS_BETWEEN_PROBES = 8
# shorter windows measure the network and not the server
LEAST_WINDOW_SECONDS = 0.5


# vLLM's smallest default of sequences at once on a GPU; a smaller server queues the rest
TOLD_FROM_THE_START = 256
# requests that wait at each engine, so that a place that falls free is taken at once
LEAST_QUEUE = 16


class Limit(Protocol):
    """How many requests an endpoint gets at once, and what that is learnt from."""

    limit: float

    def sent(self, in_flight: int) -> None: ...

    def completed(self, tokens: int, now: float) -> None: ...

    def pushed_back(self, now: float) -> None: ...

    def returned(self, limit: float, now: float) -> None: ...


@dataclass
class ToldLimit:
    """The limit of a server that tells its load: as many as run, and a short queue."""

    limit: float = float(TOLD_FROM_THE_START)
    most: int = 16_384
    _saturated: bool = False
    _quiet_until: float = 0.0

    def sent(self, in_flight: int) -> None:
        """A request went out; a limit that is never reached is no reason to raise it."""
        self._saturated = self._saturated or in_flight >= int(self.limit)

    def told(self, load: Load, in_flight: int) -> None:
        """The server said how full it is, while so many of our requests were in flight.

        Nothing waits: it has room, and gets as many again. Something waits: only the queue is kept
        up, so that a request of ours waits here, where it can go to another endpoint, and not
        there.
        """
        queue = max(LEAST_QUEUE * load.engines, load.running // 4)
        if load.waiting:
            wanted = in_flight + queue - load.waiting
        elif self._saturated:
            wanted = int(self.limit) + max(queue, min(load.running, in_flight))
        else:
            return
        self.limit = float(min(self.most, max(LEAST_QUEUE * load.engines, wanted)))
        self._saturated = False

    def completed(self, tokens: int, now: float) -> None:
        """Says nothing that the server does not tell better."""

    def pushed_back(self, now: float) -> None:
        """It refuses more than it has: half as many, once for each burst, until it tells again."""
        if now >= self._quiet_until:
            self.limit = max(1.0, self.limit / 2)
            self._quiet_until = now + 1.0

    def returned(self, limit: float, now: float) -> None:
        """It was away and is back, empty."""
        self.limit = max(self.limit, limit)


@dataclass
class AdaptiveLimit:
    """The limit of one endpoint, judged per window of as many completions as the limit."""

    limit: float = 32.0
    most: int = 512
    _began: float = -1.0
    _completions: int = 0
    _tokens: int = 0
    _saturated: bool = False
    _best: float = 0.0
    _before_probe: float = 0.0
    _steady_windows: int = 0
    _settled: bool = False
    _quiet_until: float = 0.0

    def sent(self, in_flight: int) -> None:
        """A request went out; a limit that is never reached is no reason to grow it."""
        self._saturated = self._saturated or in_flight >= int(self.limit)

    def completed(self, tokens: int, now: float) -> None:
        """A completion came back."""
        if self._began < 0:
            self._began = now
        self._completions += 1
        self._tokens += tokens
        elapsed = now - self._began
        if self._completions >= self.limit and elapsed >= LEAST_WINDOW_SECONDS:
            self._judge(self._tokens / elapsed)
            self._restart(now)

    def pushed_back(self, now: float) -> None:
        """429, 503 or a time-out: half as many, once for each burst of them."""
        if now < self._quiet_until:
            return
        self.limit = max(1.0, self.limit / 2)
        self._quiet_until = now + 1.0
        # the best rate was measured under another load and says nothing any more
        self._best, self._settled, self._before_probe = 0.0, True, 0.0
        self._steady_windows = WINDOWS_BETWEEN_PROBES // 2
        self._restart(now)

    def returned(self, limit: float, now: float) -> None:
        """The endpoint was away and is back: begin from the start."""
        self.limit, self._best, self._settled, self._before_probe = limit, 0.0, False, 0.0
        self._restart(now)

    def _judge(self, tokens_per_second: float) -> None:
        gained = tokens_per_second > self._best * GAIN
        if self._before_probe and not gained:
            self.limit, self._before_probe, self._settled = self._before_probe, 0.0, True
            self._steady_windows = 0
            return
        self._before_probe = 0.0
        self._best = (
            max(self._best, tokens_per_second) if gained or not self._settled else tokens_per_second
        )
        if not self._saturated:
            return
        self._steady_windows += 1
        if not self._settled:
            self._grow(GROWTH)
        elif self._steady_windows >= WINDOWS_BETWEEN_PROBES:
            self._grow(PROBE_GROWTH)

    def _grow(self, factor: float) -> None:
        self._steady_windows = 0
        if self.limit < self.most:
            self._before_probe = self.limit
            self.limit = min(float(self.most), max(self.limit + 1, self.limit * factor))

    def _restart(self, now: float) -> None:
        self._began, self._completions, self._tokens, self._saturated = now, 0, 0, False
