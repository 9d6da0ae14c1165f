"""The training process from outside: how it is started, and that nothing of it outlives its owner."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

from storage.errors import InputError
from tasks.engines.hardware import find_hardware, preload
from tasks.engines.trainer.training_job import Job

DISTRIBUTED = ("NO", "MULTI_CPU", "MULTI_GPU", "FSDP")
CHILD = "tasks.engines.trainer.trainer_child"


@contextmanager
def owned_process(command: list[str], environment: dict[str, str], log: object) -> Generator["subprocess.Popen[str]"]:
    """A process in a session of its own that is gone, with its children, when this block is left."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,  # never written: it closes when this process dies, however that happens
        stdout=subprocess.PIPE,
        stderr=cast("Any", log),
        text=True,
        env=environment,
        start_new_session=True,
    )
    try:
        yield child
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        for pipe in (child.stdin, child.stdout):
            if pipe:
                pipe.close()


def command_of(job: Job, work_folder: Path) -> list[str]:
    """One process; or accelerate's launcher, and for several CPU processes torch's."""
    job_file = str(work_folder / "job.json")
    configuration = str(job.settings["accelerate_config"])
    if not configuration:
        return [sys.executable, "-m", CHILD, job_file]
    known = _accelerate_configuration(configuration)
    if known["distributed_type"] == "FSDP" and not find_hardware().gpus:
        raise InputError(
            f"accelerate runs FSDP on GPUs alone; {configuration!r} asks for it, and no GPU was found here. Several "
            "CPU processes each hold the whole model: distributed_type: MULTI_CPU."
        )
    if known["distributed_type"] == "MULTI_CPU":
        count = f"--nproc_per_node={known.get('num_processes', 1)}"
        return [sys.executable, "-m", "torch.distributed.run", "--standalone", count, "-m", CHILD, job_file]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", configuration]
    return [*launcher, "--module", CHILD, job_file]


def _accelerate_configuration(file: str) -> Mapping[str, object]:
    import yaml

    try:
        found = yaml.safe_load(Path(file).read_text("utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(
            f"Setting 'training.accelerate_config' must name accelerate's YAML file; {file!r} cannot be read "
            f"({type(error).__name__}). Write one with: accelerate config --config_file {file}"
        ) from error
    known = cast("Mapping[str, object]", found) if isinstance(found, dict) else {}
    if known.get("distributed_type") not in DISTRIBUTED or not isinstance(known.get("num_processes"), int):
        raise InputError(
            f"accelerate's configuration {file!r} must say distributed_type ({', '.join(DISTRIBUTED)}) and "
            f"num_processes; found {str(cast('object', found))[:80]!r}. Examples are in deploy/gpus/."
        )
    return known


def environment_of(job: Job) -> dict[str, str]:
    """All cores for the processes together; no network, no telemetry.

    On a CPU with tcmalloc: the usual allocator gives each step's tensors back to the system and faults them in again.
    """
    processes = 1
    if job.settings["accelerate_config"]:
        known = _accelerate_configuration(str(job.settings["accelerate_config"]))
        processes = int(str(known.get("num_processes", 1)))
    machine = find_hardware()
    own = {
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes)),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return os.environ | own | ({} if machine.gpus else preload(machine.tcmalloc))
