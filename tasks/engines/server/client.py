"""A client of one or many OpenAI-compatible endpoints: token ids in, completions out.

What may pass is tried again, elsewhere if possible; what will not fails at once. It starts no
server and renders nothing; who is asked is `endpoints`, how `recognition`, what a reply means
`replies`.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from storage.errors import InputError, ReGenesisError
from tasks.engines.engine import Completion, EngineDown, RequestFailed
from tasks.engines.server.concurrency import ToldLimit
from tasks.engines.server.endpoints import Endpoint, EndpointPool, EverythingDown
from tasks.engines.server.recognition import Asked, Recognition
from tasks.engines.server.replies import MOST_BYTES, Text, Trouble, read_reply
from tasks.engines.server.server_kinds import METRICS_PAGE, MODELS_PAGE, VLLM, form_of, load_of
from tasks.settings import Sampling

if TYPE_CHECKING:
    from aiohttp import ClientSession

# where an endpoint begins, and how far it may grow while it gives more tokens per second
START_IN_FLIGHT, MOST_IN_FLIGHT = 32, 512
# a machine that is there answers in milliseconds; behind a dropping firewall the kernel waits for
# minutes
CONNECT_SECONDS = 10.0
# less than uvicorn's 5, or now and then a request meets a connection that just closed
KEEP_ALIVE_SECONDS = 4.0
PAGE_SECONDS = 5.0  # for one of a server's pages about itself
# between two looks at a server's load: the first 25, then all others
LOAD_SECONDS, MANY_LOOKS = ((0.2, 1.0), 25)
STARTS_WITHIN = 5  # times an outage: a server that says 503 is there, and loads its weights
# of the slowest pace seen, with each completion: what was slow once is forgotten after some hundred
PACE_KEPT = 0.98
ADVICE = {
    "unauthorized": (
        "Put the name of the key's variable behind the URL: https://host#NAME_OF_VARIABLE."
    ),
    "unknown_model": "Name one that it serves behind its URL: https://host?model=NAME.",
    "wrong_url": "Give the base URL of an OpenAI-compatible server, without /v1/completions.",
    "quota_spent": "Raise the account's limit, or take the endpoint out of REGENESIS_ENDPOINTS.",
    "prompt_too_long": "Shorten the prompt, or raise model.max_model_tokens.",
    "timed_out": "Raise synthesis.request_timeout_seconds, or look at the server's log.",
}


def _nobody_listens(line: str) -> None:
    """For engines of our own, of which there is nothing to say."""


@dataclass
class _Try:
    """What happened to one request so far; `failures` are those that count against its retries."""

    attempts: int = 0
    failures: int = 0
    away_since: float = 0.0  # when its endpoints began to be away; 0 while they are not
    times_away: int = 0
    last: Trouble = field(default_factory=lambda: Trouble("failed", "endpoint_error", "never sent"))
    endpoint: str = "any endpoint"

    def failed(self, *, fatal: bool = False) -> RequestFailed:
        """The error that ends it."""
        advice = ADVICE.get(self.last.reason, "Look at the server's log.")
        return RequestFailed(
            f"A completion was expected from {self.endpoint}; found {self.last.reason} after"
            f" {self.attempts} tries: {self.last.message} {advice}",
            reason=self.last.reason,
            attempts=self.attempts,
            fatal=fatal,
        )

    def down(self, why: str) -> EngineDown:
        """The error of a run whose endpoints are all away."""
        return EngineDown(
            f"An endpoint must answer; {why} ({self.endpoint}: {self.last.message}). What arrived"
            " is stored. See that the server runs, then run the same command again."
        )


@dataclass(frozen=True)
class Patience:
    """How long an answer is waited for, how often it is tried, how many requests run at once."""

    max_retries: int = 4
    timeout_seconds: float = 300.0
    seconds_per_token: float = 0.0
    """How long each token of a request may take beyond `timeout_seconds`, until the server's own
    pace is known.
    """
    outage_seconds: float = 120.0
    start_in_flight: int = START_IN_FLIGHT
    most_in_flight: int = MOST_IN_FLIGHT


class OpenAIEngine:
    """An `Engine` over `urls`; an async context manager, to be entered in the loop that uses it."""

    def __init__(
        self,
        urls: Sequence[str],
        model_name: str = "",
        asked: Asked = Asked(),
        patience: Patience = Patience(),
        *,
        takes_seed: bool = False,
        alive: Callable[[], bool] | None = None,
        say: Callable[[str], None] = _nobody_listens,
    ) -> None:
        """`model_name` names the model of a vLLM server of our own.

        Empty: each endpoint is asked what it is.

        `alive`: whether an owned server's process still runs.
        """
        self.model_name = model_name
        self._takes_seed = takes_seed
        self._key = asked.key
        self._max_retries = patience.max_retries
        self._timeout_seconds = patience.timeout_seconds
        self._first_pace, self._pace = patience.seconds_per_token, 0.0
        self._session: ClientSession | None = None
        self._looking: set[asyncio.Task[None]] = set()
        self._told: set[str] = set()  # endpoints whose load is looked at
        # what an endpoint turned out to be when it came up later
        self._wrong: ReGenesisError | None = None
        self._pool = EndpointPool(
            urls,
            start_in_flight=patience.start_in_flight,
            most_in_flight=patience.most_in_flight,
            outage_seconds=patience.outage_seconds,
            alive=alive or (lambda: True),
            is_healthy=self._is_healthy,
        )
        self._say = say
        self._recognition = Recognition(
            self._get, self._post_page, self._send_for_recognition, asked, say
        )

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Each with its counts, for reports."""
        return self._pool.endpoints

    @property
    def capacity(self) -> int:
        """Requests that the endpoints take at once, by what they said or showed so far."""
        return self._pool.capacity

    async def __aenter__(self) -> Self:
        """Open connections; ask each endpoint what it is, where no model was named."""
        import aiohttp

        self._session = aiohttp.ClientSession(
            # aiohttp's own limit is 100 connections in all; ours is per endpoint, in its pool
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            read_bufsize=2**18,
        )
        try:
            for endpoint in self.endpoints:
                endpoint.takes_seed = self._takes_seed
                endpoint.key = self._key or endpoint.key
                if self.model_name:
                    endpoint.model, endpoint.kind, endpoint.form = (
                        self.model_name,
                        VLLM,
                        form_of(VLLM),
                    )
            if not self.model_name:
                await asyncio.gather(*map(self._meet, self.endpoints))
        except BaseException:
            await self._session.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._looking:
            task.cancel()
        self._told.clear()
        await asyncio.gather(*self._looking, return_exceptions=True)
        await self._pool.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def complete(
        self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, *, cached: bool = True
    ) -> Completion:
        """One completion, from whichever endpoint has room.

        Raises RequestFailed, or EngineDown where all are away.
        """
        so_far = _Try()
        while True:
            endpoint = await self._place(so_far)
            form, began = endpoint.form, time.monotonic()
            try:
                body = self._recognition.body(endpoint, prompt_ids, sampling, seed, cached)
                reply = await self._send(endpoint, body, len(prompt_ids), self._patience(sampling))
                so_far.attempts += 1
                if isinstance(reply, Text):
                    endpoint.taken.add(sampling)
                    self._note_pace((time.monotonic() - began) / max(1, reply.completion_tokens))
                    return self._completion(endpoint, reply, so_far)
            # before any waiting for another try: the place must not be idle meanwhile
            finally:
                self._pool.give_back(endpoint)
            so_far.last, so_far.endpoint = reply, endpoint.name
            asks_first = reply.reason == "refused" and not self.model_name
            # a refusal can be about the form (token ids, a field) and not about this request
            if asks_first and await self._recognition.refused(
                endpoint, form, prompt_ids, sampling, reply
            ):
                continue
            await self._after_trouble(endpoint, reply, so_far)

    async def _place(self, so_far: _Try) -> Endpoint:
        try:
            endpoint = await self._pool.take(again=so_far.attempts > 0)
        except EverythingDown as why:
            raise so_far.down(str(why)) from None
        if self._wrong:
            self._pool.give_back(endpoint)
            raise self._wrong
        return endpoint

    def _completion(self, endpoint: Endpoint, reply: Text, so_far: _Try) -> Completion:
        endpoint.completions += 1
        endpoint.completion_tokens += reply.completion_tokens
        self._pool.last_success = time.monotonic()
        endpoint.limit.completed(reply.completion_tokens, self._pool.last_success)
        return Completion(
            text=reply.text,
            finish_reason=reply.finish_reason,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            endpoint=endpoint.name,
            attempts=so_far.attempts,
        )

    async def _after_trouble(self, endpoint: Endpoint, trouble: Trouble, so_far: _Try) -> None:
        """Raise for trouble that no retry can end; else wait as long as is wise."""
        if trouble.kind in ("fatal", "refused"):
            raise so_far.failed(fatal=trouble.kind == "fatal")
        # no failure is counted: a full server that is asked often enough would else fail every
        # request
        if trouble.kind == "pushed_back":  # busy is not broken: it may wait as often as need be
            endpoint.limit.pushed_back(time.monotonic())
            self._pool.hold(endpoint, trouble.retry_after or self._pool.pause(2))
            if trouble.reason == "unavailable":  # still starting, or gone for good
                self._end_outage(so_far, longest=STARTS_WITHIN * self._pool.outage_seconds)
            return
        endpoint.failures += 1
        if trouble.kind == "away":
            await self._while_away(endpoint, so_far)
            return
        so_far.failures += 1
        # it has more requests than it can answer in time
        if trouble.reason == "timed_out":
            endpoint.limit.pushed_back(time.monotonic())
        if so_far.failures > self._max_retries:
            raise so_far.failed()
        await asyncio.sleep(self._pool.pause(so_far.failures))

    async def _while_away(self, endpoint: Endpoint, so_far: _Try) -> None:
        """Wait for an endpoint that is away, up to the bound of an outage.

        Nothing has read the request, so this costs none of its tries.

        Where others are answered meanwhile it is this request that fails, and only it.
        """
        self._pool.mark_down(endpoint)
        self._end_outage(so_far, longest=self._pool.outage_seconds)
        so_far.times_away += 1
        if so_far.times_away > 1 and so_far.last.reason != "unreachable":
            await asyncio.sleep(self._pool.pause(min(so_far.times_away, 5)))

    def _end_outage(self, so_far: _Try, longest: float) -> None:
        """Raise where a request has met nothing but an outage for so many seconds."""
        now = time.monotonic()
        so_far.away_since = so_far.away_since or now
        if now - so_far.away_since > longest:
            # others were answered meanwhile, so the run goes on without this request
            if self._pool.last_success > so_far.away_since:
                raise so_far.failed()
            raise so_far.down(f"none has for {longest:g} s")

    def _patience(self, sampling: Sampling) -> float:
        """Seconds for a whole request: a fixed part, and per token four times the recent pace."""
        return self._timeout_seconds + sampling.max_tokens * (4 * self._pace or self._first_pace)

    def _note_pace(self, seconds_per_token: float) -> None:
        # rises at once and falls slowly: a time-out that is too short costs the whole request
        self._pace = max(seconds_per_token, PACE_KEPT * self._pace)

    async def _send_for_recognition(
        self, endpoint: Endpoint, body: bytes, prompt_tokens: int
    ) -> Text | Trouble:
        return await self._send(endpoint, body, prompt_tokens, self._timeout_seconds)

    async def _send(
        self, endpoint: Endpoint, body: bytes, prompt_tokens: int, seconds: float
    ) -> Text | Trouble:
        import aiohttp

        # One limit for a request from connecting to its last byte, so a server that drips cannot
        # hold it for ever.
        limit = aiohttp.ClientTimeout(total=seconds, sock_connect=min(CONNECT_SECONDS, seconds))
        try:
            async with self._open().post(
                f"{endpoint.url}/v1/completions",
                data=body,
                headers=_headers(endpoint),
                allow_redirects=False,
                timeout=limit,
            ) as response:
                raw = await response.content.read(MOST_BYTES)
                while not response.content.at_eof():
                    # a server that sends without end must not fill the memory
                    if len(raw) >= MOST_BYTES:
                        response.close()
                        return Trouble(
                            "failed", "garbage", f"a reply of more than {MOST_BYTES} bytes."
                        )
                    raw += await response.content.read(MOST_BYTES - len(raw))
                raw = endpoint.without_key(raw)
                return read_reply(
                    response.status, raw, prompt_tokens, response.headers.get("Retry-After", "")
                )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Trouble("away", "unreachable", f"{error}.")
        except TimeoutError:
            return Trouble("failed", "timed_out", f"no whole reply in {seconds:g} s.")
        # closed before a reply: as a rule a server that is being started again, so the request is
        # not at fault
        except (aiohttp.ServerDisconnectedError, ConnectionResetError):
            return Trouble("away", "closed", "it closed the connection without a reply.")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Trouble("failed", "endpoint_error", f"{type(error).__name__}: {error}.")

    # what a server says about itself

    async def _meet(self, endpoint: Endpoint) -> None:
        """Ask it what it is; one that does not answer is asked again until it does."""
        if await self._recognition.meet(endpoint):
            self._met(endpoint)
        else:
            seconds = f"{self._pool.outage_seconds:g} s"
            self._say(
                f"{endpoint.name} does not answer yet; it is waited for, {seconds} where no other"
                " answers."
            )
            self._pool.mark_down(endpoint)

    def _met(self, endpoint: Endpoint) -> None:
        if isinstance(endpoint.limit, ToldLimit) and endpoint.name not in self._told:
            self._told.add(endpoint.name)
            task = asyncio.create_task(self._look_at_load(endpoint, endpoint.limit))
            self._looking.add(task)
            task.add_done_callback(self._looking.discard)

    async def _is_healthy(self, endpoint: Endpoint) -> bool:
        """Whether it answers again; it is recognised again, as it may serve another model now."""
        try:
            if self.model_name:
                status, _ = await self._get(endpoint, MODELS_PAGE)
                return status < 500
            if not await self._recognition.meet(endpoint):
                return False
            self._met(endpoint)
        except OSError:
            return False
        except ReGenesisError as error:
            self._wrong = error
        return True

    async def _look_at_load(self, endpoint: Endpoint, limit: ToldLimit) -> None:
        """Keep the limit at what the server says, often at first."""
        looks = 0
        while True:
            await asyncio.sleep(LOAD_SECONDS[looks >= MANY_LOOKS])
            looks += 1
            if endpoint.down or not endpoint.in_flight:
                continue
            try:
                status, page = await self._get(endpoint, METRICS_PAGE)
            except OSError:
                continue
            load = (
                load_of(endpoint.kind, page.decode("utf-8", "replace")) if status == 200 else None
            )
            if load:
                limit.told(load, endpoint.in_flight)
                self._pool.wake()

    async def _get(self, endpoint: Endpoint, page: str) -> tuple[int, bytes]:
        """Status and body of a page; raises OSError where nobody answers."""
        import aiohttp

        limit = aiohttp.ClientTimeout(total=min(PAGE_SECONDS, self._timeout_seconds))
        try:
            async with self._open().get(
                f"{endpoint.url}{page}",
                headers=_headers(endpoint),
                timeout=limit,
                allow_redirects=False,
            ) as response:
                return response.status, endpoint.without_key(
                    await response.content.read(MOST_BYTES)
                )
        except (aiohttp.ClientError, ValueError) as error:
            raise OSError(str(error)) from error

    async def _post_page(self, endpoint: Endpoint, body: bytes) -> tuple[int, bytes]:
        """Status and body of a reply that is not kept; raises OSError where nobody answers."""
        import aiohttp

        limit = aiohttp.ClientTimeout(total=self._timeout_seconds)
        try:
            async with self._open().post(
                f"{endpoint.url}/v1/completions",
                data=body,
                headers=_headers(endpoint),
                timeout=limit,
                allow_redirects=False,
            ) as response:
                return response.status, await response.content.read(MOST_BYTES)
        except (aiohttp.ClientError, ValueError) as error:
            raise OSError(str(error)) from error

    def _open(self) -> "ClientSession":
        if self._session is None:
            raise InputError("An OpenAIEngine works inside `async with engine:`; found it closed.")
        return self._session


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    return headers
