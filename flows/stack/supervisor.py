"""Starts the programs of a stack in order, keeps them running, and ends them all.

A program that dies or stops answering is started again. One that does not come back makes a page of
its own: Prefect's automations may be what is down.
"""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flows.stack.logs import bound_logs
from flows.stack.plan import PAGE_URL, Stack
from flows.stack.service import RunningService, Service, last_line
from storage.environment import Environment, secret
from storage.errors import PermanentError

# a program that answers nothing for half a minute is started again, with growing pauses
LOOK_SECONDS, FAILED_LOOKS, LONGEST_PAUSE_SECONDS = 5.0, 6, 60.0
# one crash is repaired by a restart; nobody is woken before the third in a row
PAGE_AFTER_STARTS = 3

Say = Callable[[str], None]


@dataclass
class Watched:
    """A running service, and how it did at the last looks."""

    running: RunningService
    failed_looks: int = 0
    starts_in_a_row: int = 0
    started_at: float = 0.0


class Supervisor:
    """The programs of one stack."""

    def __init__(self, environment: Environment, stack: Stack, say: Say) -> None:
        self._environment = environment
        self._stack = stack
        self._say = say
        self._watched: list[Watched] = []

    def start(self, prefect_file: Path) -> None:
        """Start all of it in order; raises when a program does not come up."""
        self._start_all(self._stack.database())
        if self._stack.postgres:
            self._stack.postgres.make_database()
        self._start_all(self._stack.servers())
        self._say("Registering deployments and automations ...")
        self._run_beside("flows.stack.registration", str(prefect_file), must_work=True)
        self._start_all(self._stack.clients())

    def keep(self, ended: threading.Event) -> None:
        """Look after the programs until the event."""
        while not ended.wait(LOOK_SECONDS):
            for one in self._watched:
                self._look(one)
            bound_logs(self._environment.logs)

    def stop(self) -> None:
        """End the runs, then the programs, the last started first."""
        names = {one.running.service.name for one in self._watched if one.running.is_alive()}
        # only then can runs be cancelled by Prefect; otherwise they die with their programs and are
        # resumed
        if {"prefect", "worker"} <= names:
            self._run_beside("flows.stack.runs")
        # clients before servers, servers before the database: each ends while it can still say so
        for one in reversed(self._watched):
            one.running.stop()

    def _start_all(self, services: list[Service]) -> None:
        """At once, then wait for each."""
        for one in [self.watch(service) for service in services]:
            self._say(f"Starting {one.running.service.name} ...")
            one.running.await_well()

    def watch(self, service: Service) -> Watched:
        """Start a program and look after it from now on."""
        one = Watched(RunningService(service, self._environment.logs, self._scratch))
        self._watched.append(one)
        self._begin(one)
        return one

    def _begin(self, one: Watched) -> None:
        one.started_at = time.monotonic()
        one.running.start()

    def _look(self, one: Watched) -> None:
        alive = one.running.is_alive()
        if alive and one.running.service.is_well():
            one.failed_looks = one.starts_in_a_row = 0
            return
        one.failed_looks += 1
        since = time.monotonic() - one.started_at
        # a program that dies at once is started again after 1, 2, 4, ... seconds
        if not alive and since >= min(2.0**one.starts_in_a_row, LONGEST_PAUSE_SECONDS):
            self._start_again(one, "ended")
        elif (
            alive
            and one.failed_looks >= FAILED_LOOKS
            and since >= one.running.service.start_seconds
        ):
            self._start_again(one, "does not answer")

    def _start_again(self, one: Watched, why: str) -> None:
        name = one.running.service.name
        one.starts_in_a_row += 1
        one.failed_looks = 0
        words = (
            f"{name} {why} (last words: {last_line(one.running.log_file)!r}); it is started again."
        )
        self._say(words)
        if one.starts_in_a_row == PAGE_AFTER_STARTS:
            page(
                "service down",
                f"{words} It did not come back after {PAGE_AFTER_STARTS} starts.",
                self._environment,
            )
        one.running.stop()
        self._begin(one)

    def _run_beside(self, module: str, *arguments: str, must_work: bool = False) -> None:
        """Run a program of ours that speaks to Prefect.

        Importing Prefect here would keep its memory for weeks.
        """
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            env=os.environ | self._stack.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        with (self._environment.logs / "registration.log").open("a", encoding="utf-8") as log:
            log.write(done.stdout + done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        if done.returncode and must_work:
            raise PermanentError(
                f"{module} failed: {lines[-1] if lines else done.returncode}. All of it: "
                f"{self._environment.logs / 'registration.log'}"
            )
        for line in lines:
            self._say(line)

    @property
    def _scratch(self) -> Path:
        return self._environment.home / "stack" / "scratch"


def page(incident: str, cause: str, environment: Environment) -> None:
    """Send a page past Prefect; silent where no webhook is given or it does not answer."""
    url = secret(PAGE_URL)
    if not url:
        return
    link, command = (
        str(environment.logs),
        f"regenesis down --home {environment.home} && regenesis up",
    )
    fields = {
        "incident": incident,
        "cause": cause,
        "link": link,
        "continue": command,
        "runbook": f"docs/runbook.md#{incident.replace(' ', '-')}",
        "text": f"ReGenesis, {incident}: {cause} {link} To go on: {command}",
    }
    request = urllib.request.Request(
        url, json.dumps(fields).encode(), {"Content-Type": "application/json"}
    )
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except OSError as error:
        print(f"The page could not be sent: {type(error).__name__}", file=sys.stderr, flush=True)
