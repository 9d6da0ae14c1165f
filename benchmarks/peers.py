"""Ours beside a bare streamed client and distilabel.

The same chains, prompts and lengths, by turns on one vLLM server.

Ours asks the server as an endpoint of somebody else (`GivenEndpoints`, what REGENESIS_ENDPOINTS
means), judges and stores; its requests are recorded. The peers send them again, each chain stage by
stage, with the lengths that ours had (`ignore_eos`), under token ids shifted by a constant, so that
the prefix cache begins as cold and shares as much. They judge and store nothing; their accepted
paths a minute are what ours accepted of the same chains, by their time. distilabel lives in an
environment of its own, which is made here once; where it cannot be, it is left out and said.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

GOAL, DISTILABEL_GOAL = 0.95, 1.5
DISTILABEL = ("distilabel[openai]==1.5.3", "requests")  # the second is used and not declared
LOW, HIGH = 100, 48_000  # ordinary ids of the embedded model's vocabulary
Chain = list[tuple[list[int], int]]  # prompt ids and generated tokens of each stage

DISTILABEL_SIDE = '''
import asyncio, json, os, resource, sys, time
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts, Step, StepInput

class Ask(Step):
    """One stage of the chains: a batch of prompts at a time, all of its requests at once."""
    stage: int
    url: str
    times: str
    @property
    def inputs(self): return ["prompts", "lengths"]
    @property
    def outputs(self): return [f"text_{self.stage}"]
    def process(self, inputs: StepInput):
        from openai import AsyncOpenAI
        async def ask_all():
            key = os.environ["ENGINE_KEY"]
            async with AsyncOpenAI(base_url=self.url + "/v1", api_key=key, timeout=3600) as client:
                async def ask(row):
                    reply = await client.completions.create(
                        model="base", prompt=row["prompts"][self.stage],
                        max_tokens=row["lengths"][self.stage],
                        temperature=0.8, extra_body={"ignore_eos": True})
                    return reply.choices[0].text
                return await asyncio.gather(*map(ask, inputs))
        began = time.time()
        for row, text in zip(inputs, asyncio.run(ask_all())):
            row[f"text_{self.stage}"] = text
        with open(self.times, "a") as file:
            file.write(f"{began} {time.time()}\\n")
        yield inputs

if __name__ == "__main__":
    url, chains, times = sys.argv[1], json.load(open(sys.argv[2])), sys.argv[2] + ".times"
    rows = [{"prompts": [p for p, _ in c], "lengths": [n for _, n in c]} for c in chains]
    with Pipeline(name="chains") as pipeline:
        before = LoadDataFromDicts(data=rows)
        for stage in range(max(map(len, chains))):
            after = Ask(name=f"stage_{stage}", stage=stage, url=url, times=times)
            before >> after
            before = after
    pipeline.run(use_cache=False)
    moments = [[float(one) for one in line.split()] for line in open(times)]
    # its start-up does not count
    seconds = max(end for _, end in moments) - min(begin for begin, _ in moments)
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    most = max(resource.getrusage(who).ru_maxrss for who in whose)
    print("\\n" + json.dumps({"seconds": seconds, "peak_mib": most / 1024}), flush=True)
'''


@dataclass(frozen=True)
class Side:
    """What one side took."""

    seconds: float
    tokens: int
    peak_mib: float
    accepted: int

    @property
    def rate(self) -> float:
        """Tokens a second from first request to last reply, or to the last commit."""
        return self.tokens / self.seconds

    def figures(self) -> dict[str, float]:
        """For people and the last line."""
        return {
            "tokens_per_second": round(self.rate, 1),
            "seconds": round(self.seconds, 1),
            "accepted_per_minute": round(self.accepted / self.seconds * 60, 1),
            "peak_mib": round(self.peak_mib),
        }


def peak_mib() -> float:
    """Of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ours(url: str, folder: Path, chains: int, draw: int) -> None:
    """One run in this process; its figures and its chains as the last line."""
    from engine_under_test import RecordingEngine, train_questions

    from flows.steps.machinery import GivenEndpoints
    from storage.environment import read_environment
    from storage.open_store import open_store
    from tasks.asking import Asking
    from tasks.engines.models.base_models import prepare_model
    from tasks.engines.models.rendering import Renderer
    from tasks.guidelines import builtin_guidelines
    from tasks.prompt_files import load_prompts
    from tasks.settings import load_settings
    from tasks.synthesis.synthesize_paths import synthesize_paths
    from tasks.verification.verify_paths import Judge

    settings = load_settings(
        overrides={
            "synthesis": {
                "adaptive": False,
                "hinted_retry": False,
                "close_paths": False,
                "chains_per_question": 1,
            }
        }
    )
    environment = replace(read_environment(), endpoints=(f"{url}#ENGINE_KEY",))
    base = prepare_model(settings.model, environment)
    renderer = Renderer(base.folder, settings.model)
    served = GivenEndpoints(base.record, base, renderer, settings, environment)
    engine = RecordingEngine(served.engine(lambda line: print(line, file=sys.stderr)))
    store = open_store(f"duckdb:///{folder / f'run-{draw}'}.duckdb")
    asked = train_questions(folder, chains, draw)
    with Judge() as judge:
        asking = Asking(
            store, engine, renderer, judge, base.record, load_prompts(), settings, draw=draw
        )
        report = synthesize_paths(asking, asked, builtin_guidelines())
    seconds = time.perf_counter() - engine.first_request
    order = sorted(engine.answered, key=lambda one: one.at)
    stages = [
        [one for one in order if one.sampling == sampling]
        for sampling in _stage_samplings(settings)
    ]
    recorded = [
        [(list(one.prompt_ids), max(1, one.tokens)) for one in chain]
        for chain in zip(*stages, strict=False)
    ]
    accepted = report.fates.get("accepted", 0)
    print(
        json.dumps(
            {
                "seconds": seconds,
                "tokens": report.tokens,
                "peak_mib": peak_mib(),
                "accepted": accepted,
                "chains": recorded,
            }
        )
    )


def _stage_samplings(settings: Any) -> list[Any]:
    return [settings.synthesis.adapt, settings.synthesis.structure, settings.synthesis.path]


def bare(url: str, file: Path) -> None:
    """A client that streams and does nothing else.

    All chains at once, each stage after the one before.
    """
    import aiohttp

    chains: list[Chain] = json.loads(file.read_text("utf-8"))

    async def run() -> float:
        key = {"Authorization": f"Bearer {os.environ['ENGINE_KEY']}"}
        connector, limit = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=3600)
        async with aiohttp.ClientSession(connector=connector, timeout=limit) as session:

            async def follow(chain: Chain) -> None:
                for prompt, tokens in chain:
                    body = {
                        "model": "base",
                        "prompt": prompt,
                        "max_tokens": tokens,
                        "temperature": 0.8,
                        "ignore_eos": True,
                        "stream": True,
                    }
                    async with session.post(
                        f"{url}/v1/completions", json=body, headers=key
                    ) as reply:
                        async for line in reply.content:
                            if line.startswith(b"data: {"):
                                json.loads(line[6:])

            began = time.perf_counter()
            await asyncio.gather(*map(follow, chains))
            return time.perf_counter() - began

    print(json.dumps({"seconds": asyncio.run(run()), "peak_mib": peak_mib()}))


def shifted(chains: Sequence[Chain], by: int) -> list[Chain]:
    """The same chains of other tokens, special ones as they are."""

    def moved(ids: list[int]) -> list[int]:
        return [LOW + (one - LOW + by) % (HIGH - LOW) if LOW <= one < HIGH else one for one in ids]

    return [[(moved(prompt), tokens) for prompt, tokens in chain] for chain in chains]


def side_of(command: list[str], tokens: int = 0, accepted: int = 0) -> tuple[Side, dict[str, Any]]:
    """A side's figures, from the last line of its process."""
    quiet = os.environ | {"DISTILABEL_LOG_LEVEL": "ERROR", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=quiet)
    if done.returncode:
        sys.exit(f"{command[1:4]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return (
        Side(
            found["seconds"],
            found.get("tokens", tokens),
            found["peak_mib"],
            found.get("accepted", accepted),
        ),
        found,
    )


def distilabel_python() -> str:
    """The interpreter of distilabel's own environment, made where it is missing; empty where that
    fails.
    """
    cache = (
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        / "regenesis"
        / "distilabel"
    )
    python = cache / "bin" / "python"
    if not (cache / ".made").is_file():
        print(f"making distilabel's environment in {cache} ...", flush=True)
        steps = (
            [sys.executable, "-m", "venv", "--clear", str(cache)],
            [str(python), "-m", "pip", "install", "-q", *DISTILABEL],
        )
        for step in steps:
            if subprocess.run(step, check=False).returncode:
                print(
                    f"{DISTILABEL[0]} cannot be installed here; distilabel is left out.", flush=True
                )
                return ""
        (cache / ".made").touch()
    return str(python)


def main() -> None:
    """By turns; one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1,536 chains, five pairs")
    parser.add_argument("--chains", type=int, default=0)
    parser.add_argument("--pairs", type=int, default=0)
    parser.add_argument("--sequences", type=int, default=128, help="of the server at once")
    parser.add_argument("--no-distilabel", action="store_true", help="leave distilabel out")
    parser.add_argument("--side", nargs="+", help="used by the benchmark itself")
    arguments = parser.parse_args()
    if arguments.side:
        side, url, *rest = arguments.side
        if side == "bare":
            bare(url, Path(rest[0]))
        else:
            ours(url, Path(rest[0]), int(rest[1]), int(rest[2]))
        return
    from engine_under_test import bench

    chains = arguments.chains or (1536 if arguments.full else 192)
    pairs = arguments.pairs or (5 if arguments.full else 3)
    peer = "" if arguments.no_distilabel else distilabel_python()
    figures: list[dict[str, dict[str, float]]] = []
    with bench(arguments.sequences) as on, tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ["ENGINE_KEY"] = on.server.key  # each side is a process of its own
        script = folder / "distilabel_side.py"
        script.write_text(DISTILABEL_SIDE, "utf-8")
        for number in range(pairs + 1):  # the first pair warms the server up and does not count
            count = chains if number else min(chains, 64)
            pair = one_pair(on.server.url, folder, count, number, peer if number else "")
            if number:
                figures.append({name: side.figures() for name, side in pair.items()})
                print(f"pair {number}: {json.dumps(figures[-1])}", flush=True)
        precision = on.server.precision
    report(
        figures,
        {
            "chains": chains,
            "pairs": pairs,
            "sequences": arguments.sequences,
            "precision": precision,
        },
    )


def one_pair(url: str, folder: Path, chains: int, number: int, peer: str) -> dict[str, Side]:
    """Ours, then its peers on what it asked, in turning order."""
    me = [sys.executable, __file__, "--side"]
    first, found = side_of([*me, "ours", url, str(folder), str(chains), str(1000 + number)])
    sides = {"ours": first}
    names = ["bare", "distilabel"] if peer else ["bare"]
    for place, name in enumerate(names if number % 2 else names[::-1]):
        file = folder / f"chains-{number}-{place}.json"
        by = random.Random(f"{number}-{place}").randrange(1, 40_000)
        file.write_text(json.dumps(shifted(found["chains"], by)), "utf-8")
        command = [*me, "bare", url, str(file)]
        if name == "distilabel":
            command = [peer, str(folder / "distilabel_side.py"), url, str(file)]
        tokens = sum(tokens for chain in found["chains"] for _, tokens in chain)
        sides[name], _ = side_of(command, tokens, first.accepted)
    return sides


def report(figures: list[dict[str, dict[str, float]]], size: dict[str, object]) -> None:
    """The last line."""

    def ratios(peer: str) -> list[float]:
        return [
            one["ours"]["tokens_per_second"] / one[peer]["tokens_per_second"]
            for one in figures
            if peer in one
        ]

    against, distilabel = ratios("bare"), ratios("distilabel")
    print(
        json.dumps(
            {
                "name": "peers",
                "ratio": round(statistics.median(against), 3),
                "goal": GOAL,
                "spread": round(max(against) - min(against), 3),
                "ratio_distilabel": round(statistics.median(distilabel), 2) if distilabel else None,
                "goal_distilabel": DISTILABEL_GOAL,
                "pairs": figures,
                "stores": (
                    "ours: every stage's text, prompt, seed, tokens and verdict; the peers: nothing"
                ),
                "size": size,
            }
        )
    )


if __name__ == "__main__":
    main()
