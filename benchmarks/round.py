"""Where the time of a round goes.

Start, synthesis, verification, training, evaluation, storage, orchestration, idle.

Runs one small real round in a home of its own (`--full`: the default one), or reads the newest
finished round of a home (`--home FOLDER`). Verification, storage and orchestration include the CPU
that this process takes from the engine while it generates. The ratio is the time without engine
starts over what generation at the engine's raw rate and training take alone; the goal is at most
1.3. Orchestration and storage should stay under 3 %.
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


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--home", type=Path, help="Read the newest finished round of this home; run nothing"
    )
    options.add_argument(
        "--full", action="store_true", help="Run the default round instead of a small one"
    )
    given = options.parse_args()
    if given.home:
        show(given.home)
        return
    with tempfile.TemporaryDirectory(prefix="regenesis-benchmark-") as folder:
        run_round(Path(folder), full=given.full)
        show(Path(folder))


def run_round(home: Path, *, full: bool) -> None:
    """One round in `home`.

    The embedded model is prepared first, because set-up is no part of a round.
    """
    settings = home / "small.toml"
    settings.write_text("" if full else SMALL, "utf-8")
    environment = {**os.environ, "REGENESIS_HOME": str(home), "REGENESIS_CONFIG": str(settings)}
    for arguments in (["doctor", "--prepare"], ["round"]):
        subprocess.run(
            [sys.executable, "-m", "flows.cli.main", *arguments],
            env=environment,
            stdout=sys.stderr,
            check=True,
        )


def show(home: Path) -> None:
    """The table, and as the last line one JSON object."""
    from storage.open_store import open_store
    from storage.records import Round
    from tasks.reports.figure import sql_of
    from tasks.rounds.round_row import PHASES

    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    newest = store.select(Round, status="finished", order_by="number")[-1]
    timings = json.loads(newest.timings)
    seconds: dict[str, float] = timings["seconds"]
    total = sum(seconds.values())
    for phase in PHASES:
        value = seconds.get(phase, 0.0)
        print(f"{phase:14} {value:8.1f} s {value / total:6.1%}")
    print(f"{'total':14} {total:8.1f} s")
    [cost] = store.query(sql_of("cost", newest)).to_pylist()
    beside = (seconds["orchestration"] + seconds["storage"]) / total
    result = {
        "name": "round",
        "ratio": round(cost["times_the_least"], 3),
        "goal": 1.3,
        "spread": None,
        "orchestration_and_storage_share": round(beside, 4),
        "seconds": seconds,
        **cost,
        "paths": timings.get("paths"),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
