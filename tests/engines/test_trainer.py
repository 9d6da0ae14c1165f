"""Real fine-tunes of a tiny model.

Killed, resumed, cut into two processes, and stopped when they make no sense.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from storage.errors import InputError, PermanentError
from tasks.engines.hardware import Gpu, find_hardware
from tasks.engines.models.rendering import Renderer
from tasks.engines.trainer import trainer, training_process
from tasks.engines.trainer.checkpoints import WHOLE, newest_checkpoint, step_of
from tasks.engines.trainer.trainer import (
    FineTune,
    Tokens,
    TrainedWeights,
    TrainingProgress,
    train_weights,
)
from tasks.rules.ladder.prompts import Turns
from tasks.settings import TrainingSettings
from tests.fakes.tiny_model import write_tiny_model

pytestmark = pytest.mark.engine
SETTINGS = TrainingSettings(
    epochs=2,
    batch_size=4,
    device_batch_size=4,
    checkpoint_steps=2,
    precision="float32",
    learning_rate=1e-2,
)
FULL = SETTINGS.model_copy(update={"kind": "full", "gradient_checkpointing": True})
NOISE = 1e-4  # of losses near 10, in float32
OWNER = """
import os, signal, sys
from pathlib import Path
from tasks.settings import TrainingSettings
from tests.engines.test_trainer import train

settings, folder, work, last = sys.argv[1:]

def die_at_the_last(progress):
    if progress.step == int(last):
        os.kill(os.getpid(), signal.SIGKILL)

train(
    Path(folder), Path(work), TrainingSettings.model_validate_json(settings),
    on_progress=die_at_the_last,
)
"""


@pytest.fixture(scope="module")
def tiny(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", model_folder)


def examples(folder: Path, count: int = 12) -> list[Tokens]:
    renderer = Renderer(folder)
    return [
        Tokens(
            renderer.prompt_ids(Turns("", f"What is {number} + {number}?", "")),
            renderer.completion_ids(
                f"{number} and {number} make {2 * number}. " * (1 + number % 3)
            ),
        )
        for number in range(count)
    ]


def train(
    folder: Path,
    work: Path,
    settings: TrainingSettings = SETTINGS,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    say: Callable[[str], None] | None = None,
    own_loss: bool = True,
) -> TrainedWeights:
    wanted = replace(fine_tune(folder, work, settings), own_loss=own_loss)
    return train_weights(examples(folder), wanted, on_progress, say)


def fine_tune(folder: Path, work: Path, settings: TrainingSettings = SETTINGS) -> FineTune:
    return FineTune(
        base_folder=folder,
        base_name="tiny",
        settings=settings,
        seed=3,
        end_of_turn=Renderer(folder).end_of_turn,
        work_folder=work,
        log_file=work.with_suffix(".log"),
    )


@pytest.fixture(scope="module")
def undisturbed(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedWeights:
    return train(tiny, tmp_path_factory.mktemp("undisturbed") / "work")


@pytest.fixture(scope="module")
def undisturbed_full(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainedWeights:
    return train(tiny, tmp_path_factory.mktemp("undisturbed_full") / "work", FULL)


def test_training_lowers_the_loss_and_leaves_a_plain_adapter(undisturbed: TrainedWeights) -> None:
    assert len(undisturbed.losses) == 6
    assert undisturbed.losses[-1] < undisturbed.losses[0] - 0.1
    assert {file.name for file in undisturbed.folder.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
    }
    settings = json.loads((undisturbed.folder / "adapter_config.json").read_text("utf-8"))
    assert settings["base_model_name_or_path"] == "tiny"


def test_our_loss_is_trls_loss(tiny: Path, tmp_path: Path, undisturbed: TrainedWeights) -> None:
    theirs = train(tiny, tmp_path / "work", own_loss=False)
    assert theirs.losses == pytest.approx(undisturbed.losses, abs=NOISE)


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_a_run_that_is_killed_at_several_steps_ends_with_the_losses_of_one_that_never_was(
    tiny: Path,
    tmp_path: Path,
    undisturbed: TrainedWeights,
    undisturbed_full: TrainedWeights,
    kind: str,
) -> None:
    """kill -9 of the owner at seeded steps, each time while the next step is already being
    computed.
    """
    settings, whole = (SETTINGS, undisturbed) if kind == "lora" else (FULL, undisturbed_full)
    work = tmp_path / "work"
    for step in sorted(random.Random(kind).sample(range(1, 6), 2)):
        owner = subprocess.Popen(
            [
                sys.executable,
                "-c",
                OWNER,
                settings.model_dump_json(),
                str(tiny),
                str(work),
                str(step),
            ],
            cwd=Path(__file__).parents[2],
        )
        assert owner.wait(240) == -signal.SIGKILL
        _wait_until(lambda: not _processes_with(str(work)))
        assert (
            len(list((work / "checkpoints").glob("checkpoint-*"))) <= 2
        )  # old ones go, one may be half written

    trained = train(tiny, work, settings)

    assert trained.resumed_step >= 2
    assert trained.losses == pytest.approx(whole.losses, abs=NOISE)
    assert [file.name for file in (work / "checkpoints").glob("checkpoint-*")] == ["checkpoint-6"]
    for file in ("adapter_model.safetensors", "model.safetensors"):
        if (whole.folder / file).is_file():
            _assert_equal_weights(trained.folder / file, whole.folder / file)


def test_a_checkpoint_that_a_crash_cut_off_is_removed_and_the_one_before_it_counts(
    tmp_path: Path,
) -> None:
    for name, whole in (("checkpoint-2", True), ("checkpoint-10", True), ("checkpoint-12", False)):
        (tmp_path / name).mkdir()
        if whole:
            (tmp_path / name / WHOLE).touch()
    found = newest_checkpoint(tmp_path)
    assert (found, step_of(found)) == (tmp_path / "checkpoint-10", 10)
    assert not (tmp_path / "checkpoint-12").exists()


def test_out_of_memory_halves_the_batch_until_it_fits_and_is_said_once(
    tiny: Path, tmp_path: Path, undisturbed: TrainedWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_process, "CHILD", "tests.fakes.spent_memory")
    monkeypatch.setenv("SPENT_ABOVE", "1")
    said: list[str] = []
    trained = train(tiny, tmp_path / "work", say=said.append)
    assert (trained.resumed_step, len(said)) == (2, 1)
    assert trained.losses == pytest.approx(undisturbed.losses, abs=NOISE)


def test_a_training_process_that_the_system_killed_goes_on_on_half_the_batch_packed_or_not(
    tiny: Path, tmp_path: Path
) -> None:
    packed = SETTINGS.model_copy(update={"packing": True})
    whole = train(tiny, tmp_path / "whole", packed)
    said: list[str] = []
    killed: list[int] = []

    def kill_at_step_3(progress: TrainingProgress) -> None:
        if progress.step == 3 and not killed:
            killed.append(_training_child())
            os.kill(killed[0], signal.SIGKILL)

    trained = train(tiny, tmp_path / "work", packed, on_progress=kill_at_step_3, say=said.append)
    assert trained.resumed_step == 2
    assert trained.losses == pytest.approx(whole.losses, abs=NOISE)
    assert trained.tokens_trained == whole.tokens_trained
    assert said == ["Training ran out of memory; going on from its checkpoint with 2 a device."]


def test_two_processes_end_as_one_does(
    tiny: Path, tmp_path: Path, undisturbed: TrainedWeights
) -> None:
    configuration = tmp_path / "two.yaml"
    configuration.write_text(
        "distributed_type: MULTI_CPU\nnum_processes: 2\nuse_cpu: true\n", "utf-8"
    )
    settings = SETTINGS.model_copy(update={"accelerate_config": str(configuration)})
    trained = train(tiny, tmp_path / "work", settings)
    assert trained.losses == pytest.approx(undisturbed.losses, abs=NOISE)


def test_two_gpus_without_a_configuration_train_lora_together(
    tiny: Path, tmp_path: Path, undisturbed: TrainedWeights, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Simulated: two GPUs are found; each of the two child processes computes on the CPU."""
    found = replace(find_hardware(), gpus=(Gpu("some GPU", 2**33),) * 2)
    monkeypatch.setattr(training_process, "find_hardware", lambda: found)
    said: list[str] = []

    trained = train(tiny, tmp_path / "work", say=said.append)

    assert "Training on 2 GPUs, each with a copy of the model." in said
    assert trained.losses == pytest.approx(undisturbed.losses, abs=NOISE)


def test_full_weights_are_stored_whole_with_their_tokenizer(
    tiny: Path, undisturbed_full: TrainedWeights
) -> None:
    names = {file.name for file in undisturbed_full.folder.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"} <= names
    assert Renderer(undisturbed_full.folder).chat_template_hash == Renderer(tiny).chat_template_hash
    assert undisturbed_full.losses[-1] < undisturbed_full.losses[0] - 0.1


def test_a_loss_that_is_no_number_stops_training_and_says_what_to_do(
    tiny: Path, tmp_path: Path
) -> None:
    wild = SETTINGS.model_copy(update={"learning_rate": 1e30, "schedule": "constant"})
    with pytest.raises(PermanentError, match=r"loss_not_finite.*training\.learning_rate"):
        train(tiny, tmp_path / "work", wild)


def test_a_completion_without_its_end_of_turn_token_is_refused(tiny: Path, tmp_path: Path) -> None:
    cut = [Tokens(example.prompt_ids, example.completion_ids[:-1]) for example in examples(tiny)]
    with pytest.raises(PermanentError, match="end-of-turn"):
        train_weights(cut, fine_tune(tiny, tmp_path / "work"))


def test_the_training_process_itself_refuses_a_completion_without_its_end(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "check_end_of_turn", lambda *_: None)
    cut = [Tokens(example.prompt_ids, example.completion_ids[:-1]) for example in examples(tiny)]
    with pytest.raises(PermanentError, match=r"end_of_turn_bears_no_loss.*never stops"):
        train_weights(cut, fine_tune(tiny, tmp_path / "work"))


def test_a_lora_target_that_the_model_lacks_is_said_with_those_it_has(
    tiny: Path, tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"lora_targets": "q_proj, wq"})
    with pytest.raises(InputError, match=r"training\.lora_targets.*'wq'.*'v_proj'"):
        train(tiny, tmp_path / "work", settings)


def test_an_accelerate_configuration_that_is_none_is_refused(tiny: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"accelerate_config": str(tmp_path / "missing.yaml")})
    with pytest.raises(InputError, match=r"training\.accelerate_config"):
        train(tiny, tmp_path / "work", settings)


def _assert_equal_weights(file: Path, expected: Path) -> None:
    import torch
    from safetensors.torch import load_file

    ours, theirs = load_file(str(file)), load_file(str(expected))
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], atol=1e-4, rtol=1e-4)


def _training_child() -> int:
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text("ascii").split()
    return next(
        int(child)
        for child in children
        if b"trainer_child" in Path(f"/proc/{child}/cmdline").read_bytes()
    )


def _processes_with(text: str) -> list[str]:
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (folder / "cmdline").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


def _wait_until(holds: Callable[[], bool], seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            pytest.fail(f"still not so after {seconds} s")
        time.sleep(0.05)
