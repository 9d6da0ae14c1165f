"""Settings for machines that are not here, as far as they can be held to something without them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from storage.errors import InputError
from tasks.engines.hardware import Gpu, Hardware, find_hardware
from tasks.engines.trainer import training_process
from tasks.engines.trainer.training_job import Job
from tasks.engines.trainer.training_process import (
    CHILD,
    Launch,
    command_of,
    environment_of,
    plan_launch,
)
from tasks.settings import load_settings

FOLDER = Path(__file__).parents[2] / "deploy" / "gpus"
SETTINGS = sorted(FOLDER.glob("*.toml"))


def job(configuration: Path) -> Job:
    return Job(
        base_folder="base",
        base_name="base",
        parent_folder="",
        kind="full",
        precision="bfloat16",
        seed=1,
        settings={"accelerate_config": str(configuration)},
        device_batch_size=1,
        end_of_turn=2,
        examples_file="e",
        checkpoint_folder="c",
        output_folder="o",
    )


@pytest.fixture
def eight_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    found: Hardware = replace(find_hardware(), gpus=(Gpu("some GPU", 80 * 2**30),) * 8)
    monkeypatch.setattr(training_process, "find_hardware", lambda: found)


@pytest.mark.parametrize(("gpus", "wanted"), [(0, "/lib/tc.so:/lib/own.so"), (1, "/lib/own.so")])
def test_training_is_started_with_tcmalloc_on_a_cpu_alone_and_keeps_what_is_preloaded_anyway(
    gpus: int, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = replace(
        find_hardware(), gpus=(Gpu("some GPU", 2**30),) * gpus, tcmalloc=Path("/lib/tc.so")
    )
    monkeypatch.setattr(training_process, "find_hardware", lambda: found)
    monkeypatch.setenv("LD_PRELOAD", "/lib/own.so")
    alone = replace(job(Path()), settings={"accelerate_config": ""})

    assert environment_of(alone)["LD_PRELOAD"] == wanted


@pytest.mark.parametrize("file", SETTINGS, ids=lambda file: file.stem)
def test_settings_for_a_7b_model_load_and_name_a_configuration_of_their_kind(file: Path) -> None:
    training = load_settings("paper", toml_file=file).training
    configuration = FOLDER.parents[1] / training.accelerate_config
    assert ("FSDP" in configuration.read_text("utf-8")) == (training.kind == "full")
    assert training.batch_size % 8 == 0


@pytest.mark.parametrize("name", ["ddp-8", "fsdp-8"])
def test_accelerates_own_launcher_takes_each_configuration_as_it_is_meant(
    name: str, eight_gpus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import FullyShardedDataParallelPlugin
    from accelerate.commands.launch import (
        _validate_launch_command,  # pyright: ignore[reportPrivateUsage]
        launch_command_parser,
    )
    from accelerate.utils.launch import prepare_multi_gpu_env

    command = command_of(job(FOLDER / f"{name}.yaml"), Path("work"))
    assert command[1:3] == ["-m", "accelerate.commands.launch"]

    arguments, _, mixed_precision_is_given = _validate_launch_command(
        launch_command_parser().parse_args(command[3:])
    )

    assert (arguments.num_processes, arguments.mixed_precision, mixed_precision_is_given) == (
        8,
        "bf16",
        True,
    )
    assert (arguments.multi_gpu, bool(arguments.use_fsdp)) == (name == "ddp-8", name == "fsdp-8")
    environment: dict[str, Any] = prepare_multi_gpu_env(arguments)
    if arguments.use_fsdp:
        for key, value in environment.items():
            if key.startswith("FSDP_"):
                monkeypatch.setenv(key, value)
        plugin: Any = FullyShardedDataParallelPlugin()
        assert (plugin.fsdp_version, plugin.state_dict_type.name) == (2, "FULL_STATE_DICT")


def test_fsdp_without_a_gpu_is_refused_with_what_there_is_instead() -> None:
    if find_hardware().gpus:
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match=r"FSDP on GPUs alone.*MULTI_CPU"):
        command_of(job(FOLDER / "fsdp-8.yaml"), Path("work"))


@pytest.mark.parametrize(("kind", "launcher"), [("lora", "torch.distributed.run"), ("full", CHILD)])
def test_several_gpus_without_a_configuration_train_lora_on_all_and_full_weights_on_the_first(
    kind: str, launcher: str, eight_gpus: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,4,5")
    alone = replace(job(Path()), kind=kind, settings={"accelerate_config": ""})

    command, environment = command_of(alone, Path("work")), environment_of(alone)

    assert command[2] == launcher
    assert ("--nproc_per_node=8" in command) == (kind == "lora")
    assert environment["CUDA_VISIBLE_DEVICES"] == ("3,4,5" if kind == "lora" else "3")
    assert plan_launch(kind, "").note


def test_one_gpu_or_none_needs_no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for gpus in (0, 1):
        found = replace(find_hardware(), gpus=(Gpu("some GPU", 2**30),) * gpus)
        monkeypatch.setattr(training_process, "find_hardware", lambda found=found: found)
        assert plan_launch("lora", "") == plan_launch("full", "") == Launch()


@pytest.mark.parametrize(
    "text", ["distributed_type: DEEPSPEED\nnum_processes: 8", "distributed_type: FSDP", "[1, 2]"]
)
def test_a_configuration_that_says_too_little_or_what_is_not_known_is_refused(
    text: str, tmp_path: Path
) -> None:
    file = tmp_path / "accelerate.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match=r"must say distributed_type \(NO, MULTI_CPU"):
        command_of(job(file), Path("work"))
