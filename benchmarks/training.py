"""Our fine-tune against TRL's own options: useful (unpadded) tokens a second, LoRA on the embedded model.

Same examples, batch of 8, precision and gradient checkpointing (off; TRL's defaults have it on). Two mixes of lengths:
those of the default round, and a wide one. `ratio` is ours against the best of TRL's options on the default mix.
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from storage.environment import read_environment
from tasks.engines.embedded_model import prepare_model
from tasks.engines.precision import probe_precision
from tasks.engines.trainer_child import Events, build_trainer
from tasks.engines.training_job import Job
from tasks.settings import ModelSettings, TrainingSettings

GOAL = 1.0
BATCH = 8
MIXES = {"default": ((30, 60), (25, 70)), "wide": ((20, 120), (20, 300))}  # tokens of prompt, of completion
OPTIONS = ("ours", "our order", "group_by_length", "packing", "padding_free", "defaults")


@dataclass
class Measured:
    """Useful tokens and seconds of the timed steps, and the losses."""

    tokens: int = 0
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list[float])

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


def make_examples(mix: str, count: int, seed: int) -> list[dict[str, list[int]]]:
    """Random token ids of the mix's lengths; what they say does not change the speed."""
    chance = random.Random(seed)
    prompt, completion = MIXES[mix]
    rows: list[dict[str, list[int]]] = []
    for _ in range(count):
        asked = [chance.randrange(100, 48_000) for _ in range(chance.randint(*prompt))]
        told = [chance.randrange(100, 48_000) for _ in range(chance.randint(*completion))] + [2]
        rows.append({"input_ids": asked + told, "labels": [-100] * len(asked) + told})
    return rows


def our_trainer(rows: list[dict[str, list[int]]], folder: Path, base: Path, precision: str, own_loss: bool) -> Any:
    """The trainer that the product builds, with or without our loss."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array([row[name] for row in rows], pa.list_(pa.int64())) for name in ("input_ids", "labels")}
    pq.write_table(pa.table(columns), str(folder / "examples.parquet"))
    settings = TrainingSettings(batch_size=BATCH, device_batch_size=BATCH, epochs=1, checkpoint_steps=10_000)
    job = Job(
        base_folder=str(base), base_name="base", parent_folder="", kind="lora", precision=precision, seed=1,
        settings=settings.model_dump(mode="json"), device_batch_size=BATCH,
        examples_file=str(folder / "examples.parquet"), checkpoint_folder=str(folder / "checkpoints"),
        output_folder=str(folder / "output"), own_loss=own_loss,
    )  # fmt: skip
    return build_trainer(job, Events(sys.stderr))


def trl_trainer(option: str, rows: list[dict[str, list[int]]], folder: Path, base: Path, precision: str) -> Any:
    """TRL as its documentation has it, with one option."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    longest = max(len(row["input_ids"]) for row in rows)
    mean = sum(len(row["input_ids"]) for row in rows) / len(rows)
    own: dict[str, dict[str, Any]] = {
        "group_by_length": {"train_sampling_strategy": "group_by_length"},
        # A packed row of as many tokens as a batch of ours has: equal tokens a batch.
        "packing": {
            "packing": True, "max_length": max(longest, int(BATCH * mean)), "per_device_train_batch_size": 1,
            "dataset_kwargs": {},
        },
        "padding_free": {"padding_free": True, "max_length": None},
        "defaults": {"gradient_checkpointing": True},
    }  # fmt: skip
    arguments: dict[str, Any] = {
        "output_dir": str(folder / "trl"), "per_device_train_batch_size": BATCH, "gradient_checkpointing": False,
        "max_length": None, "bf16": precision == "bfloat16", "use_cpu": not torch.cuda.is_available(),
        "report_to": [], "disable_tqdm": True, "save_strategy": "no", "logging_steps": 1, "learning_rate": 5e-4,
        "num_train_epochs": 1, "dataset_kwargs": {"skip_prepare_dataset": True},
    }  # fmt: skip
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    return SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(str(base), dtype=dtype),
        args=SFTConfig(**(arguments | own[option])),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(str(base)),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )


def measure(trainer: Any, steps: int, into: Measured) -> None:
    """Train one step to warm up, then `steps` timed ones."""
    from transformers import PrinterCallback, TrainerCallback

    trainer.remove_callback(PrinterCallback)
    collate = trainer.data_collator
    batches: list[int] = []

    def counted(features: list[Any]) -> Any:
        batch = collate(features)
        mask = batch.get("attention_mask")
        batches.append(int(mask.sum()) if mask is not None else batch["input_ids"].numel())
        return batch

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            ends.append(time.perf_counter())

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if logs and "loss" in logs:
                into.losses.append(float(logs["loss"]))

    trainer.data_collator = counted
    trainer.add_callback(Clock())
    trainer.args.max_steps = steps + 1
    trainer.train()
    into.tokens += sum(batches[1 : steps + 1])
    into.seconds += ends[steps] - ends[0]


def run_mix(mix: str, options: tuple[str, ...], base: Path, precision: str, steps: int, repeats: int) -> dict[str, Any]:
    """Every option on one mix, by turns; medians over the repeats."""
    rates: dict[str, list[float]] = {option: [] for option in options}
    losses: dict[str, list[float]] = {}
    for repeat in range(repeats):
        rows = make_examples(mix, BATCH * (steps + 3) * 2, repeat)
        for option in options:
            measured = Measured()
            with tempfile.TemporaryDirectory() as folder:
                ours = option in ("ours", "our order")
                trainer = (
                    our_trainer(rows, Path(folder), base, precision, option == "ours")
                    if ours
                    else trl_trainer(option, rows, Path(folder), base, precision)
                )
                measure(trainer, steps, measured)
            rates[option].append(measured.rate)
            losses[option] = measured.losses
            print(f"{mix:8} {option:16} {measured.rate:7.1f} tokens/s", file=sys.stderr, flush=True)
    pairs = zip(losses["ours"], losses["our order"], strict=True)
    return {
        "tokens_per_second": {option: statistics.median(found) for option, found in rates.items()},
        "spread": {option: max(found) - min(found) for option, found in rates.items()},
        "largest_loss_difference": max(abs(one - other) for one, other in pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="more steps and repeats")
    full = parser.parse_args().full
    base = prepare_model(ModelSettings(), read_environment()).folder
    probe = probe_precision()
    print(f"Training in {probe}", file=sys.stderr)
    steps, repeats = ({"default": 8, "wide": 6}, 3) if full else ({"default": 3, "wide": 1}, 1)
    mixes = {mix: run_mix(mix, OPTIONS, base, probe.precision, steps[mix], repeats) for mix in MIXES}

    def ratio(mix: str, against: tuple[str, ...]) -> float:
        rates = mixes[mix]["tokens_per_second"]
        return rates["ours"] / max(rates[option] for option in against)

    options = ("group_by_length", "packing", "padding_free")
    print(
        json.dumps(
            {
                "name": "training",
                "ratio": round(ratio("default", options), 3),
                "goal": GOAL,
                "ratio_wide": round(ratio("wide", options), 3),
                "ratio_against_defaults": round(ratio("default", ("defaults",)), 3),
                "ratio_of_our_loss": round(ratio("default", ("our order",)), 3),
                "spread": mixes["default"]["spread"]["ours"],
                "precision": str(probe),
                "mixes": mixes,
                "work": {"batch": BATCH, "steps": steps, "repeats": repeats},
            }
        )
    )


if __name__ == "__main__":
    main()
