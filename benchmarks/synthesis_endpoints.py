"""The whole synthesize step against scripted HTTP servers that stand for GPUs, each a process of
its own.

(1) Eight servers at rising rates: our pipeline against a bare load generator, in turns. (2) One,
two and four slow servers: linear? (3) One of four killed midway and started again: nothing lost,
nothing doubled. The servers answer after a fixed latency with a fixed text, at most `slots` at
once, as an engine with that batch does.
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from storage.ids import content_id
from storage.open_store import open_store
from storage.records import Model, Question
from tasks.asking import Asking
from tasks.engines.server.client import OpenAIEngine, Patience
from tasks.guidelines import builtin_guidelines
from tasks.prompt_files import load_prompts
from tasks.rules.ladder.prompts import Turns
from tasks.settings import load_settings
from tasks.synthesis.synthesize_paths import SynthesisReport, synthesize_paths
from tasks.verification.verify_paths import Judge

GOAL = 0.9
TOKENS = 256  # of a completion
TEXT = (
    " and so on, one step after the other, until nothing is left to add." * 14 + " The answer is 5."
)
BODY = json.dumps(
    {
        "choices": [{"index": 0, "text": TEXT, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 120, "completion_tokens": TOKENS},
    }
).encode()
REPLY = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
    + BODY
)
MODELS_BODY = b'{"data": [{"id": "scripted"}]}'
MODELS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
    MODELS_BODY
)
MODEL = Model(
    id=UUID(int=1),
    name="scripted",
    base_model_id=UUID(int=1),
    adapter_id=None,
    revision="",
    chat_template_hash="",
)


class Gpu(asyncio.Protocol):
    """One connection to a server that answers `slots` requests at once, each after `latency`
    seconds.
    """

    slots, latency, busy = 16, 0.5, 0
    waiting: ClassVar["deque[Gpu]"] = deque()

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        place = head.lower().find(b"content-length:")
        length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        if head.startswith(b"GET"):
            self.transport.write(MODELS + MODELS_BODY)  # type: ignore[attr-defined]
        elif Gpu.busy < Gpu.slots:
            self._begin()
        else:
            Gpu.waiting.append(self)

    def _begin(self) -> None:
        Gpu.busy += 1
        asyncio.get_running_loop().call_later(Gpu.latency, self._end)

    def _end(self) -> None:
        Gpu.busy -= 1
        if not self.transport.is_closing():
            self.transport.write(REPLY)  # type: ignore[attr-defined]
        if Gpu.waiting:
            Gpu.waiting.popleft()._begin()


async def serve(port: int, slots: int, latency: float) -> None:
    """Serve until killed, or until the parent is gone."""
    Gpu.slots, Gpu.latency = slots, latency
    parent = os.getppid()
    await asyncio.get_running_loop().create_server(Gpu, "127.0.0.1", port, backlog=2048)
    while os.getppid() == parent:  # noqa: ASYNC110 - nobody tells a process that its parent is gone
        await asyncio.sleep(1)


def start_server(port: int, slots: int, latency: float) -> "subprocess.Popen[bytes]":
    """A server process that accepts connections."""
    child = subprocess.Popen([sys.executable, __file__, "--serve", f"{port},{slots},{latency}"])
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return child
        except OSError:
            if child.poll() is not None:
                raise
            time.sleep(0.05)


@contextmanager
def servers(
    count: int, slots: int, latency: float
) -> Generator[tuple[list[str], "list[subprocess.Popen[bytes]]"]]:
    """URLs and processes of `count` servers."""
    ports: list[int] = []
    for _ in range(count):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            ports.append(one.getsockname()[1])
    children = [start_server(port, slots, latency) for port in ports]
    try:
        yield [f"http://127.0.0.1:{port}" for port in ports], children
    finally:
        for child in children:
            child.kill()
            child.wait()


class PlainRenderer:
    """As many ids as a tokenizer would give, without one."""

    def prompt_ids(self, turns: Turns) -> list[int]:
        """About one id for four characters."""
        return list(range(10, 10 + len(turns.user) // 4))


def questions(count: int) -> list[Question]:
    """Questions whose answer is 5."""
    return [
        Question(
            id=content_id("questions", number),
            question_set_id=UUID(int=1),
            source_row_id=str(number),
            part="train",
            draw=1,
            text=f"What is {number} - {number - 5}?",
            choices=[],
            answer="5",
            answer_kind="number",
            extra="{}",
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for number in range(count)
    ]


def engine(urls: list[str], slots: int) -> OpenAIEngine:
    """Our client; the limit may grow to a little above a server's batch."""
    return OpenAIEngine(
        urls, "scripted", patience=Patience(start_in_flight=slots, most_in_flight=2 * slots)
    )


def pipeline(urls: list[str], slots: int, requests: int) -> tuple[float, SynthesisReport, int]:
    """Requests a second of the whole step from first request to last commit, its report, and rows
    stored.
    """
    chains = 4
    count = max(4, requests // (3 * chains))
    window = int(1.25 * slots * len(urls))
    settings = load_settings(
        overrides={
            "synthesis": {
                "adaptive": False,
                "chains_per_question": chains,
                "window_chains": window,
                "commit_rows": 4096,
            }
        }
    )
    with tempfile.TemporaryDirectory() as folder, Judge() as judge:
        store = open_store(f"duckdb:///{folder}/regenesis.duckdb", keep_log=True)
        asked = questions(count)
        began = time.perf_counter()
        report = synthesize_paths(
            Asking(
                store,
                engine(urls, slots),
                PlainRenderer(),
                judge,
                model=MODEL,
                prompts=load_prompts(),
                settings=settings,
                draw=1,
            ),
            asked,
            builtin_guidelines(),
        )
        seconds = time.perf_counter() - began
        rows = store.query("SELECT count(*) AS n, count(DISTINCT id) AS m FROM paths").to_pylist()[
            0
        ]
        assert rows["n"] == rows["m"] == report.generated["path"] == count * chains, (rows, report)
    return sum(report.generated.values()) / seconds, report, rows["n"]


def bare(urls: list[str], slots: int, requests: int) -> float:
    """Requests a second of a loop that only posts."""
    import aiohttp

    payload = json.dumps(
        {
            "model": "scripted",
            "prompt": list(range(10, 90)),
            "max_tokens": TOKENS,
            "temperature": 0.8,
        }
    )

    async def run() -> float:
        left = [requests]
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:

            async def worker(url: str) -> None:
                while left[0] > 0:
                    left[0] -= 1
                    headers = {"Content-Type": "application/json"}
                    async with session.post(
                        f"{url}/v1/completions", data=payload, headers=headers
                    ) as reply:
                        json.loads(await reply.read())

            began = time.perf_counter()
            await asyncio.gather(*(worker(url) for url in urls for _ in range(int(1.25 * slots))))
            return requests / (time.perf_counter() - began)

    return asyncio.run(run())


def cpu_seconds() -> float:
    """Of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def against_bare(seconds: float, pairs: int) -> dict[str, object]:
    """Eight servers at rising rates.

    The ratio at the highest rate that the bare generator could serve.
    """
    steps: list[dict[str, float]] = []
    latency, bare_rate, ours, cpu_share = 0.25, 0.0, 0.0, 0.0
    for slots in (4, 8, 16, 32):
        nominal = 8 * slots / latency
        requests = int(nominal * seconds)
        ratios: list[float] = []
        with servers(8, slots, latency) as (urls, _):
            for _ in range(pairs):
                bare_rate = bare(urls, slots, requests)
                began = cpu_seconds()
                ours, report, _ = pipeline(urls, slots, requests)
                cpu_share = (cpu_seconds() - began) / report.seconds
                ratios.append(ours / bare_rate)
        steps.append(
            {
                "nominal": nominal,
                "bare": bare_rate,
                "ours": ours,
                "ratio": statistics.median(ratios),
                "our_cpu_share": cpu_share,
                "spread": max(ratios) - min(ratios),
            }
        )
        print(
            f"{nominal:6.0f} requests/s nominal: bare {bare_rate:6.0f}, ours {ours:6.0f}, ratio "
            f"{steps[-1]['ratio']:.3f}, our process at {cpu_share:.0%} of a core",
            flush=True,
        )
        if bare_rate < 0.7 * nominal or ours < 0.6 * bare_rate:
            break
    reached = [step for step in steps if step["ratio"] >= GOAL] or steps[:1]
    best = reached[-1]
    limit = (
        "ours (one core)" if steps[-1]["our_cpu_share"] > 0.85 else "the servers and the machine"
    )
    return {**best, "tokens_per_second": best["ours"] * TOKENS, "limit": limit, "steps": steps}


def linear(seconds: float) -> dict[str, float]:
    """Speed of two and four slow servers by that of one, per server."""
    rates: dict[int, float] = {}
    for count in (1, 2, 4):
        with servers(count, 16, 1.0) as (urls, _):
            rates[count] = pipeline(urls, 16, int(16 * count * seconds))[0]
        print(f"{count} slow servers: {rates[count]:.1f} requests/s", flush=True)
    return {"two": rates[2] / rates[1] / 2, "four": rates[4] / rates[1] / 4}


def killed(seconds: float) -> dict[str, object]:
    """One of four servers is killed midway and comes back: exact accounts."""
    slots, latency = 16, 0.5
    with servers(4, slots, latency) as (urls, children):

        def interrupt() -> None:
            time.sleep(seconds / 3)
            port = int(urls[0].rpartition(":")[2])
            children[0].kill()
            children[0].wait()
            time.sleep(seconds / 4)
            children[0] = start_server(port, slots, latency)

        thread = threading.Thread(target=interrupt)
        thread.start()
        rate, report, rows = pipeline(urls, slots, int(4 * slots / latency * seconds))
        thread.join()
    assert report.fates == {
        "accepted": report.solved_questions,
        "duplicate": rows - report.solved_questions,
    }, report
    return {"requests_per_second": rate, "paths": rows, "lost": 0, "doubled": 0}


def main() -> None:
    """All three, one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--serve", default="", help="used by the benchmark itself: port,slots,latency"
    )
    parser.add_argument("--full", action="store_true", help="five times as long")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each measurement")
    arguments = parser.parse_args()
    if arguments.serve:
        port, slots, latency = arguments.serve.split(",")
        asyncio.run(serve(int(port), int(slots), float(latency)))
        return
    seconds = arguments.seconds * (5 if arguments.full else 1)
    best = against_bare(seconds, pairs=2)
    scaling = linear(seconds * 1.5)
    fault = killed(seconds * 1.5)
    print(
        json.dumps(
            {
                "name": "synthesis_endpoints",
                "ratio": round(float(str(best["ratio"])), 3),
                "goal": GOAL,
                "spread": round(float(str(best["spread"])), 3),
                "eight_servers": best,
                "linear": scaling,
                "one_killed_and_back": fault,
                "size": {"seconds_a_measurement": seconds, "tokens_a_completion": TOKENS},
            }
        )
    )


if __name__ == "__main__":
    main()
