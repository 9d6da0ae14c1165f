"""One supervised fine-tune in a child process, so that its memory returns and it can be killed.

Token ids in, a folder of weights out, whole or not at all. A run that was cut off goes on from its
last whole checkpoint in the same work folder; one that ran out of memory goes on with half the
device batch.
"""

import json
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from storage.errors import InputError, PermanentError
from tasks.engines.models.merging import merge_adapter
from tasks.engines.models.precision import probe_precision
from tasks.engines.trainer.training_job import Job, read_job, write_job
from tasks.engines.trainer.training_process import (
    command_of,
    environment_of,
    owned_process,
    plan_launch,
)
from tasks.settings import TrainingSettings

__all__ = [
    "FineTune",
    "Tokens",
    "TrainedWeights",
    "TrainingProgress",
    "merge_adapter",
    "train_weights",
]

# by the child's code for what went wrong
ADVICE = {
    "loss_not_finite": "Lower training.learning_rate, or set training.precision to float32.",
    "loss_rising": "Lower training.learning_rate or raise training.warmup_share.",
    "end_of_turn_bears_no_loss": (
        "A model that is trained so never stops. Check the model's chat template."
    ),
    "prompt_bears_loss": "Only completions are to be learnt. Check the model's chat template.",
}


@dataclass(frozen=True)
class Tokens:
    """One rendered example; its completion, up to the end of turn, alone bears the loss."""

    prompt_ids: list[int]
    completion_ids: list[int]
    takes: float = 1.0  # how often an epoch takes it


@dataclass(frozen=True)
class FineTune:
    """One fine-tune: from which weights, how, and where it works; all but the examples."""

    base_folder: Path
    base_name: str
    settings: TrainingSettings
    seed: int
    end_of_turn: int
    work_folder: Path
    log_file: Path
    parent_folder: Path | None = None
    own_loss: bool = True
    """Whether the loss is computed by our own code, which takes less memory, or by TRL's."""


@dataclass(frozen=True)
class TrainingProgress:
    """One step of a running fine-tune."""

    step: int
    steps: int
    loss: float
    tokens_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class TrainedWeights:
    """What came out, still in the work folder."""

    folder: Path
    losses: list[float]
    tokens_trained: int
    seconds: float
    precision: str
    resumed_step: int


@dataclass
class _Outcome:
    """What one child process said before it ended."""

    code: str = ""  # empty when done
    message: str = ""
    losses: tuple[float, ...] = ()
    tokens: int = 0
    resumed_step: int = 0


def train_weights(
    examples: Sequence[Tokens],
    wanted: FineTune,
    on_progress: Callable[[TrainingProgress], None] | None = None,
    say: Callable[[str], None] | None = None,
) -> TrainedWeights:
    """Train and return weights in the work folder; raises PermanentError for loss or machine."""
    began = time.monotonic()
    tell = say or _say_nothing
    # before anything is loaded: what is wrong with the examples must not cost minutes first
    check_end_of_turn(examples, wanted.end_of_turn)
    if note := plan_launch(wanted.settings.kind, wanted.settings.accelerate_config).note:
        tell(note)
    wanted.work_folder.mkdir(parents=True, exist_ok=True)
    wanted.log_file.parent.mkdir(parents=True, exist_ok=True)
    job = _job(examples, wanted, tell)
    job, outcome = _run_until_it_fits(job, wanted, on_progress, tell)
    return TrainedWeights(
        folder=wanted.work_folder / "output",
        losses=list(outcome.losses),
        tokens_trained=outcome.tokens,
        seconds=time.monotonic() - began,
        precision=job.precision,
        resumed_step=outcome.resumed_step,
    )


def _run_until_it_fits(
    job: Job,
    wanted: FineTune,
    on_progress: Callable[[TrainingProgress], None] | None,
    tell: Callable[[str], None],
) -> tuple[Job, _Outcome]:
    """The job that ended well and its outcome; half as many at once each time memory runs out."""
    halved = False
    while True:
        outcome = _run_child(job, wanted.work_folder, wanted.log_file, on_progress)
        if not outcome.code:
            return job, outcome
        if outcome.code == "no_such_module":
            raise InputError(
                "Setting 'training.lora_targets' must name modules of the model;"
                f" {outcome.message}."
            )
        # one example at a time is the least; then the model itself is too large
        if outcome.code != "out_of_memory" or job.device_batch_size == 1:
            raise PermanentError(_explain(outcome, wanted.work_folder, wanted.log_file))
        job = replace(job, device_batch_size=job.device_batch_size // 2)
        write_job(job, wanted.work_folder)
        if not halved:
            tell(
                "Training ran out of memory; going on from its checkpoint with"
                f" {job.device_batch_size} a device."
            )
        halved = True


def check_end_of_turn(examples: Sequence[Tokens], end_of_turn: int) -> None:
    """Raise PermanentError unless each completion ends with the end-of-turn token.

    Models that never stop are the classic failure.
    """
    for place, example in enumerate(examples):
        if not example.completion_ids or example.completion_ids[-1] != end_of_turn:
            raise PermanentError(
                f"Every completion must end with the end-of-turn token {end_of_turn}; example"
                f" {place} ends with {example.completion_ids[-3:]!r}. Check the model's chat"
                " template."
            )


def _job(examples: Sequence[Tokens], wanted: FineTune, tell: Callable[[str], None]) -> Job:
    """The job of this work folder: the one that was cut off, if it was the same, else a new one."""
    settings, work_folder = wanted.settings, wanted.work_folder
    job = Job(
        base_folder=str(wanted.base_folder),
        base_name=wanted.base_name,
        parent_folder=str(wanted.parent_folder or ""),
        kind=settings.kind,
        precision="",
        seed=wanted.seed,
        settings=settings.model_dump(mode="json"),
        device_batch_size=settings.device_batch_size,
        end_of_turn=wanted.end_of_turn,
        examples_file=str(work_folder / "examples.parquet"),
        checkpoint_folder=str(work_folder / "checkpoints"),
        output_folder=str(work_folder / "output"),
        own_loss=wanted.own_loss,
    )
    before = read_job(work_folder)
    # everything but what this machine chose must be equal, or the checkpoints belong to another
    # fine-tune
    if before and replace(before, precision="", device_batch_size=job.device_batch_size) == job:
        return before  # with its precision, so that the losses go on as they began
    precision: str = settings.precision
    if precision == "auto":
        probe = probe_precision()
        tell(f"Training in {probe}.")
        precision = probe.precision
    job = replace(job, precision=precision)
    _write_examples(examples, Path(job.examples_file))
    write_job(job, work_folder)
    return job


def _write_examples(examples: Sequence[Tokens], file: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids = [[*example.prompt_ids, *example.completion_ids] for example in examples]
    # -100: torch's cross entropy leaves such a place out
    labels = [[-100] * len(example.prompt_ids) + example.completion_ids for example in examples]
    lists = pa.list_(pa.int64())
    takes = pa.array([example.takes for example in examples], pa.float64())
    table = pa.table(
        {"input_ids": pa.array(ids, lists), "labels": pa.array(labels, lists), "takes": takes}
    )
    pq.write_table(table, str(file))


def _run_child(
    job: Job,
    work_folder: Path,
    log_file: Path,
    on_progress: Callable[[TrainingProgress], None] | None,
) -> _Outcome:
    outcome = _Outcome(code="crashed")
    with (
        log_file.open("ab") as log,
        owned_process(command_of(job, work_folder), environment_of(job), log) as child,
    ):
        assert child.stdout is not None
        for line in child.stdout:
            _take_event(json.loads(line), outcome, on_progress)
        status = child.wait()
    if outcome.code == "crashed" and status == -signal.SIGKILL:
        # Linux ends what takes the last memory with SIGKILL and says so to nobody.
        outcome.code, outcome.message = (
            "out_of_memory",
            "the training process was killed (signal 9)",
        )
    if outcome.code == "crashed":
        outcome.message = f"exit status {status}"
    return outcome


def _take_event(
    event: Mapping[str, Any],
    outcome: _Outcome,
    on_progress: Callable[[TrainingProgress], None] | None,
) -> None:
    match event["event"]:
        case "loaded":
            outcome.resumed_step = int(event["resumed_step"])
        case "step" if on_progress:
            values = {name: value for name, value in event.items() if name != "event"}
            on_progress(TrainingProgress(**values))
        case "done":
            outcome.code, outcome.losses, outcome.tokens = (
                "",
                tuple(event["losses"]),
                int(event["tokens"]),
            )
        case "failed":
            outcome.code, outcome.message = str(event["code"]), str(event["message"])
        case _:
            pass


def _explain(outcome: _Outcome, work_folder: Path, log_file: Path) -> str:
    advice = ADVICE.get(outcome.code, f"See the end of {log_file}.")
    if outcome.code == "out_of_memory":
        advice = (
            "Lower training.max_tokens, set training.gradient_checkpointing, or choose a smaller"
            " model."
        )
    return (
        f"Training must end with finite, falling losses; it ended with {outcome.code!r}"
        f" ({outcome.message}) in {work_folder.name}. {advice}"
    )


def _say_nothing(line: str) -> None:
    """Where nobody listens."""
