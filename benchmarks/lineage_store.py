"""Is the store as fast as bare DuckDB?

Appends against one bulk insert, questions against hand-tuned SQL, side by side.

`.venv/bin/python benchmarks/storage.py` (which runs this file) works on 1,000,000 paths with their
adapted guidelines, structures, verdicts and selections; `--full` on 10,000,000. `--folder` keeps
the made-up store for the next run. The last line is JSON; its `ratio` is that of the appends
without computing ids.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
from lineage_questions import EVERYTHING, LINEAGE_BY_HAND, ONE_ROUND, PATH_BY_HAND
from lineage_rows import ROUNDS, LineageRows, filled_store

from storage.file.database import MEMORY_LIMIT
from storage.file.file_store import FileStore
from storage.ids import content_id
from storage.lineage.lineage_tree import tree_of
from storage.open_store import Store, open_store
from storage.store.arrow import ArrowTable

BATCH, SMALL_BATCH = 100_000, 1_000


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def append_ratios(folder: Path, batches: int, repeats: int) -> dict[str, Any]:
    """Appends in batches of 100,000, as they are and with their ids computed, against one bulk
    insert, by turns.
    """
    rows = LineageRows(batches * BATCH)
    tables = [rows.arrow(n * BATCH, (n + 1) * BATCH) for n in range(batches)]
    whole, requests = pa.concat_tables(tables), [request_of(batch) for batch in tables]
    times: dict[str, list[float]] = {"bulk": [], "append": [], "with_ids": []}
    for _ in range(repeats):
        times["bulk"].append(seconds(lambda: bulk_insert(folder / "bulk.duckdb", whole)))
        forget(folder)
        store = open_store(f"duckdb:///{folder / 'store.duckdb'}", keep_log=True)
        times["append"].append(
            seconds(lambda store=store: [store.append_tables({"paths": one}) for one in tables])
        )
        forget(folder)
        store = open_store(f"duckdb:///{folder / 'store.duckdb'}", keep_log=True)
        times["with_ids"].append(
            seconds(lambda store=store: append_with_ids(store, tables, requests))
        )
        forget(folder)
    against = {
        kind: [b / t for b, t in zip(times["bulk"], times[kind], strict=True)]
        for kind in ("append", "with_ids")
    }
    return {
        "ratio": statistics.median(against["append"]),
        "spread": [min(against["append"]), max(against["append"])],
        "ratio_with_ids": statistics.median(against["with_ids"]),
        "ratio_with_ids_goal": 0.5,
        "append_rows": batches * BATCH,
        "append_times_seconds": times,
    }


def request_of(batch: ArrowTable) -> list[tuple[Any, ...]]:
    """What the ids of a batch are the hash of, as synthesis has it at hand.

    Parents as text, settings, draw, sample.
    """
    names = ("structure_id", "model_id", "prompt_id", "sampling", "draw", "sample", "hinted")
    columns = [batch[name].to_pylist() for name in names]
    return [(*map(str, row[:3]), *row[3:]) for row in zip(*columns, strict=True)]


def append_with_ids(
    store: Store, tables: list[ArrowTable], requests: list[list[tuple[Any, ...]]]
) -> None:
    """The same batches; each row's id is computed first."""
    for batch, parts in zip(tables, requests, strict=True):
        ids = pa.array([content_id("paths", *one).bytes for one in parts], pa.binary(16))
        column = pa.ExtensionArray.from_storage(pa.uuid(), ids)
        store.append_tables(
            {"paths": batch.set_column(batch.column_names.index("id"), "id", column)}
        )


def bulk_insert(path: Path, rows: ArrowTable) -> None:
    """DuckDB alone: open, one insert into a plain table, close."""
    with duckdb.connect(path, config={"memory_limit": MEMORY_LIMIT}) as connection:
        connection.register("rows", rows)
        connection.execute("CREATE TABLE plain AS SELECT * FROM rows LIMIT 0")
        connection.execute("INSERT INTO plain SELECT * FROM rows")


def forget(folder: Path) -> None:
    """Remove the database files of one turn."""
    for file in folder.glob("*.duckdb*"):
        file.unlink()


def small_batches(store: Store, paths: int, repeats: int) -> list[float]:
    """Milliseconds of appending 1,000 paths to the newest round, from opening the file to closing
    it.
    """
    rows = LineageRows(paths)
    new = LineageRows(paths * 100).arrow(
        paths, paths + repeats * SMALL_BATCH
    )  # ids of no stored path
    draw = pa.array([rows.draw(paths - 1)] * new.num_rows, pa.int64())
    new = new.set_column(new.column_names.index("draw"), "draw", draw)
    times: list[float] = []
    try:
        for turn in range(repeats):
            batch = new.slice(turn * SMALL_BATCH, SMALL_BATCH)
            times.append(1_000 * seconds(lambda batch=batch: store.append_tables({"paths": batch})))
    finally:  # the store is kept for the next run
        assert isinstance(store, FileStore)  # this benchmark is of a file
        with store.writing_alone() as connection:
            connection.register("new", new)
            connection.execute(
                f"DELETE FROM paths WHERE draw = {ROUNDS} AND id IN (SELECT id FROM new)"
            )
    return times


def ask(
    store: Store, questions: dict[str, tuple[str, str]], repeats: int
) -> dict[str, dict[str, float]]:
    """Each view's question beside the same by hand, by turns on one connection; medians.

    Their rows must be equal.
    """
    figures: dict[str, dict[str, float]] = {}
    with store.reading() as connection:
        for name, (view, by_hand) in questions.items():
            rows = [sorted(connection.execute(sql).fetchall()) for sql in (view, by_hand)]
            if rows[0] != rows[1]:
                sys.exit(f"{name}: the view says {rows[0][:2]}, the query by hand {rows[1][:2]}.")
            pairs = [
                [
                    seconds(lambda sql=sql: connection.execute(sql).fetchall())
                    for sql in (view, by_hand)
                ]
                for _ in range(repeats)
            ]
            figures[name] = beside(
                *(statistics.median(times) for times in zip(*pairs, strict=True))
            )
            say(name, figures[name])
    return figures


def beside(ours: float, by_hand: float) -> dict[str, float]:
    """Both times and how many times the other's ours is."""
    return {"seconds": ours, "by_hand_seconds": by_hand, "times": ours / by_hand}


def say(name: str, figures: dict[str, float]) -> None:
    """One line for a person."""
    ours, by_hand, times = figures.values()
    print(f"  {name:36} {ours:7.3f} s, by hand {by_hand:7.3f} s: {times:.2f} times", flush=True)


def lineages(store: Store, paths: int) -> dict[str, dict[str, float]]:
    """The whole lineage of single paths: on an open connection, and from a fresh process's open."""
    with store.reading() as connection:
        numbers = ", ".join(f"({paths * n // 8 + 7})" for n in range(8))
        ids = [
            row[0]
            for row in connection.execute(
                f"SELECT md5('p' || n)::UUID FROM (VALUES {numbers}) AS t(n)"
            ).fetchall()
        ]
        tree_of(connection, ids[0], store.url)
        pairs = [
            (
                seconds(lambda one=one: tree_of(connection, one, store.url)),
                seconds(lambda one=one: by_hand(connection, one)),
            )
            for one in ids[1:]
        ]
    fresh = [[in_fresh_process(kind, store, id) for kind in ("ours", "by_hand")] for id in ids[:5]]
    figures = {
        "lineage of a path, open connection": beside(
            *map(statistics.median, zip(*pairs, strict=True))
        ),
        "lineage of a path, fresh process": beside(
            *map(statistics.median, zip(*fresh, strict=True))
        ),
    }
    for name, one in figures.items():
        say(name, one)
    return figures


def by_hand(connection: duckdb.DuckDBPyConnection, id: UUID) -> list[Any]:
    """The rows around a path, by hand."""
    [row] = connection.execute(PATH_BY_HAND, [id]).fetchall()
    known = dict(zip(("path", "draw", "structure", "adapted", "question"), row, strict=False))
    return [
        connection.execute(
            sql, {name: value for name, value in known.items() if f"${name}" in sql}
        ).fetchall()
        for sql in LINEAGE_BY_HAND
    ]


def in_fresh_process(kind: str, store: Store, id: UUID) -> float:
    """Seconds from opening the store to the last row, in a process that has only imported what it
    needs.
    """
    command = [
        sys.executable,
        __file__,
        "--lineage-of",
        str(id),
        "--of-store",
        store.url,
        "--way",
        kind,
    ]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def lineage_once(url: str, id: UUID, kind: str) -> float:
    """The same, in that process."""
    began = time.perf_counter()
    if kind == "ours":
        with open_store(url).reading() as connection:
            tree_of(connection, id, url)
    else:
        with duckdb.connect(url.removeprefix("duckdb:///"), read_only=True) as connection:
            by_hand(connection, id)
    return time.perf_counter() - began


def measure(folder: Path, paths: int) -> dict[str, Any]:
    """All of it; the long store comes last, so that the appends are measured on a cool machine."""
    print("appends in batches of 100,000")
    with tempfile.TemporaryDirectory(prefix="regenesis-appends-", dir=folder) as appends:
        figures = append_ratios(Path(appends), batches=4, repeats=5)
    print(
        f"  {figures['ratio']:.2f} of one bulk insert, {figures['ratio_with_ids']:.2f} with ids"
        " computed"
    )
    began = time.perf_counter()
    store = filled_store(folder, paths)
    assert isinstance(store, FileStore)
    figures |= {"store_paths": paths, "store_bytes": os.path.getsize(store.path)}
    figures |= {"store_made_in_seconds": round(time.perf_counter() - began, 1)}
    figures["lineages"] = lineages(store, paths)
    print("views, one round")
    figures["one_round"] = ask(store, ONE_ROUND, repeats=3)
    print("everything")
    figures["everything"] = ask(store, EVERYTHING, repeats=3)
    small = small_batches(store, paths, repeats=25)
    figures |= {
        "small_batch_ms": statistics.median(small),
        "small_batch_ms_goal": 60,
        "small_batch_ms_most": max(small),
    }
    print(f"batches of 1,000, open to close: {figures['small_batch_ms']:.0f} ms")
    figures["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="10,000,000 paths")
    parser.add_argument("--paths", type=int, default=0, help="another number of paths")
    parser.add_argument(
        "--folder",
        type=Path,
        default=None,
        help="keep the store here, or take the one that is there",
    )
    parser.add_argument(
        "--lineage-of", default="", help="used by the benchmark itself, with --of-store and --way"
    )
    parser.add_argument("--of-store", default="")
    parser.add_argument("--way", default="ours")
    arguments = parser.parse_args()
    if arguments.lineage_of:
        print(lineage_once(arguments.of_store, UUID(arguments.lineage_of), arguments.way))
        return
    paths = arguments.paths or (10_000_000 if arguments.full else 1_000_000)
    with tempfile.TemporaryDirectory(prefix="regenesis-storage-") as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        figures = measure(folder, paths)
    print(json.dumps({"name": "storage", "goal": 0.6, "load": os.getloadavg()[0]} | figures))


if __name__ == "__main__":
    main()
