"""An outage in the middle of any step that asks a server.

The step waits for its end, and loses nothing.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from storage.open_store import Store
from storage.records import FailedRequest, Question
from tasks.asking import Asking
from tasks.engines.server.client import OpenAIEngine, Patience
from tasks.evaluation.evaluate_model import evaluate_model
from tasks.evaluation.noise import ask_again
from tasks.synthesis.round_forecast import forecast_round
from tasks.synthesis.synthesize_paths import synthesize_paths
from tasks.verification.verify_paths import Judge
from tests.fakes.ladder_examples import guidelines, settings
from tests.fakes.scripted_engine import TextRenderer, marked_prompts
from tests.fakes.scripted_kinds import VLLM
from tests.fakes.scripted_server import Body, Reply, ScriptedServer
from tests.fakes.small_store import BASE, clock, round_of, small_store

STEPS_OF_FLOWS = Path(__file__).parents[2] / "flows" / "steps"
LASTS_SECONDS, FIRST_LOST = 0.3, 4
ENDLESS_SECONDS = 30  # what an outage would have to last to end the step
Questions = list[Question]


STEPS: dict[str, Callable[[Asking, Questions], object]] = {
    "synthesize_paths": lambda asking, questions: synthesize_paths(
        asking, questions[:6], guidelines()
    ),
    "forecast_round": lambda asking, questions: forecast_round(
        asking, questions, guidelines(), evaluation_answers=0, probe_questions=4
    ),
    "evaluate_model": lambda asking, questions: evaluate_model(asking, questions, "base"),
    "ask_again": lambda asking, questions: ask_again(asking, questions, sample=1),
}
TROUBLES = {
    "502": Reply(status=502, message="Bad Gateway"),
    "504": Reply(status=504, raw=b"<html>upstream timed out</html>"),
    "reset": Reply(reset=True),
    "refused": None,  # nobody listens
}


class Outage:
    """Answers; once armed, the fourth request and those just after it meet the trouble."""

    def __init__(self, trouble: Reply | None) -> None:
        self.trouble = trouble
        self.armed, self.met = Event(), 0
        self._since_armed, self._ends = 0, 0.0

    def __call__(self, _body: Body, _number: int) -> Reply:
        now = asyncio.get_running_loop().time()
        self._since_armed += self.armed.is_set()
        if self._since_armed == FIRST_LOST:
            self._ends = now + LASTS_SECONDS
        if self._since_armed >= FIRST_LOST and now < self._ends:
            self.met += 1
            return self.trouble or Reply(reset=True)
        return Reply(text="Count to 5 once. The answer is 5.", tokens=7)


async def refuse_for_a_moment(server: ScriptedServer, outage: Outage) -> None:
    while not outage.met:  # noqa: ASYNC110 - a counter, no event
        await asyncio.sleep(0.01)
    await server.die()
    await asyncio.sleep(LASTS_SECONDS)
    await server.start()


def run_step(step: str, store: Store, questions: Questions, url: str, outage: Outage) -> None:
    patience = Patience(outage_seconds=ENDLESS_SECONDS, start_in_flight=4, most_in_flight=4)
    engine = OpenAIEngine([url], patience=patience)
    with Judge() as judge:
        asking = Asking(
            store,
            engine,
            TextRenderer(),
            judge,
            model=BASE,
            prompts=marked_prompts(),
            settings=settings(adaptive=False, chains_per_question=2),
            round=round_of(1),
            draw=1,
            now=clock(),
        )
        if step == "ask_again":
            evaluate_model(asking, questions, "base")
        outage.armed.set()
        STEPS[step](asking, questions)


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("step", STEPS)
async def test_an_outage_in_the_middle_of_a_step_is_outlasted(
    step: str, trouble: str, tmp_path: Path
) -> None:
    store, questions = small_store(tmp_path, gate=8, final=0)
    outage = Outage(TROUBLES[trouble])
    async with VLLM.server(outage) as server, asyncio.TaskGroup() as group:
        if TROUBLES[trouble] is None:
            group.create_task(refuse_for_a_moment(server, outage))
        await asyncio.to_thread(run_step, step, store, questions, server.url, outage)

    assert outage.met > 0
    assert store.select(FailedRequest) == []


def test_every_step_that_asks_a_server_is_tried() -> None:
    text = "".join(one.read_text("utf-8") for one in sorted(STEPS_OF_FLOWS.glob("*.py")))
    asking = re.findall(r"lambda asking[^:]*: (?:noise\.)?(\w+)\(", text)

    assert len(asking) == text.count("work.ask(")
    assert {"synthesize_paths" if one == "synthesize" else one for one in asking} == set(STEPS)
