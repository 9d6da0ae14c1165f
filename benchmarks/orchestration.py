"""A whole round at 1,000 questions on an engine of realistic speed that costs no cores.

What does all else take?

The share of the flow's wall time in which the engine has nothing to do and nothing trains; and the
flow process's memory against that of a round of a quarter of the size, each in a process of its
own. The engine gives `--tokens-per-second` over all requests together. `--full`: 4,000 questions.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, cast

from flows.runs.results import Result
from storage.environment import Environment
from storage.ids import content_id
from storage.open_store import open_store
from storage.records import Adapter, Model, Question
from tasks.engines.engine import Completion
from tasks.engines.models.base_models import PreparedModel
from tasks.settings import Sampling, Settings
from tests.fakes.scripted_machinery import ScriptedMachinery, ScriptedServer
from tests.fakes.small_round import write_marked_prompts

GOAL_SHARE = 0.02
TEXT = (
    "First the numbers are named one by one, then they are put together as the steps say. The"
    " answer is {answer}."
)
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

    def __init__(self, machinery: "PacedMachinery", answers: dict[str, str], share: float) -> None:
        self._machinery = machinery
        self._answers = answers
        self._share = share
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
        seconds = tokens / self._machinery.tokens_per_second
        self._machinery.busy_seconds += seconds
        self._machinery.requests += 1
        self._free_at = max(now, self._free_at) + seconds
        await asyncio.sleep(self._free_at - now)
        return Completion(text, "stop", len(prompt_ids), tokens, "paced", 1)


class PacedServer(ScriptedServer):
    """A server whose engine is paced."""

    def __init__(self, machinery: "PacedMachinery", model: Model, environment: Environment) -> None:
        super().__init__(machinery, model, environment)
        self._paced = machinery

    def engine(self, say: Callable[[str], None]) -> PacedEngine:  # type: ignore[override]
        share = (
            self._paced.base_share if self._model.adapter_id is None else self._paced.trained_share
        )
        questions = open_store(self._environment.store_url).select(Question)
        answers = {question.text: question.answer for question in questions}
        return PacedEngine(self._paced, answers, share)


class PacedMachinery(ScriptedMachinery):
    """Scripted, at a pace."""

    def __init__(self, tokens_per_second: float) -> None:
        super().__init__()
        self.tokens_per_second = tokens_per_second
        self.busy_seconds = 0.0  # of its engines, while each token took its time
        self.requests = 0

    def serve(
        self,
        model: Model,
        base: PreparedModel,
        adapter: Adapter | None,
        settings: Settings,
        environment: Environment,
    ) -> PacedServer:
        return PacedServer(self, model, environment)


def run_round(
    home: Path,
    questions: int,
    tokens_per_second: float,
    question_sets: Sequence[str] = (),
    start_at: float = 0,
) -> dict[str, Any]:
    """One round in this process under a temporary Prefect server.

    Its figures, wall time, CPU and highest memory.

    It begins at a moment of the machine's clock, or at once when that is over.
    """
    from flows.runs.temporary_server import prefect_server

    prompts = write_marked_prompts(home)
    os.environ["REGENESIS_HOME"] = str(home)
    machinery = PacedMachinery(tokens_per_second)
    with prefect_server(home) as server:
        from flows.improve import improve
        from flows.steps.edges import use_edges
        from flows.steps.progress import Quiet

        server.await_answer()
        time.sleep(max(0.0, start_at - time.monotonic()))
        began, cpu_before = time.monotonic(), time.process_time()
        train = questions // (len(question_sets) or 4)
        with use_edges(machinery, Quiet()):
            result = improve(
                name="+".join(question_sets),
                question_sets=list(question_sets),
                settings_toml=SETTINGS.format(train=train, prompts=prompts),
            )
        figures = dict(cast(Result, result).figures)
        ended, cpu = time.monotonic(), time.process_time() - cpu_before
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures | {
        "began": began,
        "ended": ended,
        "wall_seconds": ended - began,
        "cpu_seconds": round(cpu, 1),
        "busy_seconds": machinery.busy_seconds,
        "requests": machinery.requests,
        "peak_mib": round(peak_mib),
    }


def run_apart(questions: int, tokens_per_second: float) -> dict[str, Any]:
    """The same in a process of its own, whose memory is that of one flow."""
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart,
    ):
        figures = apart.submit(
            run_round, Path(folder) / "home", questions, tokens_per_second
        ).result()
    print(json.dumps({"questions": questions, **figures}, default=str), flush=True)
    return figures


def main() -> None:
    """Run, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="4,000 questions")
    parser.add_argument("--questions", type=int, default=0, help="another size, over four sets")
    parser.add_argument(
        "--tokens-per-second",
        type=float,
        default=2000.0,
        help="of the engine, all requests together",
    )
    arguments = parser.parse_args()
    count = arguments.questions or (4000 if arguments.full else 1000)
    small = run_apart(count // 4, arguments.tokens_per_second)
    figures = run_apart(count, arguments.tokens_per_second)
    wall = figures["wall_seconds"]
    outside = wall - figures["busy_seconds"] - figures["seconds"]["training"]
    print(
        json.dumps(
            {
                "name": "orchestration",
                "ratio": round(GOAL_SHARE * wall / outside, 2),
                "goal": 1.0,
                "spread": 0.0,
                "share_outside_engine": round(outside / wall, 4),
                "goal_share": GOAL_SHARE,
                "round_seconds": round(wall, 1),
                "seconds_outside_engine": round(outside, 1),
                "cpu_ms_a_request": round(1000 * figures["cpu_seconds"] / figures["requests"], 2),
                "memory_peak_mib": figures["peak_mib"],
                "memory_peak_of_a_quarter_mib": small["peak_mib"],
                "size": {
                    "questions": count,
                    "paths": figures["paths"],
                    "tokens": figures["synthesis_tokens"],
                    "tokens_per_second": arguments.tokens_per_second,
                },
            }
        )
    )


if __name__ == "__main__":
    main()
