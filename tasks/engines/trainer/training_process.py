"""The training process from outside: how it starts, and how it ends with its owner."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from storage.errors import InputError
from tasks.engines.hardware import find_hardware, preload
from tasks.engines.trainer.training_job import Job

# accelerate's names of the ways in which a training is started here
DISTRIBUTED = ("NO", "MULTI_CPU", "MULTI_GPU", "FSDP")
CHILD = "tasks.engines.trainer.trainer_child"


@contextmanager
def owned_process(
    command: list[str], environment: dict[str, str], log: object
) -> Generator["subprocess.Popen[str]"]:
    """A process in a session of its own, ended with its children when this block is left."""
    child = subprocess.Popen(
        command,
        # never written: it closes when this process dies, however that happens
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=cast("Any", log),
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        # the child leads its session, so its launcher's workers go with it
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                pipe.close()


@dataclass(frozen=True)
class Launch:
    """How training is started here."""

    processes: int = 1
    launcher: Literal["", "torch", "accelerate"] = ""
    visible: str = ""  # CUDA_VISIBLE_DEVICES where not all GPUs take part
    note: str = ""  # what a person should know of it


def plan_launch(kind: str, configuration: str) -> Launch:
    """How training starts: by accelerate's configuration, else LoRA on all GPUs, full on one.

    TRL refuses several GPUs in one process. Raises InputError where the configuration is none, or
    does not fit here: so a round asks before it writes paths all night.
    """
    gpus = len(find_hardware().gpus)
    if not configuration:
        if gpus < 2:
            return Launch()
        if kind == "lora":
            return Launch(
                gpus, "torch", note=f"Training on {gpus} GPUs, each with a copy of the model."
            )
        # the first of those that this process may use, which need not be number 0
        first = (os.environ.get("CUDA_VISIBLE_DEVICES") or "0").split(",")[0]
        shards = (
            "training.accelerate_config takes deploy/gpus/fsdp-8.yaml or one like it, which shards"
            " them."
        )
        return Launch(
            visible=first, note=f"Training full weights on the first of {gpus} GPUs alone. {shards}"
        )
    known = _accelerate_configuration(configuration)
    if known["distributed_type"] == "FSDP" and not gpus:
        raise InputError(
            f"accelerate runs FSDP on GPUs alone; {configuration!r} asks for it, and no GPU was"
            " found here. Several CPU processes each hold the whole model: distributed_type:"
            " MULTI_CPU."
        )
    # accelerate's launcher wants MPI for several CPU processes; torch's needs nothing more
    own = known["distributed_type"] == "MULTI_CPU"
    return Launch(int(str(known.get("num_processes", 1))), "torch" if own else "accelerate")


def command_of(job: Job, work_folder: Path) -> list[str]:
    """The command of a training: one process, accelerate's launcher, or torch's."""
    job_file = str(work_folder / "job.json")
    configuration = str(job.settings["accelerate_config"])
    launch = plan_launch(job.kind, configuration)
    if not launch.launcher:
        return [sys.executable, "-m", CHILD, job_file]
    if launch.launcher == "torch":
        count = f"--nproc_per_node={launch.processes}"
        return [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            count,
            "-m",
            CHILD,
            job_file,
        ]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", configuration]
    return [*launcher, "--module", CHILD, job_file]


def _accelerate_configuration(file: str) -> Mapping[str, object]:
    import yaml

    try:
        found = yaml.safe_load(Path(file).read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(
            f"Setting 'training.accelerate_config' must name accelerate's YAML file; {file!r}"
            f" cannot be read ({type(error).__name__}). Write one with: accelerate config"
            f" --config_file {file}"
        ) from error
    known = cast("Mapping[str, object]", found) if isinstance(found, dict) else {}
    if known.get("distributed_type") not in DISTRIBUTED or not isinstance(
        known.get("num_processes"), int
    ):
        raise InputError(
            f"accelerate's configuration {file!r} must say distributed_type"
            f" ({', '.join(DISTRIBUTED)}) and num_processes; found"
            f" {str(cast('object', found))[:80]!r}. Examples are in deploy/gpus/."
        )
    return known


def environment_of(job: Job) -> dict[str, str]:
    """All cores for the processes together; no network, no telemetry.

    On a CPU with tcmalloc: the usual allocator gives each step's tensors back to the system and
    faults them in again.
    """
    launch = plan_launch(job.kind, str(job.settings["accelerate_config"]))
    machine = find_hardware()
    own = {"CUDA_VISIBLE_DEVICES": launch.visible} if launch.visible else {}
    own |= {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // launch.processes)),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return os.environ | own | ({} if machine.gpus else preload(machine.tcmalloc))
