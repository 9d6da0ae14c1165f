"""The training process: TRL's SFTTrainer with PEFT over token ids that the parent rendered.

Reads a job (JSON file, examples in Parquet), writes one JSON line an event to the pipe it was
given, and the trained weights to a folder. It dies with its owner: killed by the kernel, or when
the owner's pipe closes.
"""

import json
import math
import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from storage.child_process import die_with_parent
from tasks.engines.trainer.checkpoints import newest_checkpoint, step_of, trainer_class
from tasks.engines.trainer.completion_loss import install_completion_loss
from tasks.engines.trainer.training_checks import Trouble, check_targets, checked, is_out_of_memory
from tasks.engines.trainer.training_job import Job
from tasks.rules.training.batching import (
    BatchPlan,
    example_order,
    loss_trouble,
    plan_batches,
    plan_rows,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel, TrainerCallback
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer


class Events:
    """JSON lines to the parent; of several processes the main one writes, and whichever fails."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._silent = os.environ.get("RANK", "0") != "0"

    def send(self, event: str, **fields: object) -> None:
        if not self._silent or event == "failed":
            self._stream.write(json.dumps({"event": event, **fields}) + "\n")
            self._stream.flush()


def main(job_file: str) -> int:
    """Train as the job says; 0 where weights are written, 1 where a `failed` event says why not."""
    # first of all, or a parent that dies while torch is imported leaves this process behind
    _die_with_owner()
    events = Events(_private_stdout())
    job = Job(**json.loads(Path(job_file).read_text("utf-8")))
    try:
        train(job, events)
    except Trouble as trouble:
        events.send("failed", code=trouble.code, message=str(trouble))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        events.send("failed", code="out_of_memory", message=str(error)[:300])
    else:
        return 0
    return 1


def train(job: Job, events: Events) -> None:
    """Load, train from the newest whole checkpoint, save, report."""
    began = time.monotonic()
    import torch
    from transformers import set_seed

    # torch would take all cores for each of several processes
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))
    set_seed(job.seed)
    trainer = build_trainer(job, events)
    checkpoint = newest_checkpoint(Path(job.checkpoint_folder))
    events.send("loaded", seconds=time.monotonic() - began, resumed_step=step_of(checkpoint))
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    save_weights(trainer, job)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    rows: Any = trainer.train_dataset
    events.send("done", losses=losses, tokens=sum(len(ids) for ids in rows["input_ids"]))


def build_trainer(job: Job, events: Events) -> "SFTTrainer":
    """TRL's trainer over the job's examples, laid out in the order in which they are taken."""
    from datasets import Dataset, disable_progress_bars
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback

    disable_progress_bars()
    model = _load_model(job, AutoModelForCausalLM)
    examples = Dataset.from_parquet(
        job.examples_file, cache_dir=str(Path(job.checkpoint_folder) / "cache")
    )
    # Order and batches are fixed here and not by TRL: a run that goes on from a checkpoint, or on
    # another number of devices, takes the same steps (tasks/rules/training/batching.py).
    lengths = [len(ids) for ids in cast("list[list[int]]", examples["input_ids"])]
    settings = job.settings
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    plan = plan_batches(
        len(lengths), settings["batch_size"], job.device_batch_size, settings["epochs"], processes
    )
    order = example_order(lengths, plan, job.seed, cast("list[float]", examples["takes"]))
    packing = bool(settings["packing"])
    cut = (
        plan_rows(lengths, settings["batch_size"], job.device_batch_size, processes)
        if packing
        else plan
    )
    arguments = _arguments(job, plan.steps, cut, max(lengths))
    tokenizer = AutoTokenizer.from_pretrained(job.base_folder)
    trainer = trainer_class()(
        model=model,
        args=arguments,
        train_dataset=examples.remove_columns("takes").select(order),
        processing_class=tokenizer,
        peft_config=(
            _lora(model, settings) if job.kind == "lora" and not job.parent_folder else None
        ),
        callbacks=[_reporter(events, sum(lengths[place] for place in order))],
    )
    trainer.data_collator = checked(trainer.data_collator, job.end_of_turn)
    trainer.remove_callback(PrinterCallback)
    if job.own_loss and not _has_gpu():
        install_completion_loss(_undressed(trainer.model))
    return trainer


def _arguments(job: Job, steps: int, cut: BatchPlan, longest: int) -> "SFTConfig":
    """TRL's settings; `cut` says how many rows go through the model at once, packed or not."""
    from trl.trainer.sft_config import SFTConfig

    settings, on_gpu = job.settings, _has_gpu()
    packing = bool(settings["packing"])
    return SFTConfig(
        output_dir=job.checkpoint_folder,
        # the examples are laid out for all epochs already, so TRL passes over them once
        num_train_epochs=1.0,
        max_steps=-1 if packing else steps,
        per_device_train_batch_size=cut.device_batch_size,
        gradient_accumulation_steps=cut.accumulation,
        learning_rate=settings["learning_rate"],
        lr_scheduler_type=settings["schedule"],
        warmup_steps=math.ceil(settings["warmup_share"] * steps),
        weight_decay=0.0,
        train_sampling_strategy="random" if packing else "sequential",  # packing sorts by length
        dataset_kwargs={"skip_prepare_dataset": not packing},
        packing=packing,
        max_length=longest if packing else None,
        gradient_checkpointing=settings["gradient_checkpointing"],
        bf16=job.precision == "bfloat16",
        use_cpu=not on_gpu,
        logging_steps=1,
        # transformers would replace a NaN by the mean of what went before; here it must be seen
        logging_nan_inf_filter=False,
        save_strategy="steps",
        save_steps=settings["checkpoint_steps"],
        report_to=[],
        disable_tqdm=True,
        seed=job.seed,
        data_seed=job.seed,
        dataloader_pin_memory=on_gpu,
        # every trained parameter bears on every loss; the search costs a pass
        ddp_find_unused_parameters=False,
    )


def save_weights(trainer: "SFTTrainer", job: Job) -> None:
    """Write the adapter or full weights, with no machine path and in a fixed order."""
    folder = Path(job.output_folder)
    trainer.save_model(str(folder))
    if not trainer.accelerator.is_main_process:
        return
    # both hold paths of this machine; the second one is a pickle
    for name in ("README.md", "training_args.bin"):
        (folder / name).unlink(missing_ok=True)
    if job.kind == "lora":
        for file in folder.iterdir():
            if file.name not in ("adapter_config.json", "adapter_model.safetensors"):
                file.unlink()
        configuration = folder / "adapter_config.json"
        settled: dict[str, Any] = json.loads(configuration.read_text("utf-8"))
        settled["base_model_name_or_path"] = job.base_name
        # peft writes a set, whose order differs from run to run: equal weights must have equal
        # bytes
        settled["target_modules"] = sorted(settled["target_modules"])
        configuration.write_text(json.dumps(settled, indent=2, sort_keys=True) + "\n", "utf-8")
        return
    for file in Path(
        job.base_folder
    ).iterdir():  # tokenizer and template stay byte for byte what they were
        if file.is_file() and (
            "token" in file.name or file.name in ("chat_template.jinja", "generation_config.json")
        ):
            shutil.copyfile(file, folder / file.name)


def _load_model(job: Job, auto: Any) -> "PreTrainedModel":
    import torch

    # Frozen weights may be bfloat16; weights that are trained stay float32, for small steps vanish
    # in bfloat16.
    dtype = torch.bfloat16 if job.precision == "bfloat16" and job.kind == "lora" else torch.float32
    weights = job.parent_folder if job.parent_folder and job.kind == "full" else job.base_folder
    model = auto.from_pretrained(weights, dtype=dtype, attn_implementation="sdpa")
    if job.parent_folder and job.kind == "lora":
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, job.parent_folder, is_trainable=True)
    return cast("PreTrainedModel", model)


def _lora(model: "PreTrainedModel", settings: Mapping[str, Any]) -> object:
    from peft import LoraConfig

    targets = str(settings["lora_targets"])
    names = [name.strip() for name in targets.split(",")]
    if targets != "all-linear":
        check_targets(model, names)
    return LoraConfig(
        r=settings["lora_rank"],
        lora_alpha=settings["lora_alpha"],
        lora_dropout=settings["lora_dropout"],
        target_modules=targets if targets == "all-linear" else names,
        task_type="CAUSAL_LM",
    )


def _reporter(events: Events, tokens: int) -> "TrainerCallback":
    from transformers import TrainerCallback

    class Reporter(TrainerCallback):
        """A line per step; stops the run when the loss makes no sense."""

        def __init__(self) -> None:
            self.began = 0.0
            self.first_step = 0

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.began, self.first_step = time.monotonic(), state.global_step

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> None:
            if not logs or "loss" not in logs:
                return
            step, steps = state.global_step, state.max_steps
            losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
            seconds_a_step = (time.monotonic() - self.began) / (step - self.first_step)
            events.send(
                "step",
                step=step,
                steps=steps,
                loss=logs["loss"],
                tokens_per_second=tokens / steps / max(seconds_a_step, 1e-9),
                seconds_left=seconds_a_step * (steps - step),
            )
            trouble = loss_trouble(losses) or (
                "" if math.isfinite(logs.get("grad_norm", 0.0)) else "loss_not_finite"
            )
            if trouble:
                raise Trouble(
                    trouble,
                    f"step {step} of {steps}: loss {logs['loss']!r} after {losses[:3]!r} at first",
                )

    return Reporter()


def _undressed(model: Any) -> "PreTrainedModel":
    return cast(
        "PreTrainedModel", model.get_base_model() if hasattr(model, "get_base_model") else model
    )


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _private_stdout() -> TextIO:
    """The pipe to the parent; whatever a library prints goes to standard error instead."""
    # the pipe is duplicated and number 1 is pointed at standard error, so a print breaks no JSON
    # line
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return stream


def _die_with_owner() -> None:
    """Die with the parent: by the kernel's signal, and when the parent's pipe closes."""
    die_with_parent()

    def watch() -> None:
        while os.read(0, 1):
            pass
        # the pipe was closed: nobody is left to whom anything could be said
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
