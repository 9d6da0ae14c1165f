# ruff: noqa: E501
"""Is the store as fast as bare DuckDB? Appends against one bulk insert, questions against hand-tuned SQL, side by side.

`.venv/bin/python benchmarks/storage.py` (which runs this file) works on 1,000,000 paths with their adapted guidelines, structures and verdicts;
`--full` on 10,000,000; `--paths N` on any number. The last line is JSON; its `ratio` is the appends'.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa

from storage.arrow import ArrowTable
from storage.ids import content_id
from storage.lineage import lineage_tree
from storage.repository import Store, open_store

BATCH = 100_000
CHAINS, GUIDELINES, ROUNDS = 8, 25, 10
BYTES_A_PATH = 2_000


class Rows:
    """Makes the rows of a store of `paths` paths as Arrow, the same ones every time."""

    def __init__(self, paths: int) -> None:
        self.paths = paths
        self._connection = duckdb.connect()
        self._connection.execute("SET threads = 2")
        self._connection.execute(
            "CREATE TABLE corpus AS SELECT string_agg(chr(97 + (hash(range) % 26)::INT) || CASE WHEN range % 6 = 0"
            " THEN ' ' ELSE '' END, '' ORDER BY range) AS words FROM range(400000)"
        )
        for name, kind in (("aid", "a"), ("sid", "s"), ("pid", "p"), ("vid", "v"), ("gid", "g"), ("qid", "q")):
            self._connection.execute(f"CREATE MACRO {name}(n) AS md5('{kind}' || n)::UUID")
        self._connection.execute(
            "CREATE MACRO said(n, k) AS substr(words, 1 + (hash(n) % 390000)::INT, k + (n % 60)::INT)"
        )

    def batches(self, first: int, last: int) -> Iterator[tuple[str, ArrowTable]]:
        """The four tables' rows of paths first..last."""
        common = (
            f"qid(n // {CHAINS}) AS question_id, gid(-1) AS model_id, gid(-2) AS prompt_id, '{{}}' AS sampling,"
            f" {self.draw('n')} AS draw, 0 AS sample, (n % 10 = 0) AS hinted, said(n * 7 + length, length) AS text,"
            " 'stop' AS finish_reason, 200 AS prompt_tokens, (length // 4) AS completion_tokens, (n % 1000000) AS seed,"
            f" 'http://127.0.0.1' AS endpoint, md5('r' || {self.draw('n')})::UUID AS round_id,"
            " TIMESTAMP '2026-01-01' + to_seconds(n) AS created_at"
        )
        span = f"(SELECT range AS n, {{}} AS length, words FROM range({first}, {last}), corpus)"
        guideline = f"gid(n % {GUIDELINES}) AS guideline_id"
        texts = {
            "adapted_guidelines": (120, f"aid(n) AS id, {guideline}"),
            "structures": (200, f"sid(n) AS id, {guideline}, aid(n) AS adapted_guideline_id"),
            "paths": (450, (f"pid(n) AS id, 'regenesis' AS strategy, {guideline}, aid(n) AS adapted_guideline_id,"
                      " sid(n) AS structure_id, false AS closed")),
        }  # fmt: skip
        for table, (length, own) in texts.items():
            yield table, self.arrow(f"SELECT {own}, {common} FROM {span.format(length)}")
        yield (
            "verdicts",
            self.arrow(
                f"SELECT vid(n) AS id, pid(n) AS path_id, {self.draw('n')} AS draw, 'reference' AS verifier,"
                " '1' AS verifier_version, CASE hash(n) % 5 WHEN 0 THEN 'correct' WHEN 1 THEN 'unjudged' ELSE 'wrong' END"
                " AS verdict, 'answer_differs' AS reason, '42' AS extracted, 'wrong' AS lenient_verdict,"
                " '42' AS lenient_extracted, NULL::VARCHAR AS rater, '{}' AS details,"
                f" TIMESTAMP '2026-01-01' + to_seconds(n) AS created_at FROM range({first}, {last}) AS t(n)"
            ),
        )

    def few(self) -> dict[str, ArrowTable]:
        """Guidelines, questions and rounds."""
        return {
            "guidelines": self.arrow(
                f"SELECT gid(n) AS id, 'guideline ' || n AS name, n AS position, 'advice' AS text, true AS in_hinted_retry"
                f" FROM range({GUIDELINES}) AS t(n)"
            ),
            "questions": self.arrow(
                "SELECT qid(n) AS id, gid(-3) AS question_set_id, n::VARCHAR AS source_row_id, 'train' AS part,"
                f" {self.draw(f'n * {CHAINS}')} AS draw, 'What is ' || n || ' + 1?' AS text, []::VARCHAR[] AS choices,"
                " '42' AS answer, 'number' AS answer_kind, '{}' AS extra, TIMESTAMP '2026-01-01' AS created_at"
                f" FROM range({self.paths // CHAINS + 1}) AS t(n)"
            ),
            "rounds": self.arrow(
                "SELECT md5('r' || n)::UUID AS id, n AS number, 'line' AS line, gid(-1) AS base_model_id,"
                " gid(-1) AS champion_model_id, 1 AS seed, 'finished' AS status, 'refused' AS outcome, '' AS reason,"
                " '{}' AS settings, '{}' AS timings, TIMESTAMP '2026-01-01' AS started_at,"
                f" TIMESTAMP '2026-01-02' AS finished_at FROM range(1, {ROUNDS + 1}) AS t(n)"
            ),
        }

    def draw(self, number: str) -> str:
        """SQL for the draw of a path's number."""
        return f"least({ROUNDS}, ({number}) * {ROUNDS} // {self.paths} + 1)"

    def arrow(self, sql: str) -> ArrowTable:
        """Ids stay UUIDs."""
        self._connection.execute("SET arrow_lossless_conversion = true")
        return self._connection.execute(sql).to_arrow_table()

    def id(self, kind: str, number: int) -> UUID:
        """The id of a row."""
        row = self._connection.execute(f"SELECT md5('{kind}{number}')::UUID").fetchone()
        assert row is not None
        return row[0]


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def append_ratios(folder: Path, rows: int, repeats: int) -> dict[str, Any]:
    """Rows per second of the store's appends in batches of 100,000 against one bulk insert of the same Arrow rows."""
    source = Rows(rows * 2)
    batches = [dict(source.batches(n, n + BATCH))["paths"] for n in range(0, rows, BATCH)]
    whole = pa.concat_tables(batches)
    bulk: list[float] = []
    through: list[float] = []
    with_ids: list[float] = []
    for turn in range(repeats):
        bulk.append(seconds(lambda turn=turn: bulk_insert(folder / f"bulk{turn}.duckdb", whole)))
        store = open_store(f"duckdb:///{folder / f'store{turn}.duckdb'}")
        through.append(seconds(lambda store=store: [store.append_tables({"paths": batch}) for batch in batches]))
        hashing = seconds(lambda: [content_id("paths", "a" * 32, "b" * 32, "{}", 1, n) for n in range(BATCH)])
        with_ids.append(through[-1] + hashing * rows / BATCH)
        for file in folder.glob(f"*{turn}.duckdb*"):
            file.unlink()
    pairs = zip(bulk, through, strict=True)
    ratios = [one / other for one, other in pairs]
    return {
        "ratio": statistics.median(ratios),
        "spread": [min(ratios), max(ratios)],
        "ratio_with_ids": statistics.median(b / t for b, t in zip(bulk, with_ids, strict=True)),
        "bulk_seconds": bulk,
        "append_seconds": through,
        "append_rows": rows,
    }


def bulk_insert(path: Path, rows: ArrowTable) -> None:
    """DuckDB alone: open, one insert into a plain table, close."""
    with duckdb.connect(path) as connection:
        connection.register("rows", rows)
        connection.execute("CREATE TABLE plain AS SELECT * FROM rows LIMIT 0")
        connection.execute("INSERT INTO plain SELECT * FROM rows")


def fill(store: Store, source: Rows) -> float:
    """Everything into the store, 100,000 paths at a time."""
    began = time.perf_counter()
    store.append_tables(source.few())
    for first in range(0, source.paths, BATCH):
        for table, rows in source.batches(first, min(first + BATCH, source.paths)):
            store.append_tables({table: rows})
        print(f"  {min(first + BATCH, source.paths):>10,} paths, {time.perf_counter() - began:6.1f} s", flush=True)
    return time.perf_counter() - began


def small_batches(store: Store, source: Rows, repeats: int) -> list[float]:
    """Milliseconds of appending 1,000 paths, from opening the file to closing it."""
    times: list[float] = []
    for turn in range(repeats):
        first = source.paths + turn * 1_000
        rows = dict(source.batches(first, first + 1_000))["paths"]
        times.append(1_000 * seconds(lambda rows=rows: store.append_tables({"paths": rows})))
    return times


# By hand too, of a path judged twice the newest verdict counts.
NEWEST = "(SELECT path_id, arg_max(verdict, created_at) AS verdict FROM verdicts WHERE draw = 3 GROUP BY path_id)"
QUESTIONS: dict[str, tuple[str, str]] = {
    "lineage, one round": (
        "SELECT count(*), sum(chain_tokens), count(verdict) FROM lineage WHERE draw = 3",
        (
            "SELECT count(*), sum(p.completion_tokens + s.completion_tokens + a.completion_tokens), count(v.verdict) FROM paths p"
            " JOIN structures s ON s.id = p.structure_id AND s.draw = 3"
            " JOIN adapted_guidelines a ON a.id = p.adapted_guideline_id AND a.draw = 3"
            f" JOIN {NEWEST} v ON v.path_id = p.id WHERE p.draw = 3"
        ),
    ),
    "accepted_paths, one round": (
        "SELECT question_set, guideline, count(*) FROM accepted_paths WHERE draw = 3 GROUP BY ALL",
        (
            f"SELECT g.name, count(*) FROM paths p JOIN {NEWEST} v ON v.path_id = p.id AND v.verdict = 'correct'"
            " JOIN guidelines g ON g.id = p.guideline_id WHERE p.draw = 3 GROUP BY ALL"
        ),
    ),
    "question_history, one round": (
        "SELECT count(*), sum(correct_paths) FROM question_history WHERE draw = 3",
        (
            "SELECT count(*), sum(c) FROM (SELECT p.question_id, count(*) FILTER (v.verdict = 'correct' AND NOT hinted) AS c"
            f" FROM paths p JOIN {NEWEST} v ON v.path_id = p.id WHERE p.draw = 3 GROUP BY 1)"
        ),
    ),
    "guideline_history, one round": (
        "SELECT * FROM guideline_history WHERE draw = 3",
        (
            "SELECT guideline_id, sum(a), sum(c), count(*), count(*) FILTER (c > 0), count(*) FILTER (c > 0 AND n = 1), sum(t)"
            " FROM (SELECT *, count(*) FILTER (c > 0) OVER (PARTITION BY question_id) AS n FROM (SELECT p.guideline_id,"
            " p.question_id, count(*) FILTER (NOT hinted) AS a, count(*) FILTER (NOT hinted AND v.verdict = 'correct') AS c,"
            f" sum(completion_tokens) AS t FROM paths p JOIN {NEWEST} v ON v.path_id = p.id WHERE p.draw = 3"
            " GROUP BY ALL)) GROUP BY 1"
        ),
    ),
    "guideline_leaderboard, all": (
        "SELECT * FROM guideline_leaderboard",
        (
            "SELECT guideline_id, sum(a), sum(c), count(*), count(*) FILTER (c > 0), count(*) FILTER (c > 0 AND n = 1), sum(t)"
            " FROM (SELECT *, count(*) FILTER (c > 0) OVER (PARTITION BY draw, question_id) AS n FROM (SELECT p.guideline_id,"
            " p.draw, p.question_id, count(*) FILTER (NOT hinted) AS a, count(*) FILTER (NOT hinted AND v.verdict = 'correct')"
            " AS c, sum(completion_tokens) AS t FROM paths p JOIN (SELECT path_id, draw, arg_max(verdict, created_at) AS verdict FROM verdicts GROUP BY ALL) v"
            " ON v.path_id = p.id AND v.draw = p.draw"
            " GROUP BY ALL)) GROUP BY 1"
        ),
    ),
}


def ask(store: Store, repeats: int) -> dict[str, dict[str, float]]:
    """Each question of a view beside the hand-tuned one, by turns on one connection; medians."""
    figures: dict[str, dict[str, float]] = {}
    with store.reading() as connection:
        for name, (view, by_hand) in QUESTIONS.items():
            pairs = [
                (seconds(lambda sql=view: connection.execute(sql).fetchall()),
                 seconds(lambda sql=by_hand: connection.execute(sql).fetchall()))
                for _ in range(repeats)
            ]  # fmt: skip
            ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
            figures[name] = {"view_seconds": ours, "by_hand_seconds": theirs, "times": ours / theirs}
            print(f"  {name:32} {ours:6.2f} s, by hand {theirs:6.2f} s: {ours / theirs:.2f} times", flush=True)
    return figures


def lineages(store: Store, source: Rows) -> dict[str, float]:
    """Seconds of one path's whole lineage: in this process, and in a fresh one with its start."""
    ids = [source.id("p", number) for number in range(7, source.paths, source.paths // 7)]
    here = statistics.median(seconds(lambda one=one: lineage_tree(store, one)) for one in ids)
    code = f"from storage.repository import open_store as o;from storage.lineage import lineage_tree as t;t(o({store.url!r}),__import__('uuid').UUID({str(ids[0])!r}))"
    fresh = statistics.median(
        seconds(lambda: subprocess.run([sys.executable, "-c", code], check=True)) for _ in range(3)
    )
    return {"lineage_seconds": here, "lineage_fresh_process_seconds": fresh}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="10,000,000 paths")
    parser.add_argument("--paths", type=int, default=0, help="another number of paths")
    arguments = parser.parse_args()
    paths = arguments.paths or (10_000_000 if arguments.full else 1_000_000)
    folder = Path(tempfile.mkdtemp(prefix="regenesis-storage-"))
    try:
        free = shutil.disk_usage(folder).free
        if free < paths * BYTES_A_PATH * 1.5:
            sys.exit(
                f"{paths:,} paths take about {paths * BYTES_A_PATH / 1e9:.0f} GB; only {free / 1e9:.0f} GB are free."
            )
        print("appends")
        figures: dict[str, Any] = append_ratios(folder, min(paths, 400_000), repeats=3)
        print(f"filling with {paths:,} paths, their adapted guidelines, structures and verdicts")
        store = open_store(f"duckdb:///{folder / 'regenesis.duckdb'}")
        source = Rows(paths)
        figures["fill_seconds"] = fill(store, source)
        figures["bytes"] = os.path.getsize(store.path)
        small = small_batches(store, source, repeats=25)
        figures |= {"small_batch_ms": statistics.median(small), "small_batch_ms_goal": 60}
        figures |= lineages(store, source)
        print("questions")
        figures["questions"] = ask(store, repeats=3)
        figures["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(json.dumps({"name": "storage", "goal": 0.6, "paths": paths, "load": os.getloadavg()[0]} | figures))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
