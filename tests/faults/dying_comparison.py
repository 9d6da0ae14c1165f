"""A comparison in a child that is killed at chosen moments, three times, and then finished; and one
left in peace.

Run as a program: FOLDER SETTINGS SEED. Prints both tables as JSON.
"""

import json
import random
import signal
import sys
from inspect import unwrap
from pathlib import Path

from flows.steps import compare_steps as steps
from flows.steps.workplace import open_workplace
from storage.open_store import open_store
from storage.records import ComparisonFigure
from tasks.settings import load_settings
from tests.faults.dying_round import in_a_child


def run(settings: str) -> None:
    """The flow without Prefect; like every run, it goes on with what the store lacks."""
    with open_workplace(load_settings(toml_text=settings)) as work:
        contest = unwrap(steps.begin_comparison)(work)
        unwrap(steps.draw_questions)(work, contest)
        unwrap(steps.forecast)(work, contest)
        for seed in contest.seeds:
            unwrap(steps.write_pools)(work, contest, seed)
        for seed in contest.seeds:
            unwrap(steps.train_methods)(work, contest, seed)
            if seed == contest.seeds[0]:
                unwrap(steps.choose_rates)(work, contest)
            unwrap(steps.answer_final)(work, contest, seed)
        unwrap(steps.report)(work, contest)


def table(home: Path) -> list[list[object]]:
    """Every figure of the table, in order."""
    rows = open_store(f"duckdb:///{home / 'regenesis.duckdb'}").select(ComparisonFigure)
    return sorted(
        [
            row.name,
            row.rates,
            row.reading,
            row.scope,
            row.method,
            row.against,
            row.iteration,
            row.value,
            row.low,
            row.high,
            row.p_adjusted or 0.0,
        ]
        for row in rows
    )


def main(folder: Path, settings: str, seed: int) -> None:
    undisturbed, killed = folder / "undisturbed", folder / "killed"
    moments = in_a_child(undisturbed, run, settings)
    # a run goes on from where the one before died, so its moments are fewer: a quarter of the whole
    # each time is there
    chosen = random.Random(seed)
    died = [chosen.randint(1, max(1, moments // 4)) for _ in range(3)]
    for fatal in died:
        assert in_a_child(killed, run, settings, fatal) == -signal.SIGKILL, (died, moments)
    in_a_child(killed, run, settings)
    print(
        json.dumps(
            {
                "died": died,
                "of": moments,
                "undisturbed": table(undisturbed),
                "killed": table(killed),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).read_text("utf-8"), int(sys.argv[3]))
