"""Two hosts against one.

Rounds of question sets of their own, on one lake in one Postgres, each in a home of its own.

A host is a process with an engine of realistic speed that costs no cores; ratio is the questions a
second of two hosts by twice those of one. `--full`: three times the questions.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from storage.care.check_and_gc import check_store, compact
from storage.open_store import open_store
from tests.fakes.postgres import running_postgres

GOAL = 0.9  # of linear: 1.8 times one host
SETS = ("chain_sum", "gcd")


def run_host(
    folder: Path, question_set: str, questions: int, rate: float, start_at: float
) -> dict[str, Any]:
    """A round of this set. All hosts begin at one moment, when their servers are up."""
    from orchestration import run_round

    figures = run_round(folder / question_set, questions, rate, [question_set], start_at)
    return {"began": figures["began"], "ended": figures["ended"], "paths": figures["paths"]}


def seconds_of(hosts: int, questions: int, rate: float, postgres: Any) -> float:
    """Wall time of so many hosts at once, on an empty lake that is sound after it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"ducklake:{postgres.new_database()}?data={folder / 'lake'}"
        os.environ |= {"REGENESIS_STORE": url, "PGPASSWORD": postgres.password}
        open_store(url)
        with ProcessPoolExecutor(
            hosts, mp_context=multiprocessing.get_context("spawn")
        ) as processes:
            start_at = time.monotonic() + 45
            given = [
                processes.submit(run_host, folder, name, questions, rate, start_at)
                for name in SETS[:hosts]
            ]
            found = [one.result() for one in given]
        store = open_store(url)
        # as every night: both hosts may have written the base model's row, and the first counts
        compact(store)
        if problems := check_store(store):
            sys.exit(f"The lake must be sound after {hosts} hosts; found {problems}.")
    return max(one["ended"] for one in found) - min(one["began"] for one in found)


def main() -> None:
    """One host, then two; one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="three times the questions")
    parser.add_argument("--questions", type=int, default=200, help="of each host")
    parser.add_argument(
        "--tokens-per-second", type=float, default=1000.0, help="of each host's engine"
    )
    arguments = parser.parse_args()
    count = arguments.questions * (3 if arguments.full else 1)
    with running_postgres() as postgres:
        one, two = (
            seconds_of(hosts, count, arguments.tokens_per_second, postgres) for hosts in (1, 2)
        )
    print(
        json.dumps(
            {
                "name": "hosts",
                "ratio": round(one / two, 3),
                "goal": GOAL,
                "spread": 0.0,
                "one_host_seconds": round(one, 1),
                "two_hosts_seconds": round(two, 1),
                "two_by_one": round(2 * one / two, 2),
                "size": {
                    "questions_of_each_host": count,
                    "tokens_per_second": arguments.tokens_per_second,
                },
            }
        )
    )


if __name__ == "__main__":
    main()
