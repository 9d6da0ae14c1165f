"""A pool of OpenAI-compatible endpoints: who has room, who is down, whose turn it is.

Each endpoint has its own limit of requests at once; one that dies is probed until it returns. It
sends no request itself.
"""

import asyncio
import random
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit, urlunsplit

from storage.environment import secret
from storage.errors import InputError
from tasks.engines.server.concurrency import AdaptiveLimit, Limit
from tasks.engines.server.server_kinds import UNKNOWN, Form, Kind, form_of
from tasks.settings import Sampling

# `https://user:password@host`
_PASSWORD_IN_URL = re.compile(r"//[^/?#]*@")
# a name and not a key: a key has other signs, or is refused unseen
_NAME_OF_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
ASKED_FIRST = form_of(UNKNOWN)
LEAST_PAUSE, MOST_PAUSE = 0.25, 20.0  # seconds, of backoff and of health probes


@dataclass
class Endpoint:
    """One server: where it is, how it does."""

    url: str
    key: str
    name: str
    limit: Limit
    wanted_model: str = ""  # the name that its URL gives; empty for whichever it serves
    model: str = ""  # the name to ask for; empty until it was met
    kind: Kind = UNKNOWN
    form: Form = ASKED_FIRST
    takes_seed: bool = False
    # with which it has completed a request
    taken: set[Sampling] = field(default_factory=set[Sampling])
    in_flight: int = 0
    down: bool = False
    not_before: float = 0.0
    completions: int = 0
    completion_tokens: int = 0
    failures: int = 0

    def without_key(self, reply: bytes) -> bytes:
        """What the server said, without its key: some repeat it in their refusals."""
        return reply.replace(self.key.encode(), b"***") if self.key else reply

    def free(self, now: float) -> bool:
        """Whether one more request may go to it."""
        return not self.down and now >= self.not_before and self.in_flight < int(self.limit.limit)


def parse_endpoint(url: str) -> tuple[str, str, str]:
    """Base URL, key and model of `https://host/v1?model=NAME#NAME_OF_VARIABLE`.

    The key is that variable's value.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(
            "An endpoint is a URL such as http://127.0.0.1:8000 or"
            f" https://host/v1#NAME_OF_KEY_VARIABLE; found {_shown(url)!r}. Set"
            " REGENESIS_ENDPOINTS."
        )
    key = ""
    if parts.fragment:
        if not _NAME_OF_VARIABLE.fullmatch(parts.fragment):
            raise InputError(
                "Behind # an endpoint has the NAME of the variable that holds its key; found"
                f" something else for {parts.hostname!r}, not shown here because it may be the key"
                " itself. Run: export ENDPOINT_KEY=... and put #ENDPOINT_KEY."
            )
        key = secret(parts.fragment) or ""
        if not key:
            raise InputError(
                f"Endpoint {parts.hostname!r} takes its key from the environment variable"
                f" {parts.fragment!r}, which is not set. Run: export {parts.fragment}=..."
            )
    path = parts.path.rstrip("/").removesuffix("/v1")
    return (
        urlunsplit((parts.scheme, parts.netloc, path, "", "")),
        key,
        _wanted_model(parts.query, parts.hostname),
    )


def _wanted_model(query: str, host: str) -> str:
    options = parse_qs(query, keep_blank_values=True)
    names = options.pop("model", [""])
    if options or len(names) != 1:
        raise InputError(
            "Behind ? an endpoint has model=NAME, the name under which it serves the base; found"
            f" other options for {host!r}, not shown here because one may be a key. Set"
            f" REGENESIS_ENDPOINTS, such as https://{host}?model=NAME#NAME_OF_KEY_VARIABLE."
        )
    return names[0]


def _shown(url: str) -> str:
    """A URL in a message: without the password or the fragment that may be a key."""
    return _PASSWORD_IN_URL.sub("//***@", url).partition("#")[0]


class EverythingDown(Exception):
    """No endpoint answers, and waiting has lasted long enough."""


class EndpointPool:
    """Hands out places at endpoints, first come first served."""

    def __init__(
        self,
        urls: Sequence[str],
        *,
        start_in_flight: int,
        most_in_flight: int,
        outage_seconds: float,
        alive: Callable[[], bool],
        is_healthy: Callable[[Endpoint], Awaitable[bool]],
    ) -> None:
        if not urls:
            raise InputError(
                "An engine has at least one endpoint; found none. Set REGENESIS_ENDPOINTS."
            )
        self._start_in_flight = min(start_in_flight, most_in_flight)
        self.outage_seconds = outage_seconds
        self.last_success = 0.0
        self._alive = alive
        self._is_healthy = is_healthy
        self.endpoints: list[Endpoint] = []
        for url in urls:
            base, key, model = parse_endpoint(url)
            name = urlsplit(base).netloc.rpartition("@")[2] + urlsplit(base).path
            limit = AdaptiveLimit(float(self._start_in_flight), most_in_flight)
            self.endpoints.append(Endpoint(base, key, name, limit, wanted_model=model))
        self._jitter = random.Random()  # spreads retries; no result depends on it
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._probes: set[asyncio.Task[None]] = set()
        self._all_down_since = 0.0

    async def take(self, again: bool) -> Endpoint:
        """A place at the least loaded endpoint; `again` goes before those who were never sent.

        Or EverythingDown.
        """
        # who comes later does not overtake those who wait
        may_go = not self._waiting
        while True:
            now = time.monotonic()
            free = [endpoint for endpoint in self.endpoints if endpoint.free(now)] if may_go else []
            if free:
                # relative to its limit: a large server gets more than a small one
                endpoint = min(free, key=lambda one: one.in_flight / one.limit.limit)
                endpoint.in_flight += 1
                endpoint.limit.sent(endpoint.in_flight)
                return endpoint
            self._give_up_when_all_are_down()
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            if again:
                self._waiting.appendleft(turn)
            else:
                self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn in self._waiting:
                    self._waiting.remove(turn)
                self.wake()  # if it was this one's turn, it is the next one's now
                raise
            may_go = again = True

    def give_back(self, endpoint: Endpoint) -> None:
        """The request that had the place is over."""
        endpoint.in_flight -= 1
        self.wake()

    def hold(self, endpoint: Endpoint, seconds: float) -> None:
        """Send nothing more to it for a while."""
        endpoint.not_before = max(endpoint.not_before, time.monotonic() + seconds)
        asyncio.get_running_loop().call_later(seconds + 0.001, self.wake)

    def mark_down(self, endpoint: Endpoint) -> None:
        """It does not answer: ask ever more seldom until it does."""
        if endpoint.down:
            return
        endpoint.down = True
        if all(one.down for one in self.endpoints):
            self._all_down_since = time.monotonic()
        probe = asyncio.create_task(self._until_it_returns(endpoint))
        self._probes.add(probe)
        probe.add_done_callback(self._probes.discard)

    def wake(self) -> None:
        """Let as many waiters go as there are places."""
        if not self._waiting:
            return
        now = time.monotonic()
        places = sum(
            int(one.limit.limit) - one.in_flight for one in self.endpoints if one.free(now)
        )
        if all(endpoint.down for endpoint in self.endpoints):
            places = len(self._waiting)  # each looks whether to give up
        while places > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                places -= 1

    def pause(self, tries: int) -> float:
        """Seconds: doubles with each try, with full jitter."""
        # full jitter (Brooker, Exponential Backoff and Jitter, AWS 2015): clients that failed
        # together do not come back together
        return self._jitter.uniform(0.0, min(MOST_PAUSE, LEAST_PAUSE * 2**tries))

    @property
    def capacity(self) -> int:
        """Requests that those who answer take at once, the queue they want included."""
        return sum(int(endpoint.limit.limit) for endpoint in self.endpoints if not endpoint.down)

    async def close(self) -> None:
        """End the probes. The pool can be used again in another loop."""
        for probe in self._probes:
            probe.cancel()
        await asyncio.gather(*self._probes, return_exceptions=True)
        self._probes.clear()
        self._waiting.clear()
        for endpoint in self.endpoints:
            # requests of a loop that was cancelled never gave their places back
            endpoint.down, endpoint.not_before, endpoint.in_flight = False, 0.0, 0

    def _give_up_when_all_are_down(self) -> None:
        if not all(endpoint.down for endpoint in self.endpoints):
            return
        if not self._alive():
            raise EverythingDown("the server's process has ended")
        if time.monotonic() - self._all_down_since > self.outage_seconds:
            raise EverythingDown(f"no endpoint has answered for {self.outage_seconds:g} s")

    async def _until_it_returns(self, endpoint: Endpoint) -> None:
        tries = 0
        while True:
            await asyncio.sleep(0.1 + self.pause(min(tries, 5)))
            tries += 1
            if await self._is_healthy(endpoint):
                endpoint.down = False
                endpoint.limit.returned(float(self._start_in_flight), time.monotonic())
                self.wake()
                return
            if all(one.down for one in self.endpoints):
                self.wake()
