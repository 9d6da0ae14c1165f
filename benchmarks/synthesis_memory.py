"""Many questions, one chain each, through the whole synthesize step on a scripted engine, in
process.

Shows chains a second of scheduling, judging and storing, and that memory stays flat. `--full`:
1,000,000.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path as File
from uuid import UUID

from storage.ids import content_id
from storage.open_store import Store, open_store
from storage.records import Model, Path, Question, Verdict
from tasks.asking import Asking
from tasks.engines.engine import Completion
from tasks.guidelines import builtin_guidelines
from tasks.prompt_files import load_prompts
from tasks.rules.ladder.prompts import Turns
from tasks.settings import Sampling, load_settings
from tasks.synthesis.synthesize_paths import SynthesisProgress, synthesize_paths
from tasks.verification.verify_paths import Judge

GOAL_CHAINS_PER_SECOND = 2000.0
GOAL_MEMORY_MIB = 1024
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = Model(
    id=UUID(int=1),
    name="scripted",
    base_model_id=UUID(int=1),
    adapter_id=None,
    revision="",
    chat_template_hash="",
)
TEXT = (
    "First I add the two numbers that the question names, one digit at a time, and carry what is"
    " left over. Then I check the sum by taking one of the numbers away again. The answer is"
    " {number}."
)


class PlainRenderer:
    """Stands for a tokenizer: as many ids as the prompt has words."""

    def prompt_ids(self, turns: Turns) -> list[int]:
        """One id a word."""
        return [0] * (len(turns.user) // 5)


class InstantEngine:
    """Answers at once."""

    async def complete(
        self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, *, cached: bool = True
    ) -> Completion:
        """A right or a wrong path, by seed."""
        return Completion(TEXT.format(number=seed % 2), "stop", len(prompt_ids), 60, "scripted", 1)


def questions(count: int) -> Iterator[Question]:
    """Questions made one by one."""
    for number in range(count):
        text = f"What is the last binary digit of {number}? Say only what you can prove."
        yield Question(
            id=content_id("questions", text),
            question_set_id=UUID(int=1),
            source_row_id=str(number),
            part="train",
            draw=1,
            text=text,
            choices=[],
            answer=str(number % 2),
            answer_kind="number",
            extra="{}",
            created_at=NOW,
        )


def resident_mib() -> float:
    """Resident memory now."""
    pages = int(File("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Run, check the counts, print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="1,000,000 questions")
    parser.add_argument("--questions", type=int, default=0, help="another size")
    arguments = parser.parse_args()
    count = arguments.questions or (1_000_000 if arguments.full else 200_000)
    settings = load_settings(
        overrides={
            "synthesis": {
                "chains_per_question": 1,
                "hinted_retry": False,
                "commit_rows": 16_384,
                "window_chains": 512,
            }
        }
    )
    memory: list[float] = []
    rates: list[float] = []
    last = [0.0, 0.0]

    def note(progress: SynthesisProgress) -> None:
        memory.append(resident_mib())
        if progress.seconds - last[0] >= 5:
            rates.append((progress.paths - last[1]) / (progress.seconds - last[0]))
            last[:] = [progress.seconds, progress.paths]
            print(
                f"{progress.paths:>9} paths  {rates[-1]:7.0f} chains/s  {memory[-1]:6.0f} MiB",
                flush=True,
            )

    with tempfile.TemporaryDirectory() as folder, Judge() as judge:
        store = open_store(f"duckdb:///{folder}/regenesis.duckdb", keep_log=True)
        began, cpu = time.perf_counter(), time.process_time()
        report = synthesize_paths(
            Asking(
                store,
                InstantEngine(),
                PlainRenderer(),
                judge,
                model=MODEL,
                prompts=load_prompts(),
                settings=settings,
                draw=1,
            ),
            questions(count),
            builtin_guidelines(),
            on_progress=note,
        )
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        stored = {kind.table: rows_of(store, kind.table) for kind in (Path, Verdict)}
    assert stored == {"paths": count, "verdicts": count}, stored
    assert report.fates["accepted"] + report.fates["wrong"] == count
    rate = count / seconds
    half = memory[len(memory) // 2 :]
    print(
        json.dumps(
            {
                "name": "synthesis_memory",
                "ratio": round(rate / GOAL_CHAINS_PER_SECOND, 3),
                "goal": 1.0,
                "spread": (
                    round(statistics.pstdev(rates) / statistics.mean(rates), 3)
                    if len(rates) > 1
                    else 0.0
                ),
                "chains_per_second": round(rate),
                "goal_chains_per_second": GOAL_CHAINS_PER_SECOND,
                "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "goal_memory_mib": GOAL_MEMORY_MIB,
                "memory_growth_second_half_mib": round(half[-1] - half[0]) if half else 0,
                "cpu_ms_per_chain": round(cpu / count * 1000, 3),
                "seconds": round(seconds, 1),
                "size": {
                    "questions": count,
                    "requests": sum(report.generated.values()),
                    "rows": report.rows,
                },
            }
        )
    )


def rows_of(store: Store, table: str) -> int:
    """Rows with different ids."""
    return int(store.query(f"SELECT count(DISTINCT id) AS n FROM {table}").to_pylist()[0]["n"])


if __name__ == "__main__":
    main()
