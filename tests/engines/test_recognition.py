"""Servers of each kind through the real client.

What they are is said, and each is asked as it can be asked.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.steps.machinery import GivenEndpoints
from storage.environment import read_environment
from storage.errors import InputError
from tasks.engines.engine import Completion, EngineDown, RequestFailed, entered
from tasks.engines.models.base_models import PreparedModel
from tasks.engines.models.fingerprint import Fingerprint
from tasks.engines.models.rendering import Renderer
from tasks.engines.server.client import OpenAIEngine, Patience
from tasks.engines.server.recognition import Asked
from tasks.engines.server.server_kinds import ListedModel, is_another_model, read_pages
from tasks.settings import OneOf, Sampling, load_settings
from tests.fakes.scripted_kinds import KINDS, VLLM, ScriptedKind, models
from tests.fakes.scripted_server import Body, Reply, Script, ScriptedServer, always

DRAWN = Sampling(temperature=0.7, top_k=40, max_tokens=8, stop=("\n",))
RIGHT = always(Reply(text="five"))
NO_RETRY, SHORT_OUTAGE = Patience(max_retries=0), Patience(outage_seconds=0.3)
ECHOES = replace(VLLM, fields=VLLM.fields | {"echo", "logprobs"})


def text_of(ids: Sequence[int]) -> str:
    return "".join(map(chr, ids))


def engine_of(
    *urls: str,
    said: list[str] | None = None,
    asked: Asked = Asked(),
    patience: Patience = Patience(),
) -> OpenAIEngine:
    lines: list[str] = [] if said is None else said
    return OpenAIEngine(list(urls), "", replace(asked, text_of=text_of), patience, say=lines.append)


async def asked_once(
    kind: ScriptedKind, said: list[str], sampling: Sampling = DRAWN
) -> tuple[Completion, ScriptedServer]:
    async with kind.server(RIGHT) as server, engine_of(server.url, said=said) as engine:
        return await engine.complete([72, 105], sampling, 7), server


@pytest.mark.parametrize(
    "kind", KINDS, ids=lambda kind: f"{kind.name}-{'ids' if kind.takes_ids else 'text'}"
)
async def test_a_server_that_can_is_held_to_the_few_texts_that_answer_and_no_other_is_asked_to(
    kind: ScriptedKind,
) -> None:
    yes_or_no = OneOf(temperature=0, max_tokens=4, only=(" yes", " no"))
    said: list[str] = []

    completion, server = await asked_once(kind, said, yes_or_no)

    held = dict(server.asked[-1]).get("structured_outputs")
    assert completion.text == "five"
    assert held == ({"choice": [" yes", " no"]} if kind is VLLM else None)


@pytest.mark.parametrize(
    "kind", KINDS, ids=lambda kind: f"{kind.name}-{'ids' if kind.takes_ids else 'text'}"
)
@pytest.mark.parametrize(
    "sampling", [DRAWN, Sampling(temperature=0, max_tokens=4)], ids=["drawn", "greedy"]
)
async def test_a_server_of_each_kind_is_named_in_the_first_line_and_answers(
    kind: ScriptedKind, sampling: Sampling
) -> None:
    said: list[str] = []
    completion, server = await asked_once(kind, said, sampling)

    taken = dict(server.asked[-1])
    assert completion.text == "five"
    assert kind.name in said[0]
    assert taken["prompt"] == ([72, 105] if kind.takes_ids else "Hi")
    assert taken.get("top_k", sampling.top_k or -1) in (sampling.top_k, -1)
    assert "top_p" not in taken or not kind.name.startswith("TGI")


async def test_a_known_kind_is_asked_rightly_at_the_first_request() -> None:
    for kind in KINDS[:5]:
        said: list[str] = []
        _, server = await asked_once(kind, said)
        assert len(server.asked) == len(said) == 1, kind.name


REFUSALS = (
    {"error": {"message": "max_tokens is not supported"}},
    {"error": "max_tokens is not supported", "error_type": "validation"},
    {"detail": [{"loc": ["body"], "msg": "max_tokens is not supported"}]},
    {"title": "Bad Request", "detail": "max_tokens is not supported"},
    {"message": "max_tokens is not supported"},
)


@pytest.mark.parametrize("shape", REFUSALS, ids=str)
@pytest.mark.parametrize("status", [400, 422])
async def test_a_refusal_that_meets_every_request_ends_the_run_with_the_servers_words(
    status: int, shape: object
) -> None:

    refuse = always(Reply(status=status, raw=json.dumps(shape).encode()))
    async with VLLM.server(refuse) as server, engine_of(server.url) as engine:
        with pytest.raises(RequestFailed, match="max_tokens is not supported") as caught:
            await engine.complete([1, 2], DRAWN, 7)

    assert (caught.value.fatal, caught.value.exit_code) == (True, 2)
    assert len(server.asked) <= 5


async def test_a_length_that_is_refused_for_every_prompt_ends_the_run_at_the_first() -> None:
    def script(body: Body, _number: int) -> Reply:
        most = Reply(status=400, message="max_tokens must be at most 4")
        return most if body.get("max_tokens", 0) > 4 else Reply(text="five")

    async with VLLM.server(script) as server, engine_of(server.url) as engine:
        with pytest.raises(RequestFailed, match="at most 4") as caught:
            await engine.complete([1, 2], DRAWN, 7)
        assert (await engine.complete([1, 2], Sampling(max_tokens=4), 7)).text == "five"
    assert caught.value.fatal


async def test_a_refusal_of_one_prompt_ends_only_its_own_request() -> None:
    def script(body: Body, _number: int) -> Reply:
        return (
            Reply(status=400, message="content policy")
            if 99 in body["prompt"]
            else Reply(text="five")
        )

    async with VLLM.server(script) as server, engine_of(server.url) as engine:
        with pytest.raises(RequestFailed, match="content policy") as caught:
            await engine.complete([1, 2, 3, 4, 99], DRAWN, 7)
        assert (await engine.complete([1], DRAWN, 7)).text == "five"

    assert not caught.value.fatal


def with_models(page: str) -> ScriptedServer:
    server = VLLM.server(RIGHT)
    server.pages["/v1/models"] = page
    return server


async def test_of_several_names_the_one_whose_root_is_the_base_is_asked_for() -> None:
    page = (
        models("x").replace("]}", ",") + models("a", "b", root="/models/Base-1B").partition("[")[2]
    )
    async with (
        with_models(page) as server,
        engine_of(server.url, asked=Asked(base_names=("org/Base-1B",))) as engine,
    ):
        await engine.complete([1], DRAWN, 7)

    assert server.asked[0].get("model") == "a"


async def test_a_name_behind_the_url_says_which_model_is_asked_for() -> None:
    async with (
        with_models(models("a", "b")) as server,
        engine_of(f"{server.url}/v1?model=b") as engine,
    ):
        await engine.complete([1], DRAWN, 7)

    assert server.asked[0].get("model") == "b"


async def test_two_names_of_different_models_are_not_guessed_between() -> None:
    async with with_models(models("a", "b")) as server:
        with pytest.raises(InputError, match=r"\?model=NAME"):
            async with engine_of(server.url):
                pass


@pytest.mark.parametrize("query", ["?key=abc", "?model=a&model=b", "?model=a&x=1"])
def test_another_option_behind_a_url_is_refused_without_showing_it(query: str) -> None:
    with pytest.raises(InputError, match="model=NAME") as caught:
        OpenAIEngine([f"http://127.0.0.1:1{query}"])

    assert "abc" not in str(caught.value)


async def test_a_server_that_names_itself_another_model_is_refused_by_name() -> None:
    page = models("Qwen/Qwen2.5-7B-Instruct")
    async with with_models(page) as server:
        with pytest.raises(InputError, match=r"Qwen2\.5-7B-Instruct.*stored as the base's"):
            async with engine_of(
                server.url, asked=Asked(base_names=("embedded", "SmolLM2-135M-Instruct-Q8"))
            ):
                pass


PRINT = Fingerprint((5, 6, 7), (-1.0, -2.0))


def gives_logprobs(*values: float | None) -> Script:
    """A server that echoes a prompt with these log-probabilities, and one of what it writes."""
    logprobs = {"token_logprobs": [*values, -0.1]}
    raw = json.dumps(
        {"choices": [{"text": "five", "finish_reason": "length", "logprobs": logprobs}]}
    ).encode()
    return lambda body, _number: Reply(raw=raw) if dict(body).get("echo") else Reply(text="five")


async def first_line(
    answer: Script, known: Fingerprint | None = PRINT, kind: ScriptedKind = ECHOES
) -> str:
    said: list[str] = []
    proving = Asked(base_names=("m",), fingerprint_ids=tuple(PRINT.ids), fingerprint=lambda: known)
    async with (
        kind.server(answer) as server,
        engine_of(
            server.url,
            said=said,
            asked=proving,
        ) as engine,
    ):
        await engine.complete([1], Sampling(temperature=0), 7)
    return said[0]


async def test_a_server_whose_log_probabilities_are_the_bases_is_said_to_be_it() -> None:
    assert "are the base's (0.050 nats apart)" in await first_line(gives_logprobs(None, -1.1, -2.0))


@pytest.mark.parametrize("theirs", [(-1.0, -3.0), (-9.0, -2.0), (0.0, 0.0)])
async def test_a_server_whose_log_probabilities_are_anothers_is_refused(
    theirs: tuple[float, float],
) -> None:
    with pytest.raises(InputError, match=r"nats from the base's.*stored as the base's"):
        await first_line(gives_logprobs(None, *theirs))


@pytest.mark.parametrize(
    "answer",
    [RIGHT, gives_logprobs(None, -1.0), gives_logprobs(None, -1.0, None), gives_logprobs()],
)
async def test_a_server_that_gives_no_log_probabilities_is_known_by_its_name_alone(
    answer: Script,
) -> None:
    assert "its name alone" in await first_line(answer)


async def test_a_base_that_is_too_large_to_compare_with_is_known_by_its_name_alone() -> None:
    assert "too large" in await first_line(gives_logprobs(None, -1.0, -2.0), known=None)


async def test_servers_of_every_kind_are_asked_for_a_proof_without_ending_the_run() -> None:
    for kind in KINDS:
        assert "its name alone" in await first_line(RIGHT, kind=kind), kind.name


NAMES = st.sampled_from(
    ["Qwen2.5-7B", "SmolLM2-135M-Instruct", "Llama-3.2-1B", "x-0.5b", "Mixtral-8x7B"]
)
ALIASES = st.sampled_from(["base", "default", "my-model", "/data/weights", "gpt", "champion"])


@settings(deadline=None)
@given(
    NAMES,
    NAMES,
    st.sampled_from(["", "org/", "/models/", "./"]),
    st.sampled_from(["", "base", "served", "x", "qwen"]),
)
def test_a_model_is_another_where_both_are_named_and_differ(
    served: str, base: str, place: str, alias: str
) -> None:
    listed = ListedModel(alias or f"{place}{served}", f"{place}{served}")

    assert is_another_model(listed, ["embedded", base]) == (served != base)


@settings(deadline=None)
@given(NAMES, st.sampled_from(["-b179c9523d0e", "-AWQ", ".Q4_K_M.gguf", "-Instruct", "/"]))
def test_a_name_that_goes_on_may_be_the_same_model(base: str, more: str) -> None:
    assert not is_another_model(ListedModel("base", f"/models/{base}{more}"), [base])
    assert not is_another_model(ListedModel(base), [f"/models/{base}{more}"])


@settings(deadline=None)
@given(NAMES, NAMES, st.sampled_from(["", ".Q4_1.gguf", "-Q8_0.gguf", ".gguf", "-AWQ"]))
def test_the_gguf_that_a_base_was_converted_from_is_the_base_and_another_is_not(
    served: str, base: str, more: str
) -> None:
    converted = f"/srv/models/{base}-b179c9523d0e"

    assert is_another_model(ListedModel(f"/models/{served}{more}"), ["embedded", converted]) == (
        served != base
    )


@settings(deadline=None)
@given(ALIASES | NAMES, ALIASES)
def test_names_that_say_nothing_prove_nothing(served: str, base: str) -> None:
    assert not is_another_model(ListedModel(served), [base])
    assert not is_another_model(ListedModel(base), [served])


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["/v1/models", "/metrics", "/version", "/info", "/props"]),
        st.text(max_size=60),
    )
)
def test_no_page_makes_the_reader_fail(pages: dict[str, str]) -> None:
    assert read_pages(pages).kind.name


@pytest.mark.parametrize(
    "page",
    [
        "[]",
        '{"data": [1, null, {"id": null}]}',
        '{"data": {"id": "x"}}',
        '{"data": "x"}',
        "[" * 9999,
    ],
)
def test_pages_of_odd_shapes_list_no_models(page: str) -> None:
    assert read_pages({"/v1/models": page, "/info": page, "/version": page}).models == ()


# outages

AWAY = (
    Reply(status=502, message="Bad Gateway"),
    Reply(status=504, raw=b"<html>upstream timed out</html>"),
    Reply(reset=True),
)


async def test_a_server_that_is_down_at_the_start_is_waited_for_and_then_met() -> None:
    said: list[str] = []
    server = VLLM.server(RIGHT)
    await server.start()
    await server.die()
    async with engine_of(server.url, said=said) as engine:
        asking = asyncio.create_task(engine.complete([1], DRAWN, 7))
        await asyncio.sleep(0.05)
        await server.start()
        completion = await asking
        await server.die()

    assert completion.text == "five"
    assert "does not answer yet" in said[0]
    assert "vLLM" in said[1]


async def test_a_server_that_comes_back_as_another_model_is_refused() -> None:
    async with (
        VLLM.server(RIGHT) as server,
        engine_of(server.url, asked=Asked(base_names=("SmolLM2-135M",))) as engine,
    ):
        await engine.complete([1], DRAWN, 7)
        await server.die()
        server.pages["/v1/models"] = models("Qwen2.5-7B")
        asking = asyncio.create_task(engine.complete([1], DRAWN, 7))
        await asyncio.sleep(0.05)
        await server.start()
        with pytest.raises(InputError, match=r"Qwen2\.5-7B"):
            await asking


def away_until(moment: float, trouble: Reply) -> Script:
    """Away until so many seconds after its first request."""
    began: list[float] = []

    def script(_body: Body, _number: int) -> Reply:
        now = asyncio.get_running_loop().time()
        began.append(now)
        return trouble if now - began[0] < moment else Reply(text="five")

    return script


@pytest.mark.parametrize("trouble", AWAY, ids=["502", "504", "reset"])
async def test_an_outage_is_outlasted_however_many_tries_it_takes(trouble: Reply) -> None:
    async with (
        VLLM.server(away_until(1.0, trouble)) as server,
        engine_of(server.url, patience=Patience(max_retries=0)) as engine,
    ):
        done = await asyncio.gather(*(engine.complete([number], DRAWN, 7) for number in range(20)))

    assert [one.text for one in done] == ["five"] * 20


@pytest.mark.parametrize("trouble", AWAY, ids=["502", "504", "reset"])
async def test_an_outage_that_lasts_ends_the_run_so_that_it_can_go_on(trouble: Reply) -> None:
    async with (
        VLLM.server(always(trouble)) as server,
        engine_of(server.url, patience=SHORT_OUTAGE) as engine,
    ):
        with pytest.raises(EngineDown, match="What arrived is stored"):
            await engine.complete([1], DRAWN, 7)


async def test_a_request_that_breaks_its_server_each_time_fails_alone() -> None:
    def script(body: Body, _number: int) -> Reply:
        return Reply(reset=True) if 99 in body["prompt"] else Reply(text="five")

    async with (
        VLLM.server(script) as server,
        engine_of(server.url, patience=Patience(outage_seconds=0.5)) as engine,
    ):

        async def others() -> None:
            while True:
                await engine.complete([1], DRAWN, 7)

        beside = asyncio.create_task(others())
        with pytest.raises(RequestFailed) as caught:
            await engine.complete([99], DRAWN, 7)
        beside.cancel()
        await asyncio.gather(beside, return_exceptions=True)

    assert (caught.value.fatal, caught.value.reason) == (False, "closed")


async def test_a_long_request_may_take_as_long_as_its_tokens_do() -> None:
    slow = always(Reply(text="five", delay_seconds=0.5))
    async with (
        VLLM.server(slow) as server,
        engine_of(
            server.url, patience=Patience(0, timeout_seconds=0.2, seconds_per_token=0.5)
        ) as engine,
    ):
        assert (await engine.complete([1], Sampling(max_tokens=8), 7)).text == "five"
    async with (
        VLLM.server(slow) as server,
        engine_of(server.url, patience=Patience(0, timeout_seconds=0.2)) as engine,
    ):
        with pytest.raises(RequestFailed, match=r"no whole reply in 0\.2 s"):
            await engine.complete([1], Sampling(max_tokens=8), 7)


async def test_a_step_at_given_endpoints_says_once_what_they_are(
    model_folder: Path, prepared_model: PreparedModel
) -> None:
    said: list[str] = []
    chosen, renderer = load_settings(), Renderer(model_folder)
    async with VLLM.server(RIGHT) as server:
        environment = replace(read_environment(model_folder), endpoints=(server.url,))
        served = GivenEndpoints(
            prepared_model.record, prepared_model, renderer, chosen, environment
        )
        for _ in range(2):
            async with entered(served.engine(said.append)) as engine:
                assert (await engine.complete([1], DRAWN, 7)).text == "five"

    assert len(said) == 1
    assert "vLLM" in said[0]
