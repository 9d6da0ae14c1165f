"""A synthesis killed at random moments.

Nothing acknowledged is lost, nothing doubled, the rest is generated once.
"""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path as File

from storage.open_store import Store, open_store
from storage.records import AdaptedGuideline, FailedRequest, Path, Structure, Verdict
from tests.fakes.synthesis_child import synthesize_all

QUESTIONS = 40
KINDS = (AdaptedGuideline, Structure, Path, Verdict, FailedRequest)


def texts(store: Store) -> dict[str, dict[object, str]]:
    """What is stored, by table and id; raises on a doubled id."""
    found: dict[str, dict[object, str]] = {}
    for kind in KINDS:
        rows = store.select(kind)
        found[kind.table] = {
            row.id: getattr(row, "text", getattr(row, "reason", "")) for row in rows
        }
        assert len(found[kind.table]) == len(rows), f"doubled ids in {kind.table}"
    return found


def start(url: str) -> "subprocess.Popen[str]":
    command = [
        sys.executable,
        "-W",
        "error",
        "-m",
        "tests.fakes.synthesis_child",
        url,
        str(QUESTIONS),
    ]
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=File(__file__).parents[2]
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "running\n"
    return child


def kill_and_resume(folder: File, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    undisturbed = f"duckdb:///{folder / 'undisturbed.duckdb'}"
    report, engine = synthesize_all(undisturbed, QUESTIONS, 0.0)
    expected = texts(open_store(undisturbed))
    url = f"duckdb:///{folder / 'killed.duckdb'}"
    before: dict[str, dict[object, str]] = {}
    for _ in range(kills):
        child = start(url)
        time.sleep(chance.uniform(0.0, 0.15))
        child.send_signal(signal.SIGKILL)
        child.communicate()
        now = texts(open_store(url))
        assert all(before[table].items() <= now[table].items() for table in before), (
            "an acknowledged row was lost"
        )
        assert len(now["paths"]) == len(now["verdicts"])
        before = now
    last, more = synthesize_all(url, QUESTIONS, 0.0)
    assert texts(open_store(url)) == expected
    assert last.fates == report.fates
    generated = sum(len(before.get(kind.table, {})) for kind in (AdaptedGuideline, Structure, Path))
    paid = len(more.asked)
    assert generated + paid <= len(engine.asked)
    assert last.reused.get("path", 0) == len(before.get("paths", {}))


def test_a_killed_synthesis_goes_on_where_it_was(tmp_path: File) -> None:
    kill_and_resume(tmp_path, kills=3, seed=1)


def test_sigterm_commits_what_arrived(tmp_path: File) -> None:
    url = f"duckdb:///{tmp_path / 'ended.duckdb'}"
    child = start(url)
    time.sleep(0.1)

    child.terminate()
    child.communicate(timeout=60)

    assert child.returncode == -signal.SIGTERM
    found = texts(open_store(url))
    assert found["adapted_guidelines"]
    assert len(found["paths"]) == len(found["verdicts"])
