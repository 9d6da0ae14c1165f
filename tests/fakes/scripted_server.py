"""An OpenAI-compatible HTTP server that answers from a script.

It can hang, drip, lie, close, die and return.

Speaks HTTP itself, byte by byte, because the faults it plays are faults that no framework commits.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypedDict


class Body(TypedDict, total=False):
    """A completion request, as far as scripts look at it."""

    model: str
    prompt: list[int]  # a text for servers that take no ids
    max_tokens: int
    temperature: float
    seed: int
    stop: list[str]
    stop_token_ids: list[int]


@dataclass(frozen=True)
class Reply:
    """One answer and the way in which it is given."""

    text: str = "4"
    status: int = 200
    message: str = ""
    finish_reason: str = "stop"
    tokens: int = 1
    headers: tuple[tuple[str, str], ...] = ()
    raw: bytes | None = None  # instead of the JSON that would be right
    delay_seconds: float = 0.0
    hang: bool = False
    drip_seconds: float = 0.0  # between two bytes
    close_after_bytes: int = -1  # of the body
    reset: bool = False  # closes before a word is said

    def body(self, request: Body) -> bytes:
        """The JSON of a completion or of an error."""
        if self.raw is not None:
            return self.raw
        if self.status != 200:
            return json.dumps({"error": {"message": self.message, "code": self.status}}).encode()
        choice = {"index": 0, "text": self.text, "finish_reason": self.finish_reason}
        usage = {"prompt_tokens": len(request.get("prompt", [])), "completion_tokens": self.tokens}
        return json.dumps({"choices": [choice], "usage": usage}).encode()


Script = Callable[[Body, int], Reply]


def always(reply: Reply) -> Script:
    """The same answer to everything."""
    return lambda _body, _number: reply


def first(*replies: Reply) -> Script:
    """These answers in turn, then the last of them for ever."""
    return lambda _body, number: replies[min(number, len(replies) - 1)]


@dataclass
class ScriptedServer:
    """Serves `script(body, number of the request from 0)`; an async context manager."""

    script: Script = field(default_factory=lambda: always(Reply()))
    model_name: str = "scripted"
    key: str = ""
    port: int = 0
    pages: dict[str, str | Callable[[], str]] = field(
        default_factory=dict[str, "str | Callable[[], str]"]
    )
    """What it says of itself, by path; every path gives the list of models where there are none."""
    slots: int = 0  # requests that it runs at once, the others wait; 0 for no limit
    running: int = 0
    most_running: int = 0
    asked: list[Body] = field(default_factory=list[Body])
    answered: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    _room: asyncio.Semaphore | None = None
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set["asyncio.Task[None]"])

    @property
    def url(self) -> str:
        """Base URL."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.die()

    async def start(self) -> None:
        """Listen; on the same port as before when it died."""
        self._room = asyncio.Semaphore(self.slots or 100_000)
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self.port, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def die(self) -> None:
        """Close every connection in the middle of whatever it does, and listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while await self._one_request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def _one_request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        headers = dict(
            line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line
        )
        raw = await reader.readexactly(int(headers.get("content-length", "0")))
        if self.key and headers.get("authorization") != f"bearer {self.key.lower()}":
            return await self._write(writer, Reply(status=401, message="Unauthorized"), {})
        if head.startswith("GET") and self.pages:
            return await self._write(writer, self._page(head.split()[1]), {})
        if head.startswith("GET"):
            models = json.dumps(
                {"data": [{"id": self.model_name, "owned_by": "scripted"}]}
            ).encode()
            return await self._write(writer, Reply(raw=models), {})
        body: Body = json.loads(raw)
        number = len(self.asked)
        self.asked.append(body)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        assert self._room is not None
        try:
            async with self._room:
                self.running += 1
                self.most_running = max(self.most_running, self.running)
                try:
                    kept = await self._write(writer, self.script(body, number), body)
                finally:
                    self.running -= 1
            self.answered += 1
            return kept
        finally:
            self.in_flight -= 1

    def _page(self, path: str) -> Reply:
        page = self.pages.get(path)
        if page is None:
            return Reply(status=404, message="Not Found")
        return Reply(raw=(page if isinstance(page, str) else page()).encode())

    async def _write(self, writer: asyncio.StreamWriter, reply: Reply, request: Body) -> bool:
        if reply.hang:
            await asyncio.sleep(3600)
        if reply.delay_seconds:
            await asyncio.sleep(reply.delay_seconds)
        if reply.reset:
            return False
        body = reply.body(request)
        lines = [
            f"HTTP/1.1 {reply.status} X",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        lines += [f"{name}: {value}" for name, value in reply.headers]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if reply.close_after_bytes >= 0:
            writer.write(body[: reply.close_after_bytes])
            await writer.drain()
            return False
        if reply.drip_seconds:
            for byte in body:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(reply.drip_seconds)
        else:
            writer.write(body)
        await writer.drain()
        return True
