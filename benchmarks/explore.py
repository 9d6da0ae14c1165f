"""How long does a page of `regenesis explore` take at 1,000,000 paths?

Everything it asks and writes, with the file opened each time.

The last line is JSON; its `ratio` is the goal of 1 second over the slowest page's median. `--paths
N` for another size, `--folder FOLDER` to keep the store for the next time.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lineage_rows import filled_store

from storage.open_store import Store
from tasks.explore import pages, rating
from tasks.explore.asking import Chosen

GOAL_SECONDS = 1.0
REPEATS = 5


def views_of(
    store: Store, question: str, models: tuple[str, str]
) -> dict[str, Callable[[], object]]:
    """Each page as it opens, and the slowest choice of its filters."""
    every, one = Chosen(), Chosen(3)
    nothing = pages.Listed({})
    return {
        "rounds": lambda: pages.rounds(store),
        "questions, one round": lambda: pages.questions(store, one, "", "", ""),
        "questions, all rounds": lambda: pages.questions(
            store, every, "train", "unsolved", "9 + 1"
        ),
        "a question's tree": lambda: pages.question(store, question, one, nothing),
        "guidelines, one round": lambda: pages.guidelines(store, one),
        "guidelines, all rounds": lambda: pages.guidelines(store, every),
        "guidelines, all rounds, one set": lambda: pages.guidelines(store, Chosen(None, "sums")),
        "rejects, one round": lambda: pages.rejects(store, one),
        "rejects, all rounds": lambda: pages.rejects(store, every),
        "rejected paths": lambda: pages.rejected(store, one, "answer_differs"),
        "two models": lambda: pages.pairs(store, *models, every, "fixed"),
        "a path to rate, one round": lambda: rating.to_rate(store, one, "unjudged", rating.Rated()),
        "a path to rate, all rounds": lambda: rating.to_rate(
            store, every, "unjudged", rating.Rated()
        ),
    }


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def ids(store: Store) -> tuple[str, tuple[str, str]]:
    """A question of the third round in its middle, and the models of a round that was evaluated."""
    [row] = store.query(
        "SELECT question_id FROM paths WHERE draw = 3 LIMIT 1 OFFSET 9000"
    ).to_pylist()
    models = pages.models(store)
    return f"{row['question_id']} 3", (
        models.options[str(models.first)],
        models.options[str(models.second)],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--paths", type=int, default=1_000_000, help="how many paths the store has")
    parser.add_argument("--folder", type=Path, help="where the store is made, or found")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="regenesis-explore-") as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        store = filled_store(folder, arguments.paths)
        figures: dict[str, dict[str, Any]] = {}
        for name, work in views_of(store, *ids(store)).items():
            times = [seconds(work) for _ in range(REPEATS)]
            figures[name] = {
                "seconds": statistics.median(times),
                "spread": [min(times), max(times)],
            }
            print(f"  {name:34} {figures[name]['seconds']:6.2f} s", flush=True)
    slowest = max(figure["seconds"] for figure in figures.values())
    result = {
        "name": "explore",
        "ratio": GOAL_SECONDS / slowest,
        "goal": 1.0,
        "paths": arguments.paths,
        "pages": figures,
    }
    print(json.dumps(result | {"load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
