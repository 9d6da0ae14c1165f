"""Our fine-tune against TRL's own options: useful (unpadded) tokens a second, LoRA on the embedded
model or on `--model`.

Same examples, precision, tokens a batch (those of 8 examples) and gradient checkpointing (off;
TRL's defaults have it on), every trainer in turn. `ratio` is ours against the best of TRL's
options, on the mix where it is smaller.
"""

import argparse
import io
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.environment import read_environment
from tasks.engines.models.base_models import prepare_model
from tasks.engines.models.precision import probe_precision
from tasks.engines.trainer.trainer_child import Events, build_trainer
from tasks.engines.trainer.training_job import Job
from tasks.settings import ModelSettings, TrainingSettings

GOAL = 1.0
BATCH = 8
END_OF_TURN = 2
SEED = 1
BUDGET_SECONDS = 500  # of the short form, for machines of half the speed
# Deciles of the tokens of prompt and completion: of the 192 examples of a round of the embedded
# model (seed 1), far wider ones, and of 157 accepted paths of Qwen2.5-Coder-1.5B on GSM8K.
MIXES = {
    "default": (
        (55, 55, 58, 58, 58, 62, 63, 66, 68, 68, 71),
        (12, 17, 20, 21, 26, 31, 40, 46, 53, 60, 68),
    ),
    "wide": (tuple(range(20, 121, 10)), tuple(range(20, 301, 28))),
    "gsm8k": (
        (99, 104, 107, 113, 121, 125, 128, 137, 138, 147, 171),
        (69, 140, 172, 190, 205, 224, 253, 288, 330, 378, 696),
    ),
}
# timed steps a turn: of the short form, and of the full one
STEPS = ({"default": 3, "wide": 2, "gsm8k": 2}, {"default": 8, "wide": 6, "gsm8k": 6})
TRL_OPTIONS = ("group_by_length", "packing", "padding_free")
OPTIONS = ("ours", *TRL_OPTIONS, "defaults")
Row = dict[str, list[int]]


def make_examples(mix: str, count: int) -> list[Row]:
    """Random token ids of the mix's lengths; what they say does not change the speed."""
    chance = random.Random(SEED)
    rows: list[Row] = []
    for _ in range(count):
        prompt, completion = (_drawn(deciles, chance) for deciles in MIXES[mix])
        asked = [chance.randrange(100, 48_000) for _ in range(prompt)]
        told = [chance.randrange(100, 48_000) for _ in range(completion - 1)] + [END_OF_TURN]
        rows.append({"input_ids": asked + told, "labels": [-100] * prompt + told})
    return rows


def _drawn(deciles: Sequence[int], chance: random.Random) -> int:
    place = chance.random() * (len(deciles) - 1)
    low = int(place)
    return round(deciles[low] + (deciles[low + 1] - deciles[low]) * (place - low))


def our_trainer(rows: list[Row], folder: Path, base: Path, precision: str) -> Any:
    """The trainer that the product builds."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from transformers import set_seed

    columns = {
        name: pa.array([row[name] for row in rows], pa.list_(pa.int64()))
        for name in ("input_ids", "labels")
    }
    pq.write_table(
        pa.table(columns | {"takes": pa.array([1.0] * len(rows))}), str(folder / "examples.parquet")
    )
    settings = TrainingSettings(
        batch_size=BATCH, device_batch_size=BATCH, epochs=1, checkpoint_steps=10_000
    )
    job = Job(
        base_folder=str(base),
        base_name="base",
        parent_folder="",
        kind="lora",
        precision=precision,
        seed=SEED,
        settings=settings.model_dump(mode="json"),
        device_batch_size=BATCH,
        end_of_turn=END_OF_TURN,
        examples_file=str(folder / "examples.parquet"),
        checkpoint_folder=str(folder / "checkpoints"),
        output_folder=str(folder / "output"),
    )
    set_seed(SEED)
    return build_trainer(job, Events(io.StringIO()))


def trl_trainer(option: str, rows: list[Row], folder: Path, base: Path, precision: str) -> Any:
    """TRL as its documentation shows it; `same_batches` takes the rows in their order."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    lengths = [len(row["input_ids"]) for row in rows]
    own: dict[str, dict[str, Any]] = {
        "group_by_length": {"train_sampling_strategy": "group_by_length"},
        # A packed row of as many tokens as a batch of ours has: equal tokens a batch.
        "packing": {
            "packing": True,
            "max_length": max(*lengths, BATCH * sum(lengths) // len(rows)),
            "per_device_train_batch_size": 1,
            "dataset_kwargs": {},
        },
        "padding_free": {"padding_free": True, "max_length": None},
        "defaults": {"gradient_checkpointing": True},
        "same_batches": {"train_sampling_strategy": "sequential", "lr_scheduler_type": "cosine"},
    }
    arguments: dict[str, Any] = {
        "output_dir": str(folder / "trl"),
        "per_device_train_batch_size": BATCH,
        "gradient_checkpointing": False,
        "max_length": None,
        "bf16": precision == "bfloat16",
        "use_cpu": not torch.cuda.is_available(),
        "report_to": [],
        "disable_tqdm": True,
        "save_strategy": "no",
        "logging_steps": 1,
        "learning_rate": 5e-4,
        "num_train_epochs": 1,
        "dataset_kwargs": {"skip_prepare_dataset": True},
    }
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    set_seed(SEED)
    return SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(str(base), dtype=dtype),
        args=SFTConfig(**(arguments | own[option])),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(str(base)),
        peft_config=LoraConfig(
            r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"
        ),
    )


class Bench:
    """A trainer that can be run for some steps again and again.

    Keeps useful tokens, times and losses.
    """

    def __init__(self, trainer: Any) -> None:
        from transformers import PrinterCallback, TrainerCallback

        self.trainer = trainer
        self.rates: list[float] = []
        self.step_gib = 0.0
        """Most memory of a GPU that its steps took beyond what lay there; 0 on a CPU."""
        self.losses: list[float] = []
        self._tokens: list[int] = []
        self._ends: list[float] = []
        bench, collate = self, trainer.data_collator

        def counted(features: list[Any]) -> Any:
            bench._tokens.append(
                sum(len(one["input_ids"]) for one in features)
            )  # before any padding
            return collate(features)

        class Clock(TrainerCallback):
            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                bench._ends.append(time.perf_counter())

            def on_log(
                self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
            ) -> None:
                if logs and "loss" in logs:
                    bench.losses.append(float(logs["loss"]))

        trainer.remove_callback(PrinterCallback)
        trainer.data_collator = counted
        trainer.add_callback(Clock())

    def run(self, steps: int) -> None:
        """One step to warm up, then `steps` timed ones.

        The loader is a batch ahead of the last step's end.
        """
        import torch

        self._tokens.clear()
        self._ends.clear()
        gpu, before = torch.cuda.is_available(), torch.cuda.memory_allocated()
        if gpu:
            torch.cuda.reset_peak_memory_stats()
        self.trainer.args.max_steps = steps + 1
        self.trainer.train()
        self.rates.append(sum(self._tokens[1 : steps + 1]) / (self._ends[steps] - self._ends[0]))
        if gpu:
            taken = (torch.cuda.max_memory_allocated() - before) / 2**30
            self.step_gib = max(self.step_gib, taken)


def largest_loss_difference(mix: str, folder: Path, base: Path, steps: int) -> float:
    """Ours against TRL's trainer and TRL's loss on the very batches that ours takes, from the same
    LoRA weights.

    In float32: bfloat16 alone makes a difference of some 0.02 in losses near 13.
    """
    rows = make_examples(mix, BATCH * (steps + 1))
    ours = Bench(our_trainer(rows, folder, base, "float32"))
    taken: list[Row] = [ours.trainer.train_dataset[place] for place in range(len(rows))]
    theirs = Bench(trl_trainer("same_batches", taken, folder, base, "float32"))
    theirs.trainer.args.warmup_steps = ours.trainer.args.warmup_steps
    for one in (ours, theirs):
        one.run(steps)
    return max(abs(a - b) for a, b in zip(ours.losses, theirs.losses, strict=True))


@dataclass(frozen=True)
class Work:
    """What is trained on, and how long; `until` is a moment of time.monotonic()."""

    mix: str
    steps: int
    repeats: int
    options: Sequence[str] = OPTIONS
    until: float = float("inf")


def run_mix(work: Work, folder: Path, base: Path, precision: str) -> dict[str, Any]:
    """The options on one mix, by turns, as often as repeats and time allow."""
    rows, mix, steps = make_examples(work.mix, BATCH * (work.steps + 3) * 3), work.mix, work.steps
    benches = {
        option: Bench(
            our_trainer(rows, folder, base, precision)
            if option == "ours"
            else trl_trainer(option, rows, folder, base, precision)
        )
        for option in work.options
    }
    for _ in range(work.repeats):
        began = time.monotonic()
        for option, bench in benches.items():
            bench.run(steps)
            print(
                f"{mix:8} {option:16} {bench.rates[-1]:7.1f} tokens/s", file=sys.stderr, flush=True
            )
        if 2 * time.monotonic() - began > work.until:
            break
    rates = {option: statistics.median(bench.rates) for option, bench in benches.items()}
    best = max(set(TRL_OPTIONS) & set(rates), key=lambda option: rates[option])
    ratios = [a / b for a, b in zip(benches["ours"].rates, benches[best].rates, strict=True)]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "spread": round(max(ratios) - min(ratios), 3),
        "best_of_trl": best,
        "ratio_against_defaults": round(rates["ours"] / rates["defaults"], 3),
        "tokens_per_second": {option: round(rate, 1) for option, rate in rates.items()},
        "step_gib": {option: round(bench.step_gib, 2) for option, bench in benches.items()},
        "repeats": len(ratios),
        "mean_tokens": round(statistics.mean(len(row["input_ids"]) for row in rows), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--full", action="store_true", help="more steps and repeats, and no budget of time"
    )
    parser.add_argument("--model", default="", help="A folder, a GGUF file or a hub name")
    parser.add_argument("--mixes", default="default,wide", help=", ".join(MIXES))
    parser.add_argument("--options", default=",".join(OPTIONS), help="`ours` and one of TRL's")
    given = parser.parse_args()
    full, began = given.full, time.monotonic()
    model = ModelSettings(name=given.model) if given.model else ModelSettings()
    base = prepare_model(model, read_environment()).folder
    probe = probe_precision()
    print(f"Training in {probe}", file=sys.stderr)
    names = given.mixes.split(",")
    steps, repeats = (STEPS[1], 7) if full else (STEPS[0], 3)
    mixes: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        differences = {mix: largest_loss_difference(mix, place, base, 1) for mix in names}
        for number, mix in enumerate(names, 1):
            until = began + BUDGET_SECONDS * number / len(names) if not full else float("inf")
            work = Work(mix, steps[mix], repeats, given.options.split(","), until)
            mixes[mix] = run_mix(work, place, base, probe.precision)
    smaller = min(mixes, key=lambda mix: mixes[mix]["ratio"])
    result = {
        "name": "training",
        "ratio": mixes[smaller]["ratio"],
        "goal": GOAL,
        "spread": mixes[smaller]["spread"],
        "smaller_on": smaller,
        "mixes": mixes,
        "largest_loss_difference": {mix: round(value, 6) for mix, value in differences.items()},
        "precision": str(probe),
        "work": {"batch": BATCH, "steps": steps, "most_repeats": repeats},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
