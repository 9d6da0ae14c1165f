"""Trains, evaluates and promotes in copies of a prepared home, and is killed at a chosen moment of
each copy.

Run as a program: FOLDER SETTINGS SEED KILLS. A moment is just before or after a commit to the store
or a change of MLflow's runs, models and aliases. Prints what it did as JSON. Forks, so that the
imports are paid for once; the parent opens nothing.
"""

import functools
import json
import os
import random
import shutil
import signal
import sys
import threading
from collections.abc import Callable
from inspect import unwrap
from pathlib import Path
from typing import Any

from flows.steps import facts, workplace
from flows.steps import round_steps as steps
from flows.steps.edges import use_edges
from flows.steps.progress import Quiet
from storage.file.file_store import FileStore
from storage.mlflow_tracking import Tracking
from tasks.reports.round_report import draw_report, write_report
from tasks.rounds.round_row import finish_round
from tasks.settings import load_settings
from tests.fakes.scripted_machinery import ScriptedMachinery

CHANGES = (
    (FileStore, "append_tables"),
    (FileStore, "update"),
    (Tracking, "log_training"),
    (Tracking, "register_model"),
    (Tracking, "move_champion"),
)


class Moments:
    """Counts the moments of a run, and kills this process at the fatal one."""

    def __init__(self, fatal: int) -> None:
        self.seen = 0
        self._fatal = fatal
        self._lock = threading.Lock()

    def pass_by(self) -> None:
        with self._lock:
            self.seen += 1
            if self.seen == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self, owner: type, name: str) -> None:
        changes: Callable[..., Any] = getattr(owner, name)

        @functools.wraps(changes)
        def watched(*arguments: Any, **options: Any) -> Any:
            self.pass_by()
            result = changes(*arguments, **options)
            self.pass_by()
            return result

        setattr(owner, name, watched)


def prepare(settings: str) -> None:
    """A round up to its training set."""
    with workplace.open_workplace(load_settings(toml_text=settings)) as work:
        unwrap(steps.begin_round)(work)
        unwrap(steps.ingest_questions)(work)
        unwrap(steps.synthesize_paths)(work)
        unwrap(steps.audit_verdicts)(work)
        unwrap(steps.select_examples)(work)


def finish(settings: str) -> None:
    """The rest of it; like every run, it goes on with what the store lacks."""
    with workplace.open_workplace(load_settings(toml_text=settings)) as work:
        unwrap(steps.begin_round)(work)
        unwrap(steps.train_adapter)(work)
        for role in facts.roles_of(work):
            unwrap(steps.evaluate)(work, role)
        unwrap(steps.promote)(work)
        write_report(draw_report(work.store, work.round), work.round, work.environment.reports)
        finish_round(work.store, work.round)


def in_a_child(home: Path, act: Callable[[str], None], settings: str, fatal: int = 0) -> int:
    """Run it there; returns how many moments it passed, or -9 where it was killed."""
    counted = home.with_suffix(".moments")
    child = os.fork()
    if child == 0:
        os.environ["REGENESIS_HOME"] = str(home)
        moments = Moments(fatal)
        for owner, name in CHANGES:
            moments.watch(owner, name)
        try:
            with use_edges(ScriptedMachinery(), Quiet()):
                act(settings)
            counted.write_text(str(moments.seen), "ascii")
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return -os.WTERMSIG(status)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"The run in {home.name} failed.")
    return int(counted.read_text("ascii"))


def main(folder: Path, settings: str, seed: int, kills: int) -> None:
    prepared, undisturbed = folder / "prepared", folder / "undisturbed"
    in_a_child(prepared, prepare, settings)
    shutil.copytree(prepared, undisturbed)
    last = in_a_child(undisturbed, finish, settings)
    moments = random.Random(seed).sample(range(1, last + 1), kills)
    for number, moment in enumerate(moments):
        home = shutil.copytree(prepared, folder / f"killed-{number}")
        assert in_a_child(home, finish, settings, moment) == -signal.SIGKILL
        in_a_child(home, finish, settings)
    print(json.dumps({"moments": moments, "of": last}))


if __name__ == "__main__":
    main(
        Path(sys.argv[1]), Path(sys.argv[2]).read_text("utf-8"), int(sys.argv[3]), int(sys.argv[4])
    )
