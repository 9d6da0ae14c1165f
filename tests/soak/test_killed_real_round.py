"""kill -9 of a round on the real engine at ten random moments.

No committed row lost or doubled, nothing left over.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.care.check_and_gc import check_store
from storage.open_store import open_store
from storage.records import Promotion, Round
from tests.conftest import shared_home
from tests.flows.test_killed_round import processes_of, rows_of, store_and_registry_agree

KILLS = 10
# A moment is so many steps and seconds after the start: seconds alone would fall into the engine's
# start nearly always.
STEPS, SECONDS = (3, 7), (0.0, 8.0)
LEFTOVER_SECONDS = 10.0
STEP = re.compile(rb"^(.+) \.\.\.$", re.MULTILINE)
SMALL = """
name = "killed"
[questions]
train_per_set = 8
gate_per_set = 16
final_per_set = 4
[training]
min_examples = 1
checkpoint_steps = 2
"""


def start(home: Path, settings: Path, log: Path) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"REGENESIS_HOME": str(home), "REGENESIS_CONFIG": str(settings)}
    environment.pop("PREFECT_API_URL", None)
    command = [str(Path(sys.executable).with_name("regenesis")), "round"]
    with log.open("wb") as stream:
        return subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)


def kill_within(process: "subprocess.Popen[bytes]", steps: int, seconds: float, log: Path) -> bool:
    """Kill it so many seconds after its n-th step began.

    False where it ended before, as a resumed round may.
    """
    while process.poll() is None and len(STEP.findall(log.read_bytes())) < steps:
        time.sleep(0.05)
    try:
        process.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True


def wait_until_nothing_is_left(home: Path) -> None:
    deadline = time.monotonic() + LEFTOVER_SECONDS
    while (left := processes_of(home)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert left == []


@pytest.mark.soak
def test_a_real_round_that_is_killed_ten_times_completes_and_keeps_every_committed_row(
    tmp_path: Path,
) -> None:
    home, settings = tmp_path / "home", tmp_path / "small.toml"
    settings.write_text(SMALL, "utf-8")
    shutil.copytree(shared_home() / "models", home / "models", copy_function=os.link)
    moments = random.Random(20261125)
    log = tmp_path / "round.log"
    seen: set[tuple[str, object, str]] = set()
    kills = 0

    while kills < KILLS:
        steps, seconds = moments.randint(*STEPS), moments.uniform(*SECONDS)
        process = start(home, settings, log)
        killed = kill_within(process, steps, seconds, log)
        assert killed or process.returncode == 0, log.read_text("utf-8")[-3000:]
        wait_until_nothing_is_left(home)
        rows = rows_of(home)
        assert seen <= rows
        kills, seen = kills + killed, rows
        last_step = STEP.findall(log.read_bytes())[-1].decode()
        print(
            f"{kills} kills, {last_step!r}, {seconds:.1f} s: {len(rows)} rows",
            file=sys.stderr,
            flush=True,
        )
    last = start(home, settings, log)
    assert last.wait(timeout=1800) == 0, log.read_text("utf-8")[-3000:]

    store = open_store(f"duckdb:///{home / 'regenesis.duckdb'}")
    assert seen <= rows_of(home)
    assert check_store(store, home) == []
    assert "running" not in {record.status for record in store.select(Round)}
    assert {promotion.state for promotion in store.select(Promotion)} == {"done"}
    assert store_and_registry_agree(home)
    wait_until_nothing_is_left(home)
