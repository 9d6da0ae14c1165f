"""A fine-tune with and without the allocator that its process is started with.

Useful tokens per second, on a CPU.

Each side is a process of its own, by turns: the environment that a round's training gets, and the
same without what it preloads. `ratio` is the first by the second, the median over the turns.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from training import make_examples, our_trainer

from storage.environment import read_environment
from tasks.engines.hardware import find_hardware, preload
from tasks.engines.models.base_models import prepare_model
from tasks.engines.models.precision import probe_precision
from tasks.settings import ModelSettings

EXAMPLES = 96


def measure() -> None:
    """One training in this process; prints tokens a second and the pages that were faulted in."""
    rows = make_examples("default", EXAMPLES)
    base = prepare_model(ModelSettings(), read_environment()).folder
    with tempfile.TemporaryDirectory() as folder:
        trainer = our_trainer(rows, Path(folder), base, probe_precision().precision)
        faults, began = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.monotonic()
        trainer.train()
        seconds = time.monotonic() - began
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
    tokens = sum(len(row["input_ids"]) for row in rows)
    print(json.dumps({"tokens_per_second": tokens / seconds, "page_faults": faults}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="how often each side trains")
    parser.add_argument("--one", action="store_true", help="one training here, as it is")
    given = parser.parse_args()
    if given.one:
        measure()
        return
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    sides = {"preloaded": plain | preload(find_hardware().tcmalloc), "plain": plain}
    found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
    for _ in range(given.turns):
        for side, environment in sides.items():
            command = [sys.executable, __file__, "--one"]
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, check=True, text=True
            )
            found[side].append(json.loads(done.stdout.splitlines()[-1]))
            print(
                f"{side:10} {found[side][-1]['tokens_per_second']:7.1f} tokens/s",
                file=sys.stderr,
                flush=True,
            )
    rates = {side: [one["tokens_per_second"] for one in rows] for side, rows in found.items()}
    ratios = [a / b for a, b in zip(rates["preloaded"], rates["plain"], strict=True)]
    faults = {
        side: statistics.median(one["page_faults"] for one in rows) for side, rows in found.items()
    }
    result = {
        "name": "training_allocator",
        "ratio": round(statistics.median(ratios), 3),
        "spread": round(max(ratios) - min(ratios), 3),
        "goal": 1.0,
        "tokens_per_second": {
            side: [round(rate, 1) for rate in row] for side, row in rates.items()
        },
        "page_faults": faults,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
