"""A whole round at 1,000 questions on an engine of realistic speed that costs no cores: what does all else take?

Wall time outside engine, training and evaluation, as a share of the round; and the flow process's memory, which must
not grow with the questions. The engine gives `--tokens-per-second` over all requests together. `--full`: 4,000.
"""

import argparse
import asyncio
import json
import os
import resource
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storage.environment import Environment
from storage.ids import content_id
from storage.records import Adapter, Model, Question, Round
from storage.repository import open_store
from tasks.engines.embedded_model import PreparedModel
from tasks.engines.engine import Completion
from tasks.settings import Sampling, Settings
from tests.fakes.scripted_machinery import ScriptedMachinery, ScriptedServer
from tests.fakes.small_round import write_marked_prompts

GOAL_SHARE = 0.02
TEXT = "First the numbers are named one by one, then they are put together as the steps say. The answer is {answer}."
SETTINGS = """
[questions]
train_per_set = {train}
gate_per_set = 64
final_per_set = 16
[synthesis]
prompts = "{prompts}"
chains_per_question = 4
hinted_chains = 2
"""


class PacedEngine:
    """Answers in the order of asking, at so many tokens a second over all requests together."""

    takes_seed = True

    def __init__(self, answers: dict[str, str], share: float, tokens_per_second: float) -> None:
        self._answers = answers
        self._share = share
        self._rate = tokens_per_second
        self._free_at = 0.0

    async def __aenter__(self) -> "PacedEngine":
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def complete(
        self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, *, cached: bool = True
    ) -> Completion:
        """A right or a wrong answer, by prompt and seed."""
        prompt = "".join(map(chr, prompt_ids))
        question = prompt.split("|")[1] if "|" in prompt else ""
        right = content_id("paced", prompt, seed).int % 1000 < self._share * 1000
        text = TEXT.format(answer=self._answers.get(question, "0") if right else 987654321)
        tokens = min(60, sampling.max_tokens)
        now = time.monotonic()
        self._free_at = max(now, self._free_at) + tokens / self._rate
        await asyncio.sleep(self._free_at - now)
        return Completion(text, "stop", len(prompt_ids), tokens, "paced", 1)


class PacedServer(ScriptedServer):
    """A server whose engine is paced."""

    def __init__(self, machinery: "PacedMachinery", model: Model, environment: Environment) -> None:
        super().__init__(machinery, model, environment)
        self._paced = machinery

    def engine(self) -> PacedEngine:  # type: ignore[override]
        share = self._paced.base_share if self._model.adapter_id is None else self._paced.trained_share
        questions = open_store(self._environment.store_url).select(Question)
        answers = {question.text: question.answer for question in questions}
        return PacedEngine(answers, share, self._paced.tokens_per_second)


class PacedMachinery(ScriptedMachinery):
    """Scripted, at a pace."""

    def __init__(self, tokens_per_second: float) -> None:
        super().__init__()
        self.tokens_per_second = tokens_per_second

    def serve(
        self, model: Model, base: PreparedModel, adapter: Adapter | None, settings: Settings,
        environment: Environment, draw: int,
    ) -> PacedServer:  # fmt: skip
        return PacedServer(self, model, environment)


class Memory:
    """Resident memory of this process, looked at twice a second."""

    def __init__(self) -> None:
        self.mib: list[float] = []
        self._ended = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def close(self) -> None:
        self._ended.set()

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            pages = int(Path("/proc/self/statm").read_text("utf-8").split()[1])
            self.mib.append(pages * resource.getpagesize() / 2**20)


def run_round(home: Path, train_per_set: int, tokens_per_second: float) -> dict[str, Any]:
    """One round in this process under a temporary Prefect server; its time by phase and its memory."""
    from flows.temporary_server import await_server, prefect_server

    prompts = write_marked_prompts(home)
    os.environ["REGENESIS_HOME"] = str(home)
    with prefect_server(home) as url:
        from flows import progress, workplace
        from flows.improve import improve

        workplace.MACHINERY[0] = PacedMachinery(tokens_per_second)
        workplace.WATCHER[:] = [progress.Quiet()]
        await_server(url, home)
        memory = Memory()
        improve(settings_toml=SETTINGS.format(train=train_per_set, prompts=prompts))
        memory.close()
    [record] = open_store(f"duckdb:///{home / 'regenesis.duckdb'}").select(Round)
    figures = json.loads(record.timings)
    middle = memory.mib[len(memory.mib) // 2]
    return figures | {"memory_peak_mib": round(max(memory.mib)), "memory_growth_mib": round(max(memory.mib) - middle)}


def main() -> None:
    """Run, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="4,000 questions")
    parser.add_argument("--questions", type=int, default=0, help="another size, over four sets")
    parser.add_argument("--tokens-per-second", type=float, default=2000.0, help="of the engine, all requests together")
    arguments = parser.parse_args()
    count = arguments.questions or (4000 if arguments.full else 1000)
    with tempfile.TemporaryDirectory() as folder:
        figures = run_round(Path(folder) / "home", count // 4, arguments.tokens_per_second)
    seconds, total = figures["seconds"], figures["total_seconds"]
    share = 1 - (seconds["synthesis"] + seconds["training"] + seconds["evaluation"]) / total
    print(json.dumps({"phases": seconds}), flush=True)
    print(
        json.dumps(
            {
                "name": "orchestration", "ratio": round(GOAL_SHARE / share, 2), "goal": 1.0, "spread": 0.0,
                "share_outside_engine": round(share, 4), "goal_share": GOAL_SHARE, "round_seconds": total,
                "seconds_outside_engine": round(share * total, 1), "memory_peak_mib": figures["memory_peak_mib"],
                "memory_growth_second_half_mib": figures["memory_growth_mib"],
                "size": {"questions": count, "paths": figures["paths"], "tokens": figures["synthesis_tokens"],
                         "tokens_per_second": arguments.tokens_per_second},
            }
        )
    )  # fmt: skip


if __name__ == "__main__":
    main()
