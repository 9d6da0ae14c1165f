"""A client of one or many OpenAI-compatible endpoints: token ids in, completions out, nothing lost on the way.

What may pass is tried again, elsewhere if possible; what will not fails at once. It starts no server and renders
nothing; who is asked is `tasks.engines.server.endpoints`, what a reply means `tasks.engines.server.replies`.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from storage.errors import InputError
from tasks.engines.engine import Completion, RequestFailed
from tasks.engines.server.endpoints import Endpoint, EndpointPool, EverythingDown
from tasks.engines.server.replies import MOST_BYTES, Text, Trouble, read_reply
from tasks.settings import Sampling

if TYPE_CHECKING:
    from aiohttp import ClientSession

START_IN_FLIGHT, MOST_IN_FLIGHT = 32, 512
CONNECT_SECONDS = 10.0
KEEP_ALIVE_SECONDS = 4.0  # less than uvicorn's 5, or now and then a request meets a connection that just closed
ADVICE = {
    "unauthorized": "Put the name of the key's variable behind the URL: https://host#NAME_OF_VARIABLE.",
    "unknown_model": "Set model.name to one that it serves.",
    "wrong_url": "Give the base URL of an OpenAI-compatible server, without /v1/completions.",
    "quota_spent": "Raise the account's limit, or take the endpoint out of REGENESIS_ENDPOINTS.",
    "prompt_too_long": "Shorten the prompt, or raise model.max_model_tokens.",
    "timed_out": "Raise synthesis.request_timeout_seconds, or look at the server's log.",
}


@dataclass
class _Try:
    """What happened to one request so far; `failures` are those that count against its retries."""

    attempts: int = 0
    failures: int = 0
    last: Trouble = field(default_factory=lambda: Trouble("failed", "endpoint_error", "never sent"))
    endpoint: str = "any endpoint"

    def failed(self, *, fatal: bool = False) -> RequestFailed:
        """The error that ends it."""
        advice = ADVICE.get(self.last.reason, "Look at the server's log.")
        return RequestFailed(
            f"A completion was expected from {self.endpoint}; found {self.last.reason} after {self.attempts} tries: "
            f"{self.last.message} {advice}",
            reason=self.last.reason,
            attempts=self.attempts,
            fatal=fatal,
        )


class OpenAIEngine:
    """An `Engine` over `urls`; an async context manager, to be entered in the loop that uses it."""

    def __init__(
        self,
        urls: Sequence[str],
        model_name: str = "",
        *,
        stop_token_ids: Sequence[int] = (),
        stop_strings: Sequence[str] = (),
        takes_seed: bool = False,
        vllm_parameters: bool = True,
        max_retries: int = 4,
        timeout_seconds: float = 300.0,
        outage_seconds: float = 120.0,
        start_in_flight: int = START_IN_FLIGHT,
        most_in_flight: int = MOST_IN_FLIGHT,
        alive: Callable[[], bool] | None = None,
    ) -> None:
        """`model_name` empty: the one model that is served. `alive`: whether an owned server's process still runs."""
        self.model_name = model_name
        self._stop_token_ids = list(stop_token_ids)
        self._stop_strings = tuple(stop_strings)
        self._takes_seed = takes_seed
        self._vllm_parameters = vllm_parameters
        self._max_retries = max_retries
        self._timeout_seconds = timeout_seconds
        self._bodies: dict[Sampling, str] = {}
        self._session: ClientSession | None = None
        self._pool = EndpointPool(
            urls,
            start_in_flight=start_in_flight,
            most_in_flight=most_in_flight,
            outage_seconds=outage_seconds,
            alive=alive or (lambda: True),
            is_healthy=self._is_healthy,
        )

    @property
    def endpoints(self) -> Sequence[Endpoint]:
        """Each with its counts, for reports."""
        return self._pool.endpoints

    async def __aenter__(self) -> Self:
        """Open connections; ask for the model's name where none was given."""
        import aiohttp

        # One limit for a request from connecting to its last byte, so a server that drips cannot hold it for ever.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            timeout=aiohttp.ClientTimeout(
                total=self._timeout_seconds, sock_connect=min(CONNECT_SECONDS, self._timeout_seconds)
            ),
            read_bufsize=2**18,
        )
        if not self.model_name:
            try:
                self.model_name = await self._served_name()
            except BaseException:
                await self._session.close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._pool.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def complete(
        self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, *, cached: bool = True
    ) -> Completion:
        """One completion, from whichever endpoint has room. Raises RequestFailed."""
        body = self._body(prompt_ids, sampling, seed, cached)
        so_far = _Try()
        while True:
            endpoint = await self._place(so_far)
            try:
                reply = await self._send(endpoint, body, len(prompt_ids))
                so_far.attempts += 1
                if isinstance(reply, Text):
                    return self._completion(endpoint, reply, so_far)
            finally:
                self._pool.give_back(endpoint)
            so_far.last, so_far.endpoint = reply, endpoint.name
            await self._after_trouble(endpoint, reply, so_far)

    async def _place(self, so_far: _Try) -> Endpoint:
        try:
            return await self._pool.take(again=so_far.attempts > 0)
        except EverythingDown as why:
            so_far.last = Trouble("fatal", "endpoint_error", f"{why} ({so_far.last.message})")
            raise so_far.failed(fatal=True) from None

    def _completion(self, endpoint: Endpoint, reply: Text, so_far: _Try) -> Completion:
        endpoint.completions += 1
        endpoint.completion_tokens += reply.completion_tokens
        endpoint.limit.completed(reply.completion_tokens, time.monotonic())
        return Completion(
            text=reply.text,
            finish_reason=reply.finish_reason,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            endpoint=endpoint.name,
            attempts=so_far.attempts,
        )

    async def _after_trouble(self, endpoint: Endpoint, trouble: Trouble, so_far: _Try) -> None:
        """Raise what no retry can mend; else wait as long as is wise."""
        if trouble.kind in ("fatal", "refused"):
            raise so_far.failed(fatal=trouble.kind == "fatal")
        if trouble.kind == "pushed_back":  # busy is not broken: it may wait as often as need be
            endpoint.limit.pushed_back(time.monotonic())
            self._pool.hold(endpoint, trouble.retry_after or self._pool.pause(2))
            return
        endpoint.failures += 1
        if trouble.reason == "unreachable":  # the request was never read, so it does not pay with one of its tries
            self._pool.mark_down(endpoint)
            return
        so_far.failures += 1
        if trouble.reason == "timed_out":
            endpoint.limit.pushed_back(time.monotonic())
        if trouble.reason == "closed":
            self._pool.mark_down(endpoint)
        if so_far.failures > self._max_retries:
            raise so_far.failed()
        await asyncio.sleep(self._pool.pause(so_far.failures))

    async def _send(self, endpoint: Endpoint, body: bytes, prompt_tokens: int) -> Text | Trouble:
        import aiohttp

        try:
            async with self._open().post(
                f"{endpoint.url}/v1/completions", data=body, headers=_headers(endpoint), allow_redirects=False
            ) as response:
                raw = await response.content.read(MOST_BYTES)
                while not response.content.at_eof():
                    if len(raw) >= MOST_BYTES:
                        response.close()
                        return Trouble("failed", "garbage", f"a reply of more than {MOST_BYTES} bytes.")
                    raw += await response.content.read(MOST_BYTES - len(raw))
                raw = endpoint.without_key(raw)
                return read_reply(response.status, raw, prompt_tokens, response.headers.get("Retry-After", ""))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return Trouble("failed", "unreachable", f"{error}.")
        except TimeoutError:
            return Trouble("failed", "timed_out", f"no whole reply in {self._timeout_seconds:g} s.")
        except (aiohttp.ServerDisconnectedError, ConnectionResetError):
            return Trouble("failed", "closed", "it closed the connection without a reply.")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Trouble("failed", "endpoint_error", f"{type(error).__name__}: {error}.")

    async def _is_healthy(self, endpoint: Endpoint) -> bool:
        import aiohttp

        limit = aiohttp.ClientTimeout(total=min(5.0, self._timeout_seconds))
        try:
            address = f"{endpoint.url}/v1/models"
            async with self._open().get(address, headers=_headers(endpoint), timeout=limit) as response:
                return response.status < 500
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return False

    async def _served_name(self) -> str:
        """The name that the first endpoint which answers calls its one base model."""
        import aiohttp

        last = "no answer"
        for endpoint in self.endpoints:
            try:
                async with self._open().get(f"{endpoint.url}/v1/models", headers=_headers(endpoint)) as response:
                    raw = await response.read()
                    if response.status in (401, 403):
                        why = Trouble("fatal", "unauthorized", "it lists no models without a key.")
                        raise _Try(attempts=1, last=why, endpoint=endpoint.name).failed(fatal=True)
                    names = [str(model["id"]) for model in json.loads(raw)["data"] if not model.get("parent")]
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError, TypeError) as error:
                last = f"{type(error).__name__}: {error}"
                continue
            if len(names) == 1:
                return names[0]
            raise InputError(
                f"{endpoint.name} must serve one model where none is named; it serves {names[:8]!r}. "
                "Set model.name to one of them."
            )
        names = [endpoint.name for endpoint in self.endpoints]
        raise InputError(
            f"One of the endpoints {names!r} must answer /v1/models; none does ({last}). Start one, or mend "
            "REGENESIS_ENDPOINTS."
        )

    def _open(self) -> "ClientSession":
        if self._session is None:
            raise InputError("An OpenAIEngine works inside `async with engine:`; found it closed.")
        return self._session

    def _body(self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, cached: bool) -> bytes:
        """The request; what depends on the sampling alone is written once."""
        fixed = self._bodies.get(sampling)
        if fixed is None:
            fixed = self._bodies[sampling] = json.dumps(self._parameters(sampling))[1:]
        seed_part = f'"seed":{seed},' if self._takes_seed else ""
        # vLLM reuses prefixes within one salt only
        salt_part = "" if cached or not self._vllm_parameters else f'"cache_salt":"{seed}",'
        return (
            f'{{"prompt":{json.dumps(list(prompt_ids), separators=(",", ":"))},{seed_part}{salt_part}{fixed}'.encode()
        )

    def _parameters(self, sampling: Sampling) -> dict[str, object]:
        """Every parameter, also where it is off, so that a server's own defaults never decide."""
        parameters: dict[str, object] = {
            "model": self.model_name,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
        }
        if stop := [*sampling.stop, *self._stop_strings]:
            parameters["stop"] = stop
        if self._vllm_parameters:
            parameters["top_k"] = sampling.top_k
            parameters["min_p"] = sampling.min_p
            parameters["repetition_penalty"] = 1.0
            parameters["stop_token_ids"] = self._stop_token_ids
        return parameters


def _headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {"Content-Type": "application/json"}
    if endpoint.key:
        headers["Authorization"] = f"Bearer {endpoint.key}"
    return headers
