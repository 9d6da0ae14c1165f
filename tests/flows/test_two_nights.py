"""Two nightly rounds on different question sets at once.

Two processes on one store, as Prefect's workers run them.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from storage.care.check_and_gc import check_store
from storage.open_store import open_store
from storage.records import Path as RecordedPath
from storage.records import Promotion, Question, Round

NIGHTS = {"sums": "chain_sum", "divisors": "gcd"}
_NIGHT = """
import json, sys
from flows.improve import improve
from flows.steps.edges import use_edges
from flows.steps.progress import Quiet
from tests.fakes.scripted_machinery import ScriptedMachinery

name, question_set, settings = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
with use_edges(ScriptedMachinery(delay=0.01), Quiet()):
    print(improve(name=name, question_sets=[question_set], settings_toml=settings).outcome)
"""


@pytest.mark.slow
def test_two_nightly_rounds_on_different_sets_at_once_are_both_completed(
    home: Path, small: str
) -> None:
    # enough to train on whichever night begins first: the round's number decides what is drawn
    enough = small.replace("train_per_set = 4", "train_per_set = 12")
    nights = [night(name, question_set, enough) for name, question_set in NIGHTS.items()]
    for process in nights:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in nights:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=240) for process in nights]

    assert [process.returncode for process in nights] == [0, 0], json.dumps(ends)[-3000:]
    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    rounds = store.select(Round, order_by="number")
    assert [(one.number, one.status) for one in rounds] == [(1, "finished"), (2, "finished")]
    assert {one.line for one in rounds} == {f"scripted/{name}" for name in NIGHTS}
    assert {one.state for one in store.select(Promotion)} == {"done"}
    assert check_store(store, home) == []
    asked = {one.id: one.draw for one in store.select(Question, part="train")}
    assert all(asked[path.question_id] == path.draw for path in store.select(RecordedPath))
    assert (home / "reader.duckdb").exists()


def night(name: str, question_set: str, settings: str) -> "subprocess.Popen[str]":
    """A round in a process of its own that begins when it is told to."""
    from prefect.settings import PREFECT_API_URL

    environment = os.environ | {
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
    }
    return subprocess.Popen(
        [sys.executable, "-c", _NIGHT, name, question_set, settings],
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
