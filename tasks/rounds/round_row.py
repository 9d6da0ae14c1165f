"""The books of a round: its number, its row, what is unfinished, and where its time went.

A round is resumed with the settings it began with. Everything else a resume needs is asked of the
store.
"""

import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from storage.errors import InputError
from storage.ids import content_id
from storage.open_store import Store
from storage.records import Comparison, Model, Promotion, Round
from tasks.settings import Settings, SynthesisSettings

PHASES = (
    "start",
    "synthesis",
    "verification",
    "training",
    "evaluation",
    "storage",
    "orchestration",
    "idle",
)


@dataclass
class Timings:
    """Seconds by phase, and other figures of a round.

    One phase runs at a time; an inner one pauses the outer.
    """

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    figures: dict[str, Any] = field(default_factory=dict[str, Any])
    _running: list[str] = field(default_factory=list[str])
    _since: float = field(default_factory=time.monotonic)

    @contextmanager
    def phase(self, name: str) -> Generator[None]:
        """What runs inside counts as `name`; what runs in no phase counts as orchestration."""
        self._settle()
        self._running.append(name)
        try:
            yield
        finally:
            self._settle()
            self._running.pop()

    def move(self, seconds: float, source: str, target: str) -> None:
        """Seconds that were measured inside `source` and belong to `target`."""
        # a measurement from another clock may be a little longer than what it lies in
        moved = min(max(seconds, 0.0), self.seconds.get(source, 0.0))
        self.seconds[source] = self.seconds.get(source, 0.0) - moved
        self.seconds[target] = self.seconds.get(target, 0.0) + moved

    def add(self, **figures: float) -> None:
        """Add to the round's other figures, such as tokens or engine starts."""
        for name, value in figures.items():
            self.figures[name] = self.figures.get(name, 0.0) + value

    def as_json(self) -> str:
        """What the round's row keeps."""
        self._settle()
        seconds = {name: round(self.seconds.get(name, 0.0), 3) for name in PHASES}
        total = round(sum(seconds.values()), 3)
        return json.dumps(
            {"seconds": seconds, "total_seconds": total, **self.figures}, sort_keys=True
        )

    @classmethod
    def of(cls, record: Round | Comparison) -> "Timings":
        """The timings so far of a round, or a comparison, that is resumed."""
        stored = json.loads(record.timings or "{}")
        figures = {
            name: value
            for name, value in stored.items()
            if name not in ("seconds", "total_seconds")
        }
        return cls(dict(stored.get("seconds", {})), figures)

    def _settle(self) -> None:
        now = time.monotonic()
        name = self._running[-1] if self._running else "orchestration"
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now


def line_of(base: Model, settings: Settings) -> str:
    """Which line of rounds: base model and task set."""
    return f"{base.name}/{settings.name}"


def unfinished_round(store: Store, line: str) -> Round | None:
    """The round of this line that has not ended; None when all have."""
    running = store.select(Round, line=line, status="running", order_by="number")
    return running[-1] if running else None


def latest_round(store: Store, line: str) -> Round | None:
    """The newest round of this line, whatever its status."""
    rounds = store.select(Round, line=line, order_by="number")
    return rounds[-1] if rounds else None


def next_number(store: Store) -> int:
    """After every round in the store, whatever its line."""
    # across lines, because the number is the draw: two lines must not share texts by chance
    return max((known.number for known in store.select(Round)), default=0) + 1


def start_round(store: Store, settings: Settings, base: Model, champion: Model) -> Round:
    """A new row, numbered after every round in the store.

    Or the one that another machine just began on this line.
    """

    def numbered(number: int) -> Round:
        return Round(
            id=content_id("rounds", base.id, settings.name, number),
            number=number,
            line=line_of(base, settings),
            base_model_id=base.id,
            champion_model_id=champion.id,
            seed=settings.seed,
            status="running",
            outcome="",
            reason="",
            settings=settings.model_dump_json(),
            timings="{}",
            started_at=datetime.now(UTC),
            finished_at=None,
        )

    return store.append_next(
        numbered, "number", {"line": line_of(base, settings), "status": "running"}
    )


def settings_of(record: Round) -> Settings:
    """The settings a round began with."""
    return Settings.model_validate_json(record.settings)


def change_synthesis(store: Store, record: Round, synthesis: SynthesisSettings) -> Round:
    """Change the round's synthesis settings; questions, model, seed and all else stay."""
    changed = replace(record, settings=with_synthesis(record, synthesis).model_dump_json())
    store.update(changed)
    return changed


def with_synthesis(record: Round, synthesis: SynthesisSettings) -> Settings:
    """The settings a round began with, except those of synthesis."""
    return settings_of(record).model_copy(update={"synthesis": synthesis})


def save_timings(store: Store, record: Round, timings: Timings) -> Round:
    """The round's row with its time so far."""
    changed = replace(record, timings=timings.as_json())
    store.update(changed)
    return changed


def decide_round(store: Store, record: Round, outcome: str, timings: Timings) -> Round:
    """The gate has decided; the report is still to be written, so the round is still running."""
    changed = replace(
        record, outcome=outcome, timings=timings.as_json(), finished_at=datetime.now(UTC)
    )
    store.update(changed)
    return changed


def stop_round(store: Store, record: Round, timings: Timings) -> Round:
    """Note that a run ended at its window or budget; the round runs on with the next run."""
    changed = replace(record, outcome="budget_spent", timings=timings.as_json())
    store.update(changed)
    return changed


def finish_round(store: Store, record: Round) -> Round:
    """The round is over: decided and reported."""
    changed = replace(record, status="finished")
    store.update(changed)
    return changed


def fail_round(store: Store, record: Round, reason: str, timings: Timings) -> Round:
    """No retry can finish the round; mark it so that the next run begins another."""
    changed = replace(
        record,
        status="failed",
        reason=reason,
        timings=timings.as_json(),
        finished_at=datetime.now(UTC),
    )
    store.update(changed)
    return changed


def abandon_round(store: Store, record: Round, reason: str) -> Round:
    """The round will not be resumed; what it generated stays."""
    changed = replace(record, status="abandoned", reason=reason, finished_at=datetime.now(UTC))
    store.update(changed)
    return changed


def promotion_of(store: Store, record: Round) -> Promotion | None:
    """The gate's decision on a round; None when it has not decided."""
    decided = store.select(Promotion, round_id=record.id, decided_by="gate")
    return decided[-1] if decided else None


def find_round(store: Store, number: int, line: str) -> Round:
    """The round of this number, or for 0 the newest of the line.

    Raises InputError where there is none, or where it is of another line.
    """
    found = (
        latest_round(store, line)
        if number == 0
        else next(iter(store.select(Round, number=number)), None)
    )
    if found is None:
        wanted = f"round {number}" if number else f"a round of {line!r}"
        raise InputError(f"The store has no {wanted}. Run: regenesis round")
    if found.line != line:
        raise InputError(
            f"Round {number} should be of the line {line!r}; it is of {found.line!r}. Give the"
            " --name and --model that it had."
        )
    return found
