"""kill -9 at random moments.

No committed row is lost, none doubled, nothing is left running, the round completes. Three kills
in `make test`, ten in `make soak`.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.care.check_and_gc import check_store
from storage.mlflow_tracking import Tracking
from storage.open_store import Store, open_store
from storage.records import Adapter, Answer, Model, Promotion, Round, Verdict
from storage.records import Path as RecordedPath
from tasks.promotion.promote import current_champion

SLOWLY = json.dumps({"delay": 0.02})


def start(home: Path, settings: Path) -> "subprocess.Popen[str]":
    from prefect.settings import PREFECT_API_URL

    environment = os.environ | {
        "REGENESIS_HOME": str(home),
        "SCRIPTED_MACHINERY": SLOWLY,
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
    }
    command = [
        sys.executable,
        "-m",
        "tests.fakes.scripted_machinery",
        "round",
        "--settings",
        str(settings),
    ]
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(process: "subprocess.Popen[str]") -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]
    return output


def rows_of(home: Path) -> set[tuple[str, object, str]]:
    file = home / "regenesis.duckdb"
    if not file.exists():
        return set()
    store = open_store(f"duckdb:///{file}")
    texts = {
        (row.table, row.id, row.text)
        for kind in (RecordedPath, Answer)
        for row in store.select(kind)
    }
    others = {
        (row.table, row.id, "")
        for kind in (Verdict, Adapter, Promotion)
        for row in store.select(kind)
    }
    return texts | others


def store_of(home: Path) -> Store:
    return open_store(f"duckdb:///{home / 'regenesis.duckdb'}")


def first_round_of(home: Path) -> tuple[list[str], set[tuple[object, str]]]:
    """Outcomes and answers of the first round.

    A kill that came too late is followed by another round.
    """
    store = store_of(home)
    first = store.select(Round, order_by="number")[0]
    outcomes = [promotion.outcome for promotion in store.select(Promotion, round_id=first.id)]
    return outcomes, {
        (row.question_id, row.text) for row in store.select(Answer, round_id=first.id)
    }


def store_and_registry_agree(home: Path) -> bool:
    """Whether MLflow's alias names the champion that the store names."""
    store = store_of(home)
    first = store.select(Round, order_by="number")[0]
    base = store.select(Model, id=first.base_model_id)[0]
    return Tracking(home).champion(first.line) == current_champion(store, base, first.line).id


def processes_of(home: Path) -> list[str]:
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(home).encode() in (entry / "environ").read_bytes() and entry.name != str(
                os.getpid()
            ):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.soak)])
def test_a_round_that_is_killed_again_and_again_completes_and_keeps_every_committed_row(
    tmp_path: Path, small: str, kills: int
) -> None:
    settings = tmp_path / "small.toml"
    settings.write_text(small, "utf-8")
    began = time.monotonic()
    finish(start(tmp_path / "measured", settings))
    whole = time.monotonic() - began
    home = tmp_path / "killed"
    moments = random.Random(20261123)
    seen: set[tuple[str, object, str]] = set()

    for _ in range(kills):
        process = start(home, settings)
        time.sleep(whole * moments.uniform(0.2, 0.95))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert seen <= rows_of(home)
        seen = rows_of(home)
    last = finish(start(home, settings))

    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    assert seen <= rows_of(home), last
    assert check_store(store, home) == []
    assert {record.status for record in store.select(Round)} == {"finished"}
    assert {promotion.state for promotion in store.select(Promotion)} == {"done"}
    assert store_and_registry_agree(home)
    assert first_round_of(home) == first_round_of(tmp_path / "measured")
    assert processes_of(home) == []
