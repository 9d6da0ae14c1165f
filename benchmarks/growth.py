"""Do the steps of a round cost what the round needs, or what the store holds?

Stores of 10,000 and 100,000 candidate paths (`--full`: 1,000,000 and 3,000,000 in addition) of 30
rounds, each step on a copy in a process of its own: seconds, peak memory, and the slope from size
to size (1 is linear, 0 is flat). Then one night on an empty store and on the largest, by turns.

`.venv/bin/python benchmarks/growth.py`; `--folder` keeps the stores and what was measured, so that
the next call goes on there. The last line is JSON; its `ratio` is what a night costs on the empty
store by what it costs on the largest.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lineage_rows import CHAINS, GATE_QUESTIONS, LineageRows, filled_store

from storage.environment import read_environment
from storage.file.file_store import FileStore
from storage.open_store import Store, open_store
from storage.records import QuestionSet, Round
from tasks.export.export_rows import export_rows
from tasks.export.wanted_rows import wanted_paths, wanted_training_set
from tasks.prompt_files import load_prompts
from tasks.reports.round_report import draw_report
from tasks.settings import Settings, load_settings
from tasks.training.select_examples import SelectionPlan, select_examples
from tasks.verification.audit import audit_verdicts
from tasks.verification.collapse_watch import watch_collapse
from tasks.verification.verify_paths import Judge
from tasks.verification.vote_paths import vote_paths

ROUNDS = 30
# the made-up texts reach no answer; what they are refused for is not what is measured
SELECTION = {"min_work_words": 0, "answer_in_work": False, "contamination_block_share": 1}
TABLES = ("adapted_guidelines", "structures", "paths", "verdicts")


def settings_of(start: str) -> Settings:
    """Defaults, from the base over the whole line or on from the champion."""
    return load_settings(overrides={"selection": SELECTION, "training": {"start": start}})


def select(store: Store, round: Round, start: str) -> None:
    """The training set of a round."""
    plan = SelectionPlan.of_round(round, settings_of(start), load_prompts())
    sets = [one.id for one in store.select(QuestionSet)]
    select_examples(store, plan, round=round, question_set_ids=sets)


def vote(store: Store, round: Round) -> None:
    """The votes on a round's paths."""
    settings = settings_of("champion").verification
    with Judge(settings) as judge:
        vote_paths(store, judge, settings, draw=round.number)


def export(store: Store, round: Round, whole: bool) -> None:
    """A round's training set, or the accepted paths of all rounds, as Parquet."""
    wanted = wanted_paths(store) if whole else wanted_training_set(store, round=round.number)
    with tempfile.TemporaryDirectory(prefix="regenesis-export-") as folder:
        export_rows(store, wanted, Path(folder) / "rows", read_environment(), private=True)


# a round here is a 30th of its store: linear too, but of a 30th of the rows
OF_A_ROUND: dict[str, Callable[[Store, Round], object]] = {
    "vote": vote,
    "audit": lambda store, last: audit_verdicts(store, draw=last.number),
    "watch collapse": lambda store, last: watch_collapse(
        store, last, last.base_model_id, last.base_model_id
    ),
    "select from the round": lambda store, last: select(store, last, "champion"),
    "report": draw_report,
    "export a training set": lambda store, last: export(store, last, whole=False),
}
OF_A_LINE: dict[str, Callable[[Store, Round], object]] = {
    "select from the line": lambda store, last: select(store, last, "base"),
    "export all accepted paths": lambda store, last: export(store, last, whole=True),
}
STEPS = OF_A_ROUND | OF_A_LINE


def run_step(name: str, url: str) -> dict[str, float]:
    """Seconds and peak memory of one step in this process."""
    store = open_store(url, keep_log=True)
    newest = newest_round(store)
    began = time.perf_counter()
    STEPS[name](store, newest)
    return measured(began)


def run_night(url: str, paths: int, night: int) -> dict[str, float]:
    """Seconds and peak memory of a night of `night` paths on a store of `paths`."""
    store = open_store(url, keep_log=True)
    rows = LineageRows(paths, ROUNDS)
    round = newest_round(store)
    first = (paths // CHAINS + 1) * CHAINS  # of a question that no earlier round asked
    batches = [{table: rows.arrow(first, first + night, table)} for table in TABLES]
    began = time.perf_counter()
    for batch in batches:
        store.append_tables(batch)
    for name in ("vote", "audit", "watch collapse", "select from the round"):
        STEPS[name](store, round)
    figures = measured(began)
    decided = store.query("SELECT count(*) FROM selections WHERE draw = ?", [round.number])
    assert decided[0][0].as_py() == night  # the steps had the night's rows before them
    return figures


def newest_round(store: Store) -> Round:
    """The round that was begun last."""
    return store.select(Round, order_by="number desc")[0]


def measured(began: float) -> dict[str, float]:
    """Since then, in this process; its children's memory is not counted."""
    seconds = time.perf_counter() - began
    # getrusage would count what the process that started this one had
    status = Path("/proc/self/status").read_text().splitlines()
    kibibytes = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return {"seconds": round(seconds, 2), "gib": round(kibibytes / 2**20, 3)}


def in_a_process(store: Store, folder: Path, *words: str) -> dict[str, float]:
    """What this file, called with these words and the URL of a copy of the store, says."""
    assert isinstance(store, FileStore)  # this benchmark is of a file
    with tempfile.TemporaryDirectory(prefix="copy-", dir=folder) as place:
        copy = Path(place) / "regenesis.duckdb"
        shutil.copyfile(store.path, copy)
        call = [sys.executable, __file__, "--url", f"duckdb:///{copy}", *words]
        said = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(said.splitlines()[-1])


def night_stores(folder: Path, store: Store, paths: int, night: int) -> dict[str, Store]:
    """The store with the questions of one more night, and one that holds nothing else."""
    assert isinstance(store, FileStore)
    rows, draw = LineageRows(paths, ROUNDS), ROUNDS + 1
    places = {name: folder / f"night-{name}-{paths}-{night}.duckdb" for name in ("empty", "full")}
    for place in places.values():
        place.unlink(missing_ok=True)
    shutil.copyfile(store.path, places["full"])
    stores = {name: open_store(f"duckdb:///{place}") for name, place in places.items()}
    few = rows.few()
    first = paths // CHAINS + 1
    asked = f"range({first}, {first + night // CHAINS}) AS t(n)"
    held_out = f"range({ROUNDS * GATE_QUESTIONS}, {draw * GATE_QUESTIONS}) AS t(n)"
    own = {
        "questions": rows.questions("n", "'train'", asked, str(draw))
        + " UNION ALL BY NAME "
        + rows.questions("-1 - n", "'gate'", held_out, str(draw)),
        "rounds": few["rounds"].replace(f"range(1, {ROUNDS + 1})", f"range({draw}, {draw + 1})"),
    }
    shared = {name: few[name] for name in ("question_sets", "guidelines", "prompts", "models")}
    for name, one in stores.items():
        assert isinstance(one, FileStore)
        with one.writing_alone() as connection:
            rows.prepare(connection)
            for table, sql in (own | shared if name == "empty" else own).items():
                connection.execute(f"INSERT INTO {table} BY NAME {sql}")
            connection.execute("CHECKPOINT")
    return stores


def nights(folder: Path, store: Store, paths: int, turns: int) -> dict[str, Any]:
    """A night on the empty and on the full store by turns."""
    night = min(paths // ROUNDS, 100_000) // CHAINS * CHAINS
    stores = night_stores(folder, store, paths, night)
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in stores}
    for turn in range(turns):
        for name in sorted(stores, reverse=bool(turn % 2)):
            words = ("--night", str(night), "--of", str(paths))
            figures[name].append(in_a_process(stores[name], folder, *words))
            print(f"night of {night:,} paths, {name}: {figures[name][-1]}", file=sys.stderr)
    for one in stores.values():
        assert isinstance(one, FileStore)
        one.path.unlink()
    ratios = [
        empty["seconds"] / full["seconds"]
        for empty, full in zip(figures["empty"], figures["full"], strict=True)
    ]
    return {
        "ratio": round(statistics.median(ratios), 2),
        "spread": [round(min(ratios), 2), round(max(ratios), 2)],
        "night": {"paths": night, "store": paths, **figures},
    }


def slope(sizes: list[int], values: list[float]) -> float | None:
    """Of the line through the points in logarithms; None for one size."""
    if len(sizes) < 2:
        return None
    logs = [math.log(size) for size in sizes], [math.log(max(value, 0.01)) for value in values]
    return round(statistics.linear_regression(*logs).slope, 2)


def table(figures: dict[str, dict[int, dict[str, float]]]) -> list[str]:
    """A line per step."""
    lines: list[str] = []
    for name, by_size in figures.items():
        sizes = sorted(by_size)
        shown = [f"{by_size[n]['seconds']:>8.1f} s {by_size[n]['gib']:>6.2f} GiB" for n in sizes]
        steep = slope(sizes, [by_size[n]["seconds"] for n in sizes])
        lines.append(f"{name:<26}{'  '.join(shown)}   slope {steep}")
    return lines


def measure(folder: Path, sizes: list[int], turns: int) -> dict[str, Any]:
    """Every step at every size; what is in the folder's notes is not measured again."""
    notes = folder / "growth.json"
    known: dict[str, dict[str, float]] = json.loads(notes.read_text()) if notes.exists() else {}
    figures: dict[str, dict[int, dict[str, float]]] = {name: {} for name in STEPS}
    store: Store | None = None
    for paths in sizes:
        store = filled_store(folder, paths, ROUNDS)
        for name in STEPS:
            key = f"{paths} {name}"
            if key not in known:
                known[key] = in_a_process(store, folder, "--step", name)
                notes.write_text(json.dumps(known, indent=1))
                print(f"{paths:>10,} paths, {name}: {known[key]}", file=sys.stderr, flush=True)
            figures[name][paths] = known[key]
    print("\n".join(table(figures)))
    assert store is not None
    return {**nights(folder, store, sizes[-1], turns), "steps": figures}


def main() -> None:
    """Measure, or be one measured process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="up to 3,000,000 paths")
    parser.add_argument("--sizes", type=int, nargs="+", help="numbers of paths, ascending")
    parser.add_argument("--turns", type=int, default=3, help="nights on each store")
    parser.add_argument("--folder", type=Path, help="keep stores and figures here")
    parser.add_argument("--url", help="used by the benchmark itself, with --step or --night")
    parser.add_argument("--step", choices=sorted(STEPS))
    parser.add_argument("--night", type=int)
    parser.add_argument("--of", type=int)
    arguments = parser.parse_args()
    if arguments.step:
        print(json.dumps(run_step(arguments.step, arguments.url)))
        return
    if arguments.night:
        print(json.dumps(run_night(arguments.url, arguments.of, arguments.night)))
        return
    full = [10_000, 100_000, 1_000_000, 3_000_000]
    sizes = arguments.sizes or (full if arguments.full else full[:2])
    with tempfile.TemporaryDirectory(prefix="regenesis-growth-") as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        figures = measure(folder, sizes, arguments.turns)
    print(json.dumps({"name": "growth", "goal": 0.9, "load": os.getloadavg()[0]} | figures))


if __name__ == "__main__":
    main()
