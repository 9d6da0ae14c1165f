"""The real vLLM server.

Greedy answers repeat, adapters and swapped weights answer as they should, nothing stays.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flows.steps.machinery import OwnServer
from storage.environment import Environment, read_environment
from storage.errors import InputError, PermanentError
from storage.records import Adapter, Model, Question
from tasks.engines.engine import RequestFailed
from tasks.engines.models.base_models import PreparedModel
from tasks.engines.models.fingerprint import TEXT, fingerprint_of
from tasks.engines.models.merging import merge_adapter
from tasks.engines.models.rendering import Renderer
from tasks.engines.server.client import OpenAIEngine
from tasks.engines.server.recognition import Asked
from tasks.engines.server.server_plan import Serving
from tasks.engines.server.vllm_server import Address, Server, running_server
from tasks.engines.trainer.trainer import FineTune, Tokens, train_weights
from tasks.engines.watchdog import session_members
from tasks.evaluation.evaluate_model import probe_adapter
from tasks.prompt_files import load_prompts
from tasks.rules.ladder.prompts import Turns
from tasks.settings import (
    EvaluationSettings,
    ModelSettings,
    OneOf,
    Sampling,
    Settings,
    TrainingSettings,
)
from tests.storage.examples import make

pytestmark = pytest.mark.engine
PROBES = [f"What is {number} + {number * 7 % 13}? Explain." for number in range(48)]
QUESTIONS = PROBES[:12]
GREEDY = Sampling(temperature=0, max_tokens=20)
FLOAT32 = ModelSettings(precision="float32")
FEW = Sampling(temperature=0, max_tokens=8)


def answers(
    server: Server,
    renderer: Renderer,
    model_name: str = "",
    questions: Sequence[str] = QUESTIONS,
    sampling: Sampling = GREEDY,
) -> list[str]:
    """Greedy answers of the server to all questions at once."""

    async def ask() -> list[str]:
        async with server.engine(renderer, model_name=model_name) as engine:
            prompts = [renderer.prompt_ids(Turns("", question, "")) for question in questions]
            done = await asyncio.gather(
                *(engine.complete(prompt, sampling, 1) for prompt in prompts)
            )
            return [completion.text for completion in done]

    return asyncio.run(ask())


def test_a_vllm_that_is_given_is_recognised_and_proved_to_serve_the_base(
    server: Server,
    renderer: Renderer,
    prepared_model: PreparedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KEY_OF_THE_TEST", server.key)
    environment, said = read_environment(tmp_path), list[str]()
    known = partial(fingerprint_of, prepared_model, environment)
    asked = Asked(
        base_names=(prepared_model.record.name,),
        fingerprint_ids=tuple(renderer.text_ids(TEXT)),
        fingerprint=known,
    )
    engine = OpenAIEngine([f"{server.url}#KEY_OF_THE_TEST"], "", asked, say=said.append)

    async def ask() -> str:
        async with engine as running:
            return (
                await running.complete(renderer.prompt_ids(Turns("", "Say yes.", "")), GREEDY, 1)
            ).text

    assert asyncio.run(ask())
    assert "is vLLM 0." in said[0]
    assert "tells how full it is" in said[0]
    assert "log-probabilities are the base's" in said[0]
    assert len(said) == 1


def equal_share(one: Sequence[str], other: Sequence[str]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


@pytest.fixture(scope="module")
def adapter(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random LoRA adapter that changes most answers; written as PEFT writes one."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(str(model_folder), dtype=torch.float32)
    config = LoraConfig(
        r=8, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM"
    )
    torch.manual_seed(0)  # PEFT draws the other half of each pair
    tuned: Any = get_peft_model(model, config)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.06)
    folder = tmp_path_factory.mktemp("adapters") / "random"
    tuned.save_pretrained(str(folder))
    return folder


@pytest.fixture(scope="module")
def merged(model_folder: Path, adapter: Path) -> Path:

    return merge_adapter(model_folder, adapter, adapter.parent / "merged")


@pytest.fixture(scope="module")
def trained(
    model_folder: Path, renderer: Renderer, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A LoRA adapter that learnt one way to answer; nine steps."""
    examples = [
        Tokens(
            renderer.prompt_ids(Turns("", f"What is {number} + {number * 5 % 11}? Explain.", "")),
            renderer.completion_ids(
                f"{number} + {number * 5 % 11} is a sum. The answer is {number + number * 5 % 11}."
            ),
        )
        for number in range(24)
    ]
    work = tmp_path_factory.mktemp("trained") / "work"
    settings = TrainingSettings(
        learning_rate=2e-3, epochs=3, batch_size=8, lora_rank=8, lora_alpha=16
    )
    wanted = FineTune(
        base_folder=model_folder,
        base_name="embedded",
        settings=settings,
        seed=3,
        end_of_turn=renderer.end_of_turn,
        work_folder=work,
        log_file=work.with_suffix(".log"),
    )
    return train_weights(examples, wanted).folder


@pytest.fixture
def base_again(server: Server, model_folder: Path) -> Iterator[None]:
    """Whatever the test swaps in, the base answers afterwards."""
    yield
    server.swap_weights(model_folder)


def test_greedy_answers_of_one_model_repeat(server: Server, renderer: Renderer) -> None:
    """Except in ties, which rounding decides.

    Of 12 texts of 20 tokens five differed on a busy CPU with AMX.
    """
    asked = prompts_of(renderer)
    assert_alike(first_tokens(server, asked), first_tokens(server, asked))
    few = [answers(server, renderer, "", PROBES, FEW) for _ in range(2)]
    assert equal_share(*few) >= 0.75


def assert_alike(before: Sequence[tuple[int, float]], after: Sequence[tuple[int, float]]) -> None:
    """The same first tokens except in ties, with log-probabilities that bfloat16 tells apart."""
    assert (
        statistics.mean(token == now for (token, _), (now, _) in zip(before, after, strict=True))
        >= 0.9
    )
    # logits from 16 to 32 have steps of 0.125, and how prompts meet in a batch decides which one
    assert logprobs_of(after) == pytest.approx(logprobs_of(before), abs=0.25)


def test_a_sampled_text_does_not_depend_on_what_is_asked_beside_it(
    server: Server, renderer: Renderer
) -> None:
    """Short texts, for rounding in bfloat16 parts one token in fifty on a CPU with AMX and fewer on
    others.
    """
    prompts = prompts_of(renderer)

    async def ask(places: Sequence[int], at_once: int, first_seed: int = 1000) -> dict[int, str]:
        places_free = asyncio.Semaphore(at_once)
        async with server.engine(renderer) as engine:

            async def one(place: int) -> str:
                async with places_free:
                    done = await engine.complete(
                        prompts[place], Sampling(max_tokens=8), first_seed + place
                    )
                    return done.text

            return dict(zip(places, await asyncio.gather(*map(one, places)), strict=True))

    together = asyncio.run(ask(range(len(prompts)), len(prompts)))
    few_and_backwards = asyncio.run(ask(range(len(prompts) - 1, -1, -1), 7))
    with_other_seeds = asyncio.run(ask(range(len(prompts)), len(prompts), first_seed=5000))

    places = range(len(prompts))
    assert len(set(together.values())) > 40
    assert (
        equal_share([together[at] for at in places], [few_and_backwards[at] for at in places])
        >= 0.75
    )
    assert (
        equal_share([together[at] for at in places], [with_other_seeds[at] for at in places])
        <= 0.25
    )


def test_a_text_that_can_only_be_one_of_a_few_is_one_of_them(
    server: Server, renderer: Renderer
) -> None:
    free = Sampling(temperature=0, max_tokens=6)
    few = (" A", " B", " C")

    held = answers(server, renderer, "", PROBES, OneOf(**free.model_dump(), only=few))

    assert set(held) <= set(few)
    assert set(answers(server, renderer, "", PROBES, free)).isdisjoint(few)


def test_generation_ends_at_the_end_of_turn_token(server: Server, renderer: Renderer) -> None:
    async def ask() -> str:
        async with server.engine(renderer) as engine:
            prompt = renderer.prompt_ids(Turns("", "Say yes.", ""))
            done = await engine.complete(prompt, Sampling(temperature=0, max_tokens=200), 1)
            return done.finish_reason

    assert asyncio.run(ask()) == "stop"


def test_a_prompt_that_is_too_long_fails_alone_and_says_so(
    server: Server, renderer: Renderer
) -> None:
    async def ask() -> None:
        async with server.engine(renderer) as engine:
            await engine.complete([5] * 5000, GREEDY, 1)

    with pytest.raises(RequestFailed) as caught:
        asyncio.run(ask())
    assert (caught.value.reason, caught.value.fatal) == ("prompt_too_long", False)


def test_a_model_that_is_not_served_ends_the_run(server: Server, renderer: Renderer) -> None:
    with pytest.raises(RequestFailed) as caught:
        answers(server, renderer, "no-such-model", QUESTIONS[:1])
    assert (caught.value.reason, caught.value.fatal) == ("unknown_model", True)


def test_a_trained_adapter_and_its_merged_weights_answer_alike(
    server: Server,
    renderer: Renderer,
    trained: Path,
    base_again: None,
    record_property: Callable[[str, object], None],
) -> None:
    """Alike in log-probabilities to a hundredth of what training changed.

    Greedy texts part where two tokens are nearly tied, which rounding in bfloat16 decides: one
    text in ten within 20 tokens on a CPU with AMX, one in fifty on others.
    """
    base, asked = answers(server, renderer, "", PROBES), prompts_of(renderer)
    told_base = logprobs_of(first_tokens(server, asked))
    served = server.load_adapter("trained", trained)
    as_adapter = answers(server, renderer, served, PROBES)
    told = logprobs_of(first_tokens(server, asked, served))
    server.swap_weights(merge_adapter(server.weights, trained, trained.parent / "merged"))
    as_merged = answers(server, renderer, "", PROBES)
    told_merged = logprobs_of(first_tokens(server, asked))

    figures = {
        "equal answers": equal_share(as_adapter, as_merged),
        "equal to the base": equal_share(base, as_adapter),
        "mean difference of log-probabilities": mean_difference(told, told_merged),
        "the same from the base": mean_difference(told, told_base),
    }
    print(figures)
    for name, figure in figures.items():
        record_property(name, figure)
    alike = figures["mean difference of log-probabilities"]
    assert alike <= 0.01
    assert alike <= figures["the same from the base"] / 20
    assert figures["equal answers"] >= 0.8
    assert figures["equal to the base"] <= 0.5


def mean_difference(one: Sequence[float], other: Sequence[float]) -> float:
    return statistics.mean(abs(a - b) for a, b in zip(one, other, strict=True))


def prompts_of(renderer: Renderer) -> list[list[int]]:
    return [renderer.prompt_ids(Turns("", question, "")) for question in PROBES]


def first_tokens(
    server: Server, prompts: Sequence[Sequence[int]], model_name: str = ""
) -> list[tuple[int, float]]:
    """The most likely first token of each probe's answer, and its log-probability."""
    body = {
        "model": model_name or server.model_name,
        "prompt": list(prompts),
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": 1,
        "return_tokens_as_token_ids": True,
    }
    request = urllib.request.Request(
        f"{server.url}/v1/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {server.key}"},
    )
    with urllib.request.urlopen(request, timeout=300) as reply:
        told = [choice["logprobs"] for choice in json.loads(reply.read())["choices"]]
    tokens = [int(one["tokens"][0].removeprefix("token_id:")) for one in told]
    return list(zip(tokens, [one["token_logprobs"][0] for one in told], strict=True))


def logprobs_of(tokens: Sequence[tuple[int, float]]) -> list[float]:
    return [logprob for _, logprob in tokens]


def test_a_challenger_is_served_as_an_adapter_where_the_settings_say_so(
    server: Server,
    renderer: Renderer,
    prepared_model: PreparedModel,
    adapter: Path,
    environment: Environment,
) -> None:
    record = make(Adapter, "random", name="random", kind="lora", location=str(adapter))
    challenger = make(Model, "challenger", adapter_id=record.id)
    settings = Settings(evaluation=EvaluationSettings(adapter="lora"))
    served = OwnServer(
        nullcontext(server), challenger, record, prepared_model, renderer, settings, environment
    )
    assert (served.address()[1], server.weights) == (
        server.load_adapter("random", adapter),
        prepared_model.folder,
    )

    assert served.change_to(prepared_model.record, None)

    assert served.address()[1] == server.model_name


def test_after_swapping_back_the_base_answers_as_before(
    server: Server, renderer: Renderer, model_folder: Path, merged: Path
) -> None:
    asked = prompts_of(renderer)
    before = first_tokens(server, asked)
    server.swap_weights(merged)
    between = first_tokens(server, asked)
    server.swap_weights(model_folder)

    after = first_tokens(server, asked)
    assert_alike(before, after)
    rounding = mean_difference(logprobs_of(before), logprobs_of(after))
    assert mean_difference(logprobs_of(before), logprobs_of(between)) > 1.5 * rounding


def test_weights_with_other_embeddings_are_served_with_their_own_output_layer(
    server: Server, renderer: Renderer, model_folder: Path, tmp_path: Path, base_again: None
) -> None:
    """Ordinary tokens change places in the embeddings, so the model is itself for ids that change
    places too.
    """
    from safetensors.torch import load_file, save_file

    low, high = 100, 49_000
    other = shutil.copytree(model_folder, tmp_path / "other")
    tensors = load_file(str(other / "model.safetensors"))
    embeddings = tensors["model.embed_tokens.weight"]
    embeddings[low:high] = embeddings[low:high].flip(0)
    save_file(tensors, str(other / "model.safetensors"), metadata={"format": "pt"})

    def mirror(token: int) -> int:
        return low + high - 1 - token if low <= token < high else token

    asked = prompts_of(renderer)
    before = first_tokens(server, asked)

    server.swap_weights(other)

    after = first_tokens(server, [[mirror(token) for token in prompt] for prompt in asked])
    assert_alike([(mirror(token), logprob) for token, logprob in before], after)


def test_an_adapter_changed_under_the_same_name_is_served_under_a_new_one(
    server: Server, renderer: Renderer, adapter: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    changed = shutil.copytree(adapter, tmp_path / "random")
    tensors = {
        name: tensor * -1.5 if "lora_B" in name else tensor
        for name, tensor in load_file(str(changed / "adapter_model.safetensors")).items()
    }
    save_file(tensors, str(changed / "adapter_model.safetensors"), metadata={"format": "pt"})

    first, second = server.load_adapter("random", adapter), server.load_adapter("random", changed)

    assert first != second
    assert equal_share(answers(server, renderer, first), answers(server, renderer, second)) <= 0.7


@pytest.fixture
def misnamed(adapter: Path, tmp_path: Path) -> Path:
    """The adapter under module names that the base does not have."""
    from safetensors.torch import load_file, save_file

    wrong = shutil.copytree(adapter, tmp_path / "misnamed")
    tensors = load_file(str(wrong / "adapter_model.safetensors"))
    renamed = {
        name.replace("base_model.model.model.", "base_model.model.other."): one
        for name, one in tensors.items()
    }
    save_file(renamed, str(wrong / "adapter_model.safetensors"), metadata={"format": "pt"})
    return wrong


def test_an_adapter_with_a_wrong_module_prefix_is_refused_by_name(
    server: Server, misnamed: Path
) -> None:
    with pytest.raises(InputError, match=r"found 'other\.layers\.0\."):
        server.load_adapter("misnamed", misnamed)


def test_an_adapter_that_vllm_ignores_is_refused_by_the_probe(
    server: Server, renderer: Renderer, misnamed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trap itself, our own check of the names left out.

    vLLM refuses it, or the probe finds the base's answers.
    """
    monkeypatch.setattr(
        "tasks.engines.server.vllm_server.unknown_modules", lambda adapter, base: []
    )
    questions = [question(text) for text in PROBES[:16]]
    settings = Settings(evaluation=EvaluationSettings(sampling=FEW))
    with pytest.raises(
        (InputError, PermanentError), match=r"vLLM must take|must change what the model answers"
    ):
        probe_adapter(
            server.engine(renderer),
            server.engine(renderer, model_name=server.load_adapter("ignored", misnamed)),
            renderer,
            questions,
            prompts=load_prompts(),
            settings=settings,
        )


def question(text: str) -> Question:
    return make(Question, text, text=text, answer="1", answer_kind="number")


def test_the_server_lists_its_model(server: Server) -> None:
    assert server.model_name in [
        model["id"] for model in json.loads(asked(server, "GET", "/v1/models"))["data"]
    ]


def asked(server: Server, method: str, path: str, key: str | None = None) -> bytes:
    """What it answers; `key` in place of its own."""
    headers = {"Authorization": f"Bearer {server.key if key is None else key}"}
    request = urllib.request.Request(server.url + path, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as reply:
        return reply.read()


def test_nothing_but_its_health_is_for_another_user_of_the_machine(server: Server) -> None:
    """Every path and method that the server's own description names, workers' and adapters' among
    them.
    """
    paths = json.loads(asked(server, "GET", "/openapi.json"))["paths"]
    named = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert {
        ("POST", "/collective_rpc"),
        ("POST", "/v1/load_lora_adapter"),
        ("POST", "/v1/completions"),
    } <= named

    for method, path in named - {("GET", "/health")}:
        for wrong in ("", server.key[:-1], server.key + "x", f"x {server.key}"):
            with pytest.raises(urllib.error.HTTPError, match="401"):
                asked(server, method, path, wrong)


def test_its_key_stands_in_no_log_and_no_command_line(server: Server) -> None:
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]

    assert server.key.encode() not in b"\n".join(lines)
    assert server.key not in server.log_file.read_text("utf-8")
    assert server.key not in repr(server)


def test_a_port_in_use_is_said_before_anything_starts(model_folder: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(InputError, match=f"Port {port}"),
            running_server(
                model_folder, FLOAT32, log_file=tmp_path / "log", address=Address(port=port)
            ),
        ):
            pass


def test_other_machines_must_show_a_key(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REGENESIS_SERVE_KEY", raising=False)
    with (
        pytest.raises(InputError, match="REGENESIS_SERVE_KEY"),
        running_server(
            model_folder, FLOAT32, log_file=tmp_path / "log", address=Address("0.0.0.0")
        ),
    ):
        pass


def test_a_start_that_fails_shows_the_end_of_the_log(model_folder: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(model_folder, tmp_path / "broken")
    config = json.loads((broken / "config.json").read_text("utf-8"))
    (broken / "config.json").write_text(
        json.dumps(config | {"architectures": ["NoSuchModel"]}), "utf-8"
    )

    start = running_server(broken, FLOAT32, log_file=tmp_path / "log", serving=Serving(cache_gib=1))
    with pytest.raises(PermanentError, match=r"(?s)vLLM must start.*NoSuchModel"), start:
        pass


OWNER = """
import sys, time
from pathlib import Path
from tasks.engines.server.server_plan import Serving
from tasks.engines.server.vllm_server import running_server
from tasks.settings import ModelSettings
model, log, small = ModelSettings(precision="float32"), Path(sys.argv[2]), Serving(cache_gib=1)
with running_server(Path(sys.argv[1]), model, log_file=log, serving=small):
    time.sleep(600)
"""


def test_a_killed_owner_leaves_no_process_of_its_starting_server(
    model_folder: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(model_folder), str(log)])
    watchdog = child_of(owner.pid)
    wait_until(
        lambda: len(session_members(watchdog)) >= 4, 300
    )  # watchdog, server, resource tracker, engine core

    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()

    assert wait_until(lambda: not session_members(watchdog), 10)


def child_of(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    wait_until(lambda: bool(children.read_text("ascii").split()), 60)
    return int(children.read_text("ascii").split()[0])


def wait_until(condition: Any, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return bool(condition())


@pytest.mark.parametrize(
    "path", ["/collective_rpc", "/v1/load_lora_adapter", "/reset_prefix_cache", "/v1/completions"]
)
@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}]
)
def test_a_web_page_that_the_browser_has_open_cannot_ask_it(
    server: Server, path: str, headers: dict[str, str]
) -> None:
    request = urllib.request.Request(
        server.url + path, b"{}", headers | {"Content-Type": "text/plain"}, method="POST"
    )

    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=60)
