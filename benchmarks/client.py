"""CPU that the client costs for each request: at most 1 ms.

A scripted server in a process of its own answers.

Three rounds, each of our client and of a bare aiohttp loop that posts the same bodies; the ratio is
1 ms over ours.
"""

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tasks.engines.server.client import OpenAIEngine, Patience  # noqa: E402
from tasks.engines.server.recognition import Asked  # noqa: E402
from tasks.settings import Sampling  # noqa: E402

GOAL_SECONDS = 0.001
IN_FLIGHT = 128
AT_ONCE = Patience(start_in_flight=IN_FLIGHT, most_in_flight=IN_FLIGHT)
PROMPT = list(range(100, 400))  # 300 ids, as long as a ladder prompt
SAMPLING = Sampling(max_tokens=128)
SERVER = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from tests.fakes.scripted_server import Reply, ScriptedServer, always
async def main():
    async with ScriptedServer(always(Reply(text="word " * 80, tokens=80))) as server:
        print(server.port, flush=True)
        while True:
            await asyncio.sleep(1)
            server.asked.clear()
asyncio.run(main())
"""


async def ours(url: str, requests: int) -> float:
    """CPU seconds a request of the whole process, engine set up."""
    async with OpenAIEngine([url], "", Asked(stop_token_ids=(2,)), AT_ONCE) as engine:
        await engine.complete(PROMPT, SAMPLING, 1)
        began = time.process_time()
        places = asyncio.Semaphore(2 * IN_FLIGHT)

        async def one(seed: int) -> None:
            async with places:
                await engine.complete(PROMPT, SAMPLING, seed)

        await asyncio.gather(*(one(seed) for seed in range(requests)))
        return (time.process_time() - began) / requests


async def bare(url: str, requests: int) -> float:
    """The same with aiohttp alone: the least that this way of asking can cost."""
    import aiohttp

    body = json.dumps(
        {"model": "scripted", "prompt": PROMPT, "max_tokens": 128, "temperature": 0.8}
    ).encode()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.process_time()
        places = asyncio.Semaphore(IN_FLIGHT)

        async def one() -> None:
            async with places, session.post(f"{url}/v1/completions", data=body) as response:
                json.loads(await response.read())

        await asyncio.gather(*(one() for _ in range(requests)))
        return (time.process_time() - began) / requests


def main() -> None:
    """Measure and print; the last line is JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="ten times as many requests")
    requests = 20_000 if parser.parse_args().full else 2_000
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(ROOT)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}"
        pairs = [
            (asyncio.run(ours(url, requests)), asyncio.run(bare(url, requests))) for _ in range(3)
        ]
    finally:
        server.kill()
        server.wait()
    mine, alone = ([pair[side] * 1000 for pair in pairs] for side in (0, 1))
    for one, other in zip(mine, alone, strict=True):
        print(f"client {one:.3f} ms CPU a request, bare aiohttp {other:.3f} ms")
    middle = statistics.median(mine)
    print(
        json.dumps(
            {
                "name": "client",
                "ratio": round(GOAL_SECONDS * 1000 / middle, 2),
                "goal": 1.0,
                "spread": [
                    round(GOAL_SECONDS * 1000 / max(mine), 2),
                    round(GOAL_SECONDS * 1000 / min(mine), 2),
                ],
                "client_ms": [round(one, 3) for one in mine],
                "bare_aiohttp_ms": [round(one, 3) for one in alone],
                "requests": requests,
                "prompt_tokens": len(PROMPT),
            }
        )
    )


if __name__ == "__main__":
    main()
