"""Where the time of a round goes: start, synthesis, verification, training, evaluation, storage, orchestration, idle.

Runs one small real round in a home of its own (`--full`: the default one), or reads the newest finished round of a
home (`--home FOLDER`). The ratio is what the round took over what generation and training alone took, with at most
two engine starts allowed beside them; the goal is at most 1.3. Orchestration and storage should stay under 3 %.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SMALL = """
name = "benchmark"
[questions]
train_per_set = 12
gate_per_set = 16
final_per_set = 4
[training]
min_examples = 1
"""
PHASES = ("start", "synthesis", "verification", "training", "evaluation", "storage", "orchestration", "idle")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--home", type=Path, help="Read the newest finished round of this home; run nothing")
    options.add_argument("--full", action="store_true", help="Run the default round instead of a small one")
    given = options.parse_args()
    if given.home:
        show(given.home)
        return
    with tempfile.TemporaryDirectory(prefix="regenesis-benchmark-") as folder:
        run_round(Path(folder), full=given.full)
        show(Path(folder))


def run_round(home: Path, *, full: bool) -> None:
    """One round in `home`; the embedded model is prepared first, because set-up is no part of a round."""
    settings = home / "small.toml"
    settings.write_text("" if full else SMALL, "utf-8")
    environment = {**os.environ, "REGENESIS_HOME": str(home), "REGENESIS_CONFIG": str(settings)}
    for arguments in (["doctor", "--prepare"], ["round"]):
        subprocess.run([sys.executable, "-m", "flows.cli", *arguments], env=environment, stdout=sys.stderr, check=True)


def show(home: Path) -> None:
    """The table, and as the last line one JSON object."""
    from storage.records import Round
    from storage.repository import open_store

    rounds = open_store(f"duckdb:///{home / 'regenesis.duckdb'}").select(Round, status="finished", order_by="number")
    timings = json.loads(rounds[-1].timings)
    seconds: dict[str, float] = timings["seconds"]
    total = sum(seconds.values())
    for phase in PHASES:
        value = seconds.get(phase, 0.0)
        print(f"{phase:14} {value:8.1f} s {value / total:6.1%}")
    print(f"{'total':14} {total:8.1f} s")
    work = seconds["synthesis"] + seconds["evaluation"] + seconds["training"]
    starts = timings.get("engine_start_seconds", 0.0)
    beside = (seconds["orchestration"] + seconds["storage"]) / total
    result = {
        "name": "round", "ratio": round(total / (work + starts), 3), "goal": 1.3, "spread": None,
        "orchestration_and_storage_share": round(beside, 4), "seconds": seconds, "engine_start_seconds": starts,
        "engine_starts": timings.get("engine_starts", 0), "generated_tokens": timings.get("synthesis_tokens", 0),
        "paths": timings.get("paths", 0),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
