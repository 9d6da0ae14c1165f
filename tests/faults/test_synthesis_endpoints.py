"""The synthesize step over real HTTP, with servers that misbehave: accounts stay exact."""

import asyncio
import random
import statistics
from contextlib import AsyncExitStack
from pathlib import Path as File

import pytest

from storage.errors import PermanentError, ReGenesisError, TransientError
from storage.open_store import Store, open_store
from storage.records import AdaptedGuideline, FailedRequest, Path, Structure, Verdict
from tasks.asking import Asking
from tasks.engines.server.client import OpenAIEngine, Patience
from tasks.settings import Settings
from tasks.synthesis.synthesize_paths import SynthesisReport, synthesize
from tasks.verification.verify_paths import Judge
from tests.fakes.ladder_examples import MODEL, guidelines, question, settings
from tests.fakes.scripted_engine import TextRenderer, marked_prompts
from tests.fakes.scripted_kinds import VLLM
from tests.fakes.scripted_server import Body, Reply, ScriptedServer

RIGHT = Reply(text="Count to 5 once. The answer is 5.", tokens=7)
QUESTIONS = [question(number, answer="5") for number in range(12)]


@pytest.fixture
def store(tmp_path: File) -> Store:
    return open_store(f"duckdb:///{tmp_path / 'regenesis.duckdb'}")


async def run(store: Store, urls: list[str], chosen: Settings) -> SynthesisReport:
    patience = Patience(timeout_seconds=0.5, start_in_flight=8, most_in_flight=16, max_retries=8)
    engine = OpenAIEngine(urls, "scripted", patience=patience)
    with Judge() as judge:
        asking = Asking(
            store,
            engine,
            TextRenderer(),
            judge,
            model=MODEL,
            prompts=marked_prompts(),
            settings=chosen,
            draw=1,
        )
        return await synthesize(asking, QUESTIONS, guidelines())


def check_accounts(store: Store, report: SynthesisReport) -> None:
    """Every candidate has one fate, every row one id, every path a verdict."""
    assert sum(report.fates.values()) == report.candidates
    for kind in (AdaptedGuideline, Structure, Path, Verdict):
        rows = store.select(kind)
        assert len({row.id for row in rows}) == len(rows)
    assert report.paths == len(store.select(Path)) == len(store.select(Verdict))


async def test_a_server_of_every_vice_costs_retries_and_no_chain(store: Store) -> None:
    chance = random.Random(3)
    vices = [
        Reply(status=429, message="slow down", headers=(("Retry-After", "0.01"),)),
        Reply(status=500, message="oops"),
        Reply(raw=b"<html>not json"),
        Reply(close_after_bytes=10),
        Reply(text="A \x00 and a \ud800. The answer is 5.", tokens=3),
    ]

    def script(_body: Body, _number: int) -> Reply:
        return chance.choice(vices) if chance.random() < 0.15 else RIGHT

    async with ScriptedServer(script) as server:
        report = await run(store, [server.url], settings(adaptive=False, chains_per_question=3))

    check_accounts(store, report)
    assert report.paths == 36
    assert all("\x00" not in path.text for path in store.select(Path))


async def test_a_server_that_dies_and_returns_loses_and_doubles_nothing(store: Store) -> None:
    slow = Reply(text=RIGHT.text, tokens=7, delay_seconds=0.02)
    async with (
        ScriptedServer(lambda _body, _number: slow) as one,
        ScriptedServer(lambda _body, _number: slow) as two,
    ):
        task = asyncio.create_task(
            run(store, [one.url, two.url], settings(adaptive=False, chains_per_question=4))
        )
        while one.answered < 20:  # noqa: ASYNC110 - a counter, no event
            await asyncio.sleep(0.01)
        await one.die()
        while two.answered < 40:  # noqa: ASYNC110 - a counter, no event
            await asyncio.sleep(0.01)
        await one.start()
        report = await task

    check_accounts(store, report)
    assert report.paths == 48
    assert report.generated == {"adapted_guideline": 48, "structure": 48, "path": 48}


async def killed_again_and_again(
    store: Store, kills: int, chains: int, seed: int
) -> SynthesisReport:
    """Two servers, one of which is dead at any moment after a random number of its answers.

    Both back at the end.
    """
    chance = random.Random(seed)
    slow = Reply(text=RIGHT.text, tokens=7, delay_seconds=0.01)
    async with (
        ScriptedServer(lambda _body, _number: slow) as one,
        ScriptedServer(lambda _body, _number: slow) as two,
    ):
        chosen = settings(adaptive=False, chains_per_question=chains)
        task = asyncio.create_task(run(store, [one.url, two.url], chosen))
        for _ in range(kills):
            victim, other = (one, two) if chance.random() < 0.5 else (two, one)
            wanted = victim.answered + chance.randint(0, 8)
            while victim.answered < wanted and not task.done():  # noqa: ASYNC110 - a counter, no event
                await asyncio.sleep(0.002)
            await victim.die()
            wanted = other.answered + chance.randint(0, 4)
            while other.answered < wanted and not task.done():  # noqa: ASYNC110 - a counter, no event
                await asyncio.sleep(0.002)
            await victim.start()
        return await task


async def test_servers_killed_at_random_moments_leave_exact_accounts(store: Store) -> None:
    report = await killed_again_and_again(store, kills=3, chains=4, seed=1)

    check_accounts(store, report)
    assert report.paths == 48
    assert report.generated == {"adapted_guideline": 48, "structure": 48, "path": 48}


async def filled(store: Store, servers: list[ScriptedServer], chains: int) -> SynthesisReport:
    """A run at endpoints that are asked what they are, with the window that follows from it."""
    engine = OpenAIEngine([server.url for server in servers])
    asked = [question(number, answer="5") for number in range(chains // 4)]
    with Judge() as judge:
        return await synthesize(
            Asking(
                store,
                engine,
                TextRenderer(),
                judge,
                model=MODEL,
                prompts=marked_prompts(),
                settings=settings(adaptive=False, chains_per_question=4),
                draw=1,
            ),
            asked,
            guidelines(),
        )


@pytest.mark.parametrize("urls", [1, 8])
async def test_eight_replicas_are_filled_behind_one_url_as_behind_eight(
    store: Store, urls: int
) -> None:
    replicas, slots = 8 // urls, 16
    at_work: list[int] = []

    def slowly(_body: Body, number: int) -> Reply:
        at_work.append(sum(server.running for server in servers))
        return Reply(
            text=RIGHT.text, tokens=7, delay_seconds=0.2 + number * 37 % 100 / 500
        )  # none end together

    servers = [VLLM.server(slowly, slots=slots, replicas=replicas) for _ in range(urls)]
    async with AsyncExitStack() as running:
        for server in servers:
            await running.enter_async_context(server)
        report = await filled(store, servers, chains=384)

    assert report.paths == 384
    assert [server.most_running for server in servers] == [slots * replicas] * urls
    assert at_work[8 * slots] >= 0.9 * 8 * slots  # full at once, and kept so
    assert statistics.median(at_work) >= 0.9 * 8 * slots


FAULTS = {
    "error in a 200": (Reply(raw=b'{"error": {"message": "CUDA error"}}'), TransientError),
    "cut JSON": (Reply(raw=b'{"choices": [{"te'), TransientError),
    "500": (Reply(status=500, message="CUDA error"), TransientError),
    "422": (Reply(status=422, raw=b'{"detail": "prompt must be a string"}'), PermanentError),
    "too long": (Reply(status=400, message="maximum context length is 8"), PermanentError),
    "502": (Reply(status=502, message="Bad Gateway"), TransientError),
    "no connection": (Reply(reset=True), TransientError),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_run_whose_requests_all_fail_ends_alike_whatever_their_number(
    store: Store, fault: str
) -> None:
    reply, kind = FAULTS[fault]
    ends: list[tuple[type[BaseException], int]] = []
    for chains in (6, 200):
        async with VLLM.server(lambda _body, _number: reply) as server:
            engine = OpenAIEngine(
                [server.url], patience=Patience(max_retries=0, outage_seconds=0.2)
            )
            chosen = settings(adaptive=False, chains_per_question=2)
            asked = [question(number) for number in range(chains // 2)]
            with Judge() as judge, pytest.raises(ReGenesisError) as caught:
                await synthesize(
                    Asking(
                        store,
                        engine,
                        TextRenderer(),
                        judge,
                        model=MODEL,
                        prompts=marked_prompts(),
                        settings=chosen,
                        draw=chains,
                    ),
                    asked,
                    guidelines(),
                )
        ends.append((type(caught.value), caught.value.exit_code))
        words = reply.message or "CUDA error" if b"CUDA" in (reply.raw or b"") else reply.message
        assert words in str(caught.value)

    assert ends[0] == ends[1]
    assert isinstance(caught.value, kind)


async def test_empty_texts_end_their_chain_with_a_row_and_a_reason(store: Store) -> None:
    def script(_body: Body, number: int) -> Reply:
        return Reply(text="", tokens=0) if number % 5 == 0 else RIGHT

    async with ScriptedServer(script) as server:
        report = await run(
            store, [server.url], settings(adaptive=False, chains_per_question=3, hinted_retry=False)
        )

    check_accounts(store, report)
    assert report.fates["failed"] == len(store.select(FailedRequest)) > 0
    assert report.reasons["empty_text"] == report.fates["failed"]
