"""What a person watches during a round: a live line per step in a terminal, else plain lines.

Written to standard error, so that `--json` leaves standard output clean. Decides nothing.
"""

import sys
import time
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from storage.sql.presenting import terminal_text

PLAIN_SECONDS = 15.0


class Watcher(Protocol):
    """Anything that is told how a round goes on."""

    def say(self, line: str) -> None:
        """One line worth reading."""
        ...

    def step(self, title: str) -> None:
        """A new step begins; the one before is done."""
        ...

    def update(
        self, done: int, total: int, note: str = "", seconds_left: float | None = None
    ) -> None:
        """How far the step is."""
        ...

    def close(self) -> None:
        """The round is over."""
        ...


class Quiet:
    """Shows nothing."""

    def say(self, line: str) -> None: ...

    def step(self, title: str) -> None: ...

    def update(
        self, done: int, total: int, note: str = "", seconds_left: float | None = None
    ) -> None: ...

    def close(self) -> None: ...


class PlainLines:
    """A line when a step begins and every quarter of a minute; for logs."""

    def __init__(self) -> None:
        self._title = ""
        self._shown_at = 0.0

    def say(self, line: str) -> None:
        print(terminal_text(line), file=sys.stderr, flush=True)

    def step(self, title: str) -> None:
        self._title = title
        self._shown_at = time.monotonic()
        self.say(f"{title} ...")

    def update(
        self, done: int, total: int, note: str = "", seconds_left: float | None = None
    ) -> None:
        if time.monotonic() - self._shown_at >= PLAIN_SECONDS:
            self._shown_at = time.monotonic()
            self.say(how_far(f"{self._title}: {done}/{total}", note, seconds_left))

    def close(self) -> None: ...


class LiveLines:
    """One live line per step, with a bar, figures and the time left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._step: TaskID | None = None
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            _Bar(bar_width=24),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            refresh_per_second=4,
        )
        self._progress.start()

    def say(self, line: str) -> None:
        self._progress.console.print(terminal_text(line), markup=False, highlight=False)

    def step(self, title: str) -> None:
        self._end_step()
        self._step = self._progress.add_task(terminal_text(title), total=None, note="")

    def update(
        self, done: int, total: int, note: str = "", seconds_left: float | None = None
    ) -> None:
        if self._step is not None:
            note = how_far(f"{done}/{total}", note, seconds_left)
            self._progress.update(self._step, completed=done, total=total, note=terminal_text(note))

    def close(self) -> None:
        self._end_step()
        self._progress.stop()

    def _end_step(self) -> None:
        if self._step is not None:
            task = self._progress.tasks[self._progress.task_ids.index(self._step)]
            total = task.total or 1
            self._progress.update(self._step, total=total, completed=total)
            self._progress.stop_task(self._step)
            self._step = None


class _Bar(BarColumn):
    """A bar that ends full and still."""

    def render(self, task: Task):  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().render(task) if not task.finished else Text("done".ljust(24), style="green")


def choose_watcher(*, quiet: bool = False) -> Watcher:
    """Live where standard error is a terminal, plain lines elsewhere."""
    if quiet:
        return Quiet()
    return LiveLines() if sys.stderr.isatty() else PlainLines()


def how_far(done: str, note: str, seconds_left: float | None) -> str:
    """What is done, the note and the time left, those that there are: `3/8 · 40 tokens/s · 1:05
    left`.
    """
    return " · ".join(part for part in (done, note, _left(seconds_left)) if part)


def _left(seconds: float | None) -> str:
    if seconds is None or seconds <= 0:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} left"
