"""How a server is started, decided for hardware that is not here."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from storage.errors import InputError
from tasks.engines.hardware import GIB, Gpu, Hardware
from tasks.engines.server import vllm_server
from tasks.engines.server.server_plan import ServerPlan, Serving, plan_server
from tasks.settings import ModelSettings


def machine(gpus: int = 0, gpu_gib: int = 80, memory_gib: int = 24) -> Hardware:
    gpu = Gpu("some GPU", gpu_gib * GIB)
    return Hardware(
        (0, 1),
        "some CPU",
        memory_gib * GIB,
        memory_gib * GIB,
        (gpu,) * gpus,
        Path("/lib/tc.so"),
        None,
    )


def model(folder: Path, billions: float, layers: int = 32) -> Path:
    """A folder whose weights are as large as said, without their bytes."""
    config = {
        "num_hidden_layers": layers,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "hidden_size": 4096,
        "max_position_embeddings": 4096,
        "dtype": "bfloat16",
    }
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(int(billions * 2e9))
    return folder


def plan(folder: Path, hardware: Hardware, **more: int) -> ServerPlan:
    return plan_server(folder, ModelSettings(), hardware, "bfloat16", Serving(**more))


@pytest.mark.parametrize(
    ("billions", "gpus", "gpu_gib", "tensor_parallel", "replicas"),
    [(7, 1, 24, 1, 1), (7, 1, 80, 1, 1), (7, 8, 80, 1, 8), (70, 8, 80, 4, 2), (14, 2, 24, 2, 1)],
)
def test_replicas_come_before_tensor_parallelism(
    tmp_path: Path, billions: float, gpus: int, gpu_gib: int, tensor_parallel: int, replicas: int
) -> None:
    arguments = plan(model(tmp_path, billions), machine(gpus, gpu_gib)).arguments

    assert (f"--tensor-parallel-size={tensor_parallel}" in arguments) == (tensor_parallel > 1)
    assert (f"--data-parallel-size={replicas}" in arguments) == (replicas > 1)


def test_a_model_that_no_gpu_holds_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"found 1 GPU\(s\) of 24 GiB.*model\.name"):
        plan(model(tmp_path, 70), machine(1, 24))


def test_too_little_memory_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"GiB of memory; found 8\.0 GiB available"):
        plan(model(tmp_path, 7), machine(memory_gib=8))


def test_on_a_cpu_prompts_come_whole_for_requests_carry_seeds_and_a_missing_library_is_left_out(
    tmp_path: Path,
) -> None:
    found = plan(model(tmp_path, 0.1), machine())

    assert {"--no-enable-chunked-prefill", "--max-num-batched-tokens=4096"} <= set(found.arguments)
    assert found.environment["LD_PRELOAD"].split(":")[0] == "/lib/tc.so"
    assert found.environment["OMP_NUM_THREADS"] == "2"
    assert "--enforce-eager" in found.arguments


def test_a_missing_library_costs_a_line(tmp_path: Path) -> None:
    assert [line for line in machine().missing_libraries if "libiomp5" in line] == list(
        machine().missing_libraries
    )


def test_the_cache_leaves_memory_for_others(tmp_path: Path) -> None:
    cache = int(
        plan(model(tmp_path, 1), machine(memory_gib=24)).environment["VLLM_CPU_KVCACHE_SPACE"]
    )

    assert 1 <= cache <= 10


def test_adapters_are_served_with_a_rank_that_vllm_knows(tmp_path: Path) -> None:
    found = plan(model(tmp_path, 1), machine(1), lora_rank=12)

    assert {"--enable-lora", "--max-lora-rank=16"} <= set(found.arguments)


def test_the_longest_text_is_no_longer_than_the_model_takes(tmp_path: Path) -> None:
    settings = ModelSettings(max_model_tokens=100_000)

    found = plan_server(model(tmp_path, 1), settings, machine(1), "bfloat16")

    assert "--max-model-len=4096" in found.arguments


GOLDEN = re.findall(
    r"^# (\d) x (\d+) GB, (\d+)B(, adapters)?.* never run\n((?:.*\\\n)*.*\n)",
    (Path(__file__).parents[2] / "docs" / "engine.md").read_text("utf-8"),
    flags=re.MULTILINE,
)


def test_the_page_has_a_golden_command_for_each_size_of_machine() -> None:
    assert {(gpus, memory) for gpus, memory, *_ in GOLDEN} == {
        ("1", "24"),
        ("1", "80"),
        ("8", "80"),
    }


@pytest.mark.parametrize(("gpus", "memory", "billions", "adapters", "command"), GOLDEN)
def test_a_golden_command_is_what_would_be_started(
    tmp_path: Path, gpus: str, memory: str, billions: str, adapters: str, command: str
) -> None:
    found = plan(
        model(tmp_path, float(billions)),
        machine(int(gpus), int(memory)),
        lora_rank=16 if adapters else 0,
    )

    words = command.replace("\\\n", " ").split()
    start = words.index("python")
    assert words[start : start + 3] == ["python", "-m", "vllm.entrypoints.openai.api_server"]
    assert sorted(words[start + 3 :]) == sorted([*found.arguments[1:], "--model=MODEL"])
    always = {"HF_HUB_OFFLINE", "VLLM_NO_USAGE_STATS", "DO_NOT_TRACK"}
    wanted = {f"{name}={value}" for name, value in found.environment.items() if name not in always}
    assert set(words[:start]) == wanted


def test_machines_that_share_a_home_keep_each_others_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probed: list[str] = []

    def serving(processor: str, answer: str) -> str:
        def probe(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
            probed.append(processor)
            return subprocess.CompletedProcess([], 0, stdout=answer)

        monkeypatch.setattr(vllm_server.subprocess, "run", probe)
        return vllm_server.serving_precision(replace(machine(), processor=processor), tmp_path)

    for _ in range(2):
        assert serving("one", "bfloat16") == "bfloat16"
        assert serving("other", "float32") == "float32"

    assert probed == ["one", "other"]
