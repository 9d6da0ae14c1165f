"""How to start vLLM for this model on this hardware: arguments and environment.

Decides; starts nothing.

On a GPU replicas come before tensor parallelism. Figures behind the CPU's settings: docs/engine.md.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from storage.errors import InputError
from tasks.engines.hardware import GIB, Hardware, preload
from tasks.engines.models.model_files import ModelSize, model_size
from tasks.settings import ModelSettings

# no folder's name: paths of this machine are nobody's business in a request
SERVED_NAME = "base"
CPU_SEQUENCES = 128  # 32: 478 tokens/s, 128: 600-640, 256: 572
CPU_BLOCK_TOKENS = 32  # the default of 128 is longer than what our prompts share
CPU_BATCH_TOKENS = 4096  # at least the longest prompt, for prompts come whole
CPU_PROCESS_BYTES = 3 * GIB  # three processes of vLLM, without weights and cache
TYPICAL_TOKENS = 768  # of a request that holds cache
# vLLM's own default
GPU_SHARE = 0.9

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class ServerPlan:
    """Arguments of vLLM's API server, and what the environment must add."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    precision: str
    sequences: int
    replicas: int = 1


@dataclass(frozen=True)
class Serving:
    """What a server is to be able to do, besides answering as its model."""

    lora_rank: int = 0
    """Highest rank of the adapters that it takes; 0: none."""
    cache_gib: int = 0
    """Memory for cached prefixes on a CPU; 0: as much as suits the machine."""
    sequences: int = 0
    """Requests at once; 0: as many as suit the machine."""
    swappable: bool = False
    """Whether it takes other weights of the same model while it runs."""


def plan_server(
    folder: Path,
    settings: ModelSettings,
    hardware: Hardware,
    precision: Precision,
    serving: Serving = Serving(),
) -> ServerPlan:
    """The arguments and environment of vLLM. Raises InputError when memory is short."""
    size = model_size(folder)
    size = replace(size, longest=min(settings.max_model_tokens, size.longest))
    arguments = [
        f"--model={folder}",
        f"--served-model-name={SERVED_NAME}",
        "--seed=0",
        # else the model's own generation_config.json would change samplings that are stored as ours
        "--generation-config=vllm",
        f"--max-model-len={size.longest}",
        "--enable-prefix-caching",
        "--no-enable-log-requests",
        "--uvicorn-log-level=warning",
    ]
    environment = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if lora_rank := serving.lora_rank:
        # vLLM takes these ranks alone
        ranks = next((rank for rank in (8, 16, 32, 64, 128, 256) if rank >= lora_rank), lora_rank)
        arguments += [
            "--enable-lora",
            f"--max-lora-rank={ranks}",
            "--max-loras=1",
            "--max-cpu-loras=8",
        ]
        environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] = "True"
    if serving.swappable:
        arguments.append(
            "--worker-extension-cls=tasks.engines.server.vllm_worker.RepacksOutputLayer"
        )
        # opens /collective_rpc, which EngineGuard then closes to everybody without the key
        environment["VLLM_SERVER_DEV_MODE"] = "1"
    if hardware.gpus:
        return _on_gpus(size, hardware, arguments, environment, precision, serving.sequences)
    return _on_cpu(size, hardware, arguments, environment, precision, serving)


def _on_cpu(
    size: ModelSize,
    hardware: Hardware,
    arguments: list[str],
    environment: dict[str, str],
    precision: Precision,
    serving: Serving,
) -> ServerPlan:
    value_bytes = 4 if precision == "float32" else 2
    weights = size.parameters * value_bytes
    needed = CPU_PROCESS_BYTES + weights + GIB
    if hardware.available_bytes < needed:
        raise InputError(
            f"Serving this model in {precision} takes {needed / GIB:.1f} GiB of memory; found"
            f" {hardware.available_bytes / GIB:.1f} GiB available. Close other programs, choose a"
            " smaller model (model.name), or set REGENESIS_ENDPOINTS to a server elsewhere."
        )
    sequences = serving.sequences or CPU_SEQUENCES
    wanted = sequences * TYPICAL_TOKENS * size.cache_values_per_token * value_bytes
    # the rest is for training and files
    room = (hardware.available_bytes - CPU_PROCESS_BYTES - weights) // 2
    cache = serving.cache_gib or max(1, min(math.ceil(wanted / GIB), room // GIB, 16))
    return ServerPlan(
        arguments=(
            *arguments,
            f"--dtype={precision}",
            f"--max-num-seqs={sequences}",
            # compiling costs 40 s of start for 7 % of speed (docs/engine.md)
            "--enforce-eager",
            f"--block-size={CPU_BLOCK_TOKENS}",
            # a request's own seed kills the CPU engine where its prompt comes in chunks
            "--no-enable-chunked-prefill",
            f"--max-num-batched-tokens={max(CPU_BATCH_TOKENS, size.longest)}",
        ),
        environment={
            **environment,
            "VLLM_CPU_OMP_THREADS_BIND": ",".join(str(core) for core in hardware.cores),
            "OMP_NUM_THREADS": str(len(hardware.cores)),
            "VLLM_CPU_KVCACHE_SPACE": str(cache),
            **preload(hardware.tcmalloc, hardware.openmp),
        },
        precision=precision,
        sequences=sequences,
    )


def _on_gpus(
    size: ModelSize,
    hardware: Hardware,
    arguments: list[str],
    environment: dict[str, str],
    precision: Precision,
    sequences: int,
) -> ServerPlan:
    """As few GPUs per replica as hold the weights and a third more, and as many replicas as fit."""
    value_bytes = 4 if precision == "float32" else 2
    memory = min(gpu.memory_bytes for gpu in hardware.gpus)
    needed = size.parameters * value_bytes * 4 // 3 + 2 * GIB
    count = len(hardware.gpus)
    # a number that divides the attention heads: a power of two nearly always does
    together = next((n for n in (1, 2, 4, 8) if n <= count and n * GPU_SHARE * memory >= needed), 0)
    if not together:
        raise InputError(
            f"Serving this model takes {needed / GIB:.0f} GiB of GPU memory; found {count} GPU(s)"
            f" of {memory / GIB:.0f} GiB. Choose a smaller model (model.name), or set"
            " REGENESIS_ENDPOINTS."
        )
    replicas = count // together
    sequences = sequences or (256 if memory < 40 * GIB else 1024)
    parallel = [f"--tensor-parallel-size={together}"] if together > 1 else []
    parallel += [f"--data-parallel-size={replicas}"] if replicas > 1 else []
    return ServerPlan(
        arguments=(
            *arguments,
            f"--dtype={precision}",
            f"--max-num-seqs={sequences}",
            f"--gpu-memory-utilization={GPU_SHARE}",
            *parallel,
        ),
        environment=environment,
        precision=precision,
        sequences=sequences * replicas,
        replicas=replicas,
    )
