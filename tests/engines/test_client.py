"""The client against servers that misbehave in every way known.

Nothing may be lost, doubled or waited for in vain.
"""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from storage.errors import InputError
from tasks.engines.engine import Completion, EngineDown, RequestFailed
from tasks.engines.server.client import OpenAIEngine, Patience
from tasks.engines.server.recognition import Asked
from tasks.settings import Sampling
from tests.fakes.scripted_server import Body, Reply, Script, ScriptedServer, always, first

GREEDY = Sampling(temperature=0, max_tokens=8)


def engine_of(
    *servers: ScriptedServer, timeout_seconds: float = 5.0, takes_seed: bool = False, **more: float
) -> OpenAIEngine:
    """An engine whose patience suits a test."""
    patience = Patience(timeout_seconds=timeout_seconds, **more)  # pyright: ignore[reportArgumentType]
    return OpenAIEngine(
        [server.url for server in servers], patience=patience, takes_seed=takes_seed
    )


async def ask(server: ScriptedServer, timeout_seconds: float = 5.0) -> Completion:
    async with engine_of(server, timeout_seconds=timeout_seconds) as engine:
        return await engine.complete([1, 2, 3], GREEDY, 7)


async def failure_of(
    script: Script, timeout_seconds: float = 5.0, max_retries: int = 1
) -> RequestFailed:
    async with (
        ScriptedServer(script) as server,
        engine_of(server, timeout_seconds=timeout_seconds, max_retries=max_retries) as engine,
    ):
        with pytest.raises(RequestFailed) as caught:
            await engine.complete([1, 2, 3], GREEDY, 7)
    return caught.value


def echo(body: Body, _number: int) -> Reply:
    """Answers with the prompt's first id, so that a mix-up would show."""
    return Reply(text=str(body["prompt"][0]))


async def texts_of(engine: OpenAIEngine, prompts: Sequence[int]) -> list[str]:
    done = await asyncio.gather(*(engine.complete([prompt], GREEDY, prompt) for prompt in prompts))
    return [completion.text for completion in done]


async def test_a_completion_tells_text_tokens_endpoint_and_attempts() -> None:
    async with ScriptedServer(
        always(Reply(text="four", tokens=2, finish_reason="length"))
    ) as server:
        completion = await ask(server)

    assert completion == Completion("four", "length", 3, 2, f"127.0.0.1:{server.port}", 1)


async def test_every_sampling_parameter_is_sent_so_that_no_server_default_decides() -> None:
    async with (
        ScriptedServer() as server,
        OpenAIEngine([server.url], "m", Asked((2,), ("END",))) as engine,
    ):
        await engine.complete([1], Sampling(temperature=0.5, stop=("\n",)), 7)

    body = dict(server.asked[0])
    assert body["stop"] == ["\n", "END"]
    assert body["stop_token_ids"] == [2]
    assert "seed" not in body
    assert {
        "top_p",
        "top_k",
        "min_p",
        "repetition_penalty",
        "temperature",
        "max_tokens",
    } <= body.keys()


async def test_an_answer_that_may_reuse_no_prefix_has_a_salt_of_its_own() -> None:
    async with ScriptedServer() as server, engine_of(server) as engine:
        await engine.complete([1], GREEDY, 98, cached=False)
        await engine.complete([1], GREEDY, 99, cached=False)
        await engine.complete([1], GREEDY, 99)

    assert [dict(body).get("cache_salt") for body in server.asked] == ["98", "99", None]


async def test_the_seed_is_sent_where_the_server_takes_one() -> None:
    async with ScriptedServer() as server, engine_of(server, takes_seed=True) as engine:
        await engine.complete([1], GREEDY, 99)

    assert server.asked[0].get("seed") == 99


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(status=500, message="boom"),
        Reply(status=429, message="slow down"),
        Reply(status=503, message="starting", headers=(("Retry-After", "0"),)),
        Reply(raw=b"<html>not JSON</html>"),
        Reply(raw=b'{"choices": []}'),
        Reply(raw=b'{"choices": [{"text": 5}]}'),
        Reply(finish_reason="abort"),
        Reply(close_after_bytes=0),
        Reply(close_after_bytes=20),
    ],
)
async def test_what_may_pass_is_tried_again(trouble: Reply) -> None:
    async with ScriptedServer(first(trouble, Reply(text="fine"))) as server:
        completion = await ask(server)

    assert (completion.text, completion.attempts) == ("fine", 2)


async def test_a_server_that_hangs_costs_one_time_out_and_the_request_goes_again() -> None:
    async with ScriptedServer(first(Reply(hang=True), Reply(text="fine"))) as server:
        completion = await ask(server, timeout_seconds=0.3)

    assert completion.text == "fine"


async def test_a_server_that_drips_cannot_hold_a_request_for_ever() -> None:
    error = await failure_of(always(Reply(drip_seconds=0.05)), timeout_seconds=0.3)

    assert (error.reason, error.attempts, error.fatal) == ("timed_out", 2, False)


async def test_garbage_for_ever_fails_the_request_but_not_the_run() -> None:
    error = await failure_of(always(Reply(raw=b"\x00\xff")))

    assert (error.reason, error.fatal) == ("garbage", False)


@pytest.mark.parametrize(
    ("reply", "reason", "fatal"),
    [
        (Reply(status=401, message="bad key"), "unauthorized", True),
        (Reply(status=404, message="The model `x` does not exist."), "unknown_model", True),
        (Reply(status=404, message="Not Found"), "wrong_url", True),
        (Reply(status=429, message="insufficient_quota"), "quota_spent", True),
        (
            Reply(status=400, message="This model's maximum context length is 8 tokens."),
            "prompt_too_long",
            False,
        ),
        (Reply(status=400, message="temperature must be positive"), "refused", True),
    ],
)
async def test_what_no_retry_mends_fails_at_once(reply: Reply, reason: str, fatal: bool) -> None:
    error = await failure_of(always(reply), max_retries=4)

    assert (error.reason, error.fatal, error.attempts) == (reason, fatal, 1)
    assert reply.message in str(error)


async def test_an_empty_text_is_an_answer() -> None:
    async with ScriptedServer(always(Reply(text="", tokens=1))) as server:
        assert (await ask(server)).text == ""


async def test_nul_and_lone_surrogates_become_replacement_characters() -> None:
    raw = (
        b'{"choices": [{"text": "a\\u0000b\\ud800c", "finish_reason": "stop"}], "usage":'
        b' {"completion_tokens": 3}}'
    )
    async with ScriptedServer(always(Reply(raw=raw))) as server:
        completion = await ask(server)

    assert completion.text == "a\ufffdb\ufffdc"


async def test_a_text_of_100000_tokens_comes_through_whole() -> None:
    async with ScriptedServer(always(Reply(text="word " * 100_000, tokens=100_000))) as server:
        completion = await ask(server)

    assert (len(completion.text), completion.completion_tokens) == (500_000, 100_000)


async def test_a_reply_without_end_is_refused_before_memory_is_gone() -> None:
    error = await failure_of(always(Reply(raw=b"x" * (17 * 1024 * 1024))), max_retries=0)

    assert error.reason == "garbage"


async def test_bursts_of_429_cost_waiting_but_no_request() -> None:
    def bursts(body: Body, number: int) -> Reply:
        return Reply(status=429, message="slow down") if number % 10 < 6 else echo(body, number)

    async with ScriptedServer(bursts) as server, engine_of(server, max_retries=1) as engine:
        texts = await texts_of(engine, range(60))

    assert texts == [str(number) for number in range(60)]


async def test_an_endpoint_that_pushes_back_gets_fewer_requests_at_once() -> None:
    async with (
        ScriptedServer(first(*[Reply(status=429)] * 20, Reply())) as server,
        engine_of(server, start_in_flight=64) as engine,
    ):
        await texts_of(engine, range(80))

        assert engine.endpoints[0].limit.limit < 64


async def test_an_endpoint_that_dies_loses_nothing_and_is_taken_back_when_it_returns() -> None:
    def slowly(body: Body, number: int) -> Reply:
        return Reply(text=str(body["prompt"][0]), delay_seconds=0.01)

    async with (
        ScriptedServer(slowly) as steady,
        ScriptedServer(slowly) as frail,
        engine_of(steady, frail, start_in_flight=4, most_in_flight=4) as engine,
    ):
        asking = asyncio.create_task(texts_of(engine, range(400)))
        await until(lambda: frail.answered > 0)
        await frail.die()
        before = frail.answered
        texts = await asking
        await frail.start()
        async with asyncio.timeout(30):
            while frail.answered == before:
                await texts_of(engine, range(8))

    assert texts == [str(number) for number in range(400)]


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not happened():  # noqa: ASYNC110 - a counter, no event
            await asyncio.sleep(0.005)


async def test_when_every_endpoint_stays_down_the_run_ends_and_says_so() -> None:
    async with ScriptedServer() as server, engine_of(server, outage_seconds=0.2) as engine:
        await server.die()
        with pytest.raises(EngineDown, match=r"no endpoint has answered for 0\.2 s"):
            await engine.complete([1], GREEDY, 7)


async def test_nobody_waits_for_an_owned_server_whose_process_has_ended() -> None:
    async with (
        ScriptedServer() as server,
        OpenAIEngine([server.url], alive=lambda: False) as engine,
    ):
        await server.die()
        with pytest.raises(EngineDown, match="process has ended"):
            await engine.complete([1], GREEDY, 7)


async def test_two_endpoints_share_the_work() -> None:
    delayed = always(Reply(delay_seconds=0.01))
    async with (
        ScriptedServer(delayed) as one,
        ScriptedServer(delayed) as two,
        engine_of(one, two, start_in_flight=8, most_in_flight=8) as engine,
    ):
        await texts_of(engine, range(100))

    assert one.most_in_flight == two.most_in_flight == 8
    assert min(one.answered, two.answered) > 30


async def test_a_cancelled_request_leaves_its_place_to_the_next() -> None:
    async with (
        ScriptedServer(always(Reply(delay_seconds=0.05))) as server,
        engine_of(server, start_in_flight=1, most_in_flight=1) as engine,
    ):
        tasks = [asyncio.create_task(engine.complete([number], GREEDY, 1)) for number in range(6)]
        await asyncio.sleep(0.02)
        for task in tasks[1:4]:
            task.cancel()
        done = await asyncio.gather(*tasks, return_exceptions=True)

    assert sum(isinstance(one, Completion) for one in done) == 3


async def test_the_key_comes_from_the_variable_that_the_url_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_KEY", "s3cret")
    async with (
        ScriptedServer(key="s3cret") as server,
        OpenAIEngine([f"{server.url}/v1#SOME_KEY"]) as engine,
    ):
        completion = await engine.complete([1], GREEDY, 7)

    assert completion.text == "4"
    assert "s3cret" not in completion.endpoint


def test_a_key_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(InputError, match="NO_SUCH_VARIABLE"):
        OpenAIEngine(["https://example.org#NO_SUCH_VARIABLE"])


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "", "ftp://example.org"])
def test_an_endpoint_that_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="REGENESIS_ENDPOINTS"):
        OpenAIEngine([url])
