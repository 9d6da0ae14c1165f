"""What every step of a flow needs: settings, store, model, server, and the watcher.

A flow opens it once. It starts a server when a step first asks a model, and changes the server's
weights when a step asks another model.
"""

import os
import re
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flows.steps.artifacts import ProgressInPrefect, training_progress
from flows.steps.edges import edges_at_work
from flows.steps.machinery import Machinery, ServedModel
from flows.steps.progress import Watcher
from storage.environment import Environment, make_home, read_environment
from storage.errors import PermanentError, Stopped, StoreBusy, TransientError
from storage.locks import owned
from storage.mlflow_tracking import Tracking
from storage.open_store import Store, open_store, store_exists
from storage.records import (
    Adapter,
    Comparison,
    Domain,
    Model,
    Part,
    Prompt,
    Question,
    QuestionSet,
    Round,
)
from tasks.asking import Asking
from tasks.budget import LimitedEngine, Limits, Spending
from tasks.engines.engine import EngineDown, RendersExamples, RequestFailed
from tasks.guidelines import chosen_guidelines
from tasks.ingestion.ingest_questions import questions_of, set_named
from tasks.prompt_files import prompts_of
from tasks.room import check_room, full_disk, is_full_disk
from tasks.rounds.round_row import (
    Timings,
    fail_round,
    line_of,
    save_timings,
    settings_of,
    stop_round,
)
from tasks.settings import Settings
from tasks.training.train_adapter import Training, train_adapter
from tasks.verification.verify_paths import Judge

if TYPE_CHECKING:
    from storage.records import Guideline
    from tasks.engines.engine import Engine
    from tasks.engines.models.base_models import PreparedModel

T = TypeVar("T")


class Workplace:
    """What the steps of one run share.

    No dataclass, for Prefect would walk through one that is passed to a task.
    """

    def __init__(
        self,
        environment: Environment,
        settings: Settings,
        machinery: Machinery,
        watcher: Watcher,
        limits: Limits | None = None,
    ) -> None:
        self.spending = Spending(limits, settings.synthesis)
        self.stopped: Stopped | None = None  # by a limit of the run
        self.environment = environment
        self.settings = settings
        # this run's: a round goes on with its own settings, on a machine with more room
        self._room = settings.room
        self.watcher = watcher
        self.machinery = machinery
        self.timings = Timings()
        self.store: Store = open_store(
            environment.store_url,
            busy_seconds=settings.room.store_wait_seconds,
            keep_log=True,
            say=watcher.say,
        )
        self.base: PreparedModel = self.machinery.prepare(settings.model, environment)
        self._round: Round | None = None
        self._questions: dict[Part, list[Question]] = {}
        self.comparison: Comparison | None = None
        """The comparison at work, where no round is."""
        self._served: ServedModel | None = None
        self._leases = ExitStack()

    @property
    def line(self) -> str:
        """The line of rounds that this base model and task set make."""
        return line_of(self.base.record, self.settings)

    @property
    def round(self) -> Round:
        """The round at work; raises where none was begun."""
        if self._round is None:
            raise PermanentError(
                "A round must be begun before its steps; found none. Call begin_round first."
            )
        return self._round

    @round.setter
    def round(self, record: Round) -> None:
        self._round = record
        self._questions = {}

    @cached_property
    def prompts(self) -> dict[str, Prompt]:
        """The prompt templates that the settings name."""
        return prompts_of(self.settings)

    @cached_property
    def guidelines(self) -> "list[Guideline]":
        """The heads of the round's chains."""
        return chosen_guidelines(self.settings.synthesis.guidelines)

    @cached_property
    def renderer(self) -> RendersExamples:
        """The one function from turns to token ids."""
        return self.machinery.renderer(self.base, self.settings.model)

    @cached_property
    def tracking(self) -> "Tracking":
        """MLflow, below the home."""
        return Tracking(self.environment.home)

    def open_tracking_meanwhile(self) -> None:
        """Import MLflow and open its database, which takes seconds, while the engine works."""

        def open_it() -> None:
            with suppress(Exception):  # the next use of MLflow raises it again
                _ = self.tracking.client

        # daemon: a run that ends meanwhile does not wait for MLflow's imports
        threading.Thread(target=open_it, name="tracking", daemon=True).start()

    def questions(self, *parts: Part) -> list[Question]:
        """The questions of these parts that the round reads; once drawn they stay as they are."""
        for part in parts:
            if part not in self._questions:
                self._questions[part] = questions_of(
                    self.store, self.settings, part, self.round.number
                )
        return [question for part in parts for question in self._questions[part]]

    def question_sets(self, domain: Domain) -> list[QuestionSet]:
        """The sets of the settings in this domain."""
        names = (
            self.settings.questions.in_domain
            if domain == "in_domain"
            else self.settings.questions.out_of_domain
        )
        with self.store.reading():
            return [set_named(self.store, name, domain) for name in names]

    def own_round(self) -> None:
        """Lease this round's question sets until the workplace closes.

        Raises where another run holds one.
        """
        self._own(settings_of(self.round), [self.round.number])

    def own_draws(self, draws: Sequence[int]) -> None:
        """Lease a comparison's question sets in each of its draws."""
        self._own(self.settings, draws)

    def _own(self, settings: Settings, draws: Sequence[int]) -> None:
        questions = settings.questions
        sets = [*questions.in_domain, *questions.out_of_domain]
        self._leases.close()  # a step that is tried again takes them again
        for draw in draws:
            self._leases.enter_context(self.store.leased(sets, draw))

    def disown_round(self) -> None:
        """Give the leases back, so that other runs may work on these question sets."""
        self._leases.close()

    def ask(self, model: Model, title: str, ask: Callable[[Asking], T], phase: str) -> T:
        """The result of `ask` with an engine that answers as `model`; its time counts as `phase`.

        Our own CPU time during the call is moved from `phase` to storage, verification or
        orchestration.
        """
        self.spending.check()
        self.check_room()
        served = self._serve(model)
        self.watcher.step(title)
        with Judge(self.settings.verification) as judge, self.timings.phase(phase):
            all_before, storage_before = time.process_time(), self.store.cpu_seconds
            asked = served.engine(self.watcher.say)
            # synthesis reserves for a path and what completes it together, by a budget of its own
            engine = asked if phase == "synthesis" else LimitedEngine(asked, self.spending)
            try:
                result = ask(self._asking(engine, judge, model))
            except (RequestFailed, EngineDown) as error:
                # the server is well, so the request itself is at fault, and another server would
                # not help
                if served.answers_as(model):
                    raise
                # the step's next try starts another, and asks for what is missing
                raise TransientError(
                    "The engine must live until its work is done; it ended before. What it gave is"
                    f" stored. {error}"
                ) from error
            whole, storage = (
                time.process_time() - all_before,
                self.store.cpu_seconds - storage_before,
            )
        # CPU seconds of several threads become wall seconds as if all cores had shared them
        cores = os.cpu_count() or 1
        self.timings.move(storage / cores, phase, "storage")
        self.timings.move(judge.cpu_seconds / cores, phase, "verification")
        self.timings.move((whole - storage - judge.cpu_seconds) / cores, phase, "orchestration")
        return result

    def _asking(self, engine: "Engine", judge: "Judge", model: Model) -> Asking:
        return Asking(
            self.store,
            engine,
            self.renderer,
            judge,
            model,
            self.prompts,
            self.settings,
            self._round,
            self._round.number if self._round else 0,
            on_answer=lambda done, total, left: self.watcher.update(done, total, "", left),
        )

    def train(self, training: Training, title: str = "Training") -> Adapter:
        """The adapter of this training; a server stays for the trained model if memory allows."""
        self.spending.check()
        if self._served is not None and not self._served.leaves_room():
            self.release_server()
        self.check_room()
        self.watcher.step(f"{title} on {training.training_set.examples} examples")
        with self.timings.phase("start"):
            # imports MLflow and makes or migrates its database
            self.tracking.client.get_experiment("0")
        shown = training_progress(self.watcher, self.spending.check)
        with self.timings.phase("training"):
            adapter = train_adapter(
                self.store,
                self.tracking,
                self.environment,
                self.machinery,
                training,
                shown,
                self.watcher.say,
            )
        self.timings.add(
            trained_tokens=adapter.tokens_trained, training_seconds=round(adapter.seconds, 1)
        )
        self.keep_timings()
        return adapter

    def address_of(self, model: Model) -> tuple[str, str, str]:
        """URL, name and key of a server that answers as this model; started where there is none."""
        return self._serve(model).address()

    def check_room(self) -> None:
        """Raise where disk or memory is short; what was committed stays for a later run."""
        check_room(self.environment.home, self._room)

    def release_server(self) -> None:
        """End the server, so that its memory is free."""
        if self._served is not None:
            with self.timings.phase("start"):
                self._served.close()
            self._served = None

    def keep_timings(self) -> None:
        """Store the time so far in the row of what is at work, round or comparison."""
        if self._round is not None and self._round.status == "running":
            self._round = save_timings(self.store, self._round, self.timings)
        if self.comparison is not None and self.comparison.status == "running":
            self.comparison = replace(self.comparison, timings=self.timings.as_json())
            self.store.update(self.comparison)

    def end_failed(self, error: PermanentError) -> None:
        """Mark the round at work as failed: another try would end in the same way."""
        if self._round is not None and self._round.status == "running":
            self._round = fail_round(
                self.store, self._round, " ".join(str(error).split()), self.timings
            )

    def end_stopped(self, stopped: Stopped) -> None:
        """Note what ended the run, a limit or a busy store. The next run goes on with the round."""
        self.stopped = stopped
        if (
            self._round is not None
            and self._round.status == "running"
            and not isinstance(stopped, StoreBusy)
        ):
            self._round = stop_round(self.store, self._round, self.timings)

    def leave(self) -> None:
        """End the server, keep what can be kept, and let go of the round, whatever fails."""
        try:
            self.release_server()
            with suppress(
                StoreBusy
            ):  # said already, and nothing that was acknowledged depends on it
                self.keep_timings()
                self.store.settle()
        finally:
            self.disown_round()

    def _serve(self, model: Model) -> ServedModel:
        if self._served is not None and self._served.answers_as(model):
            return self._served
        adapter = self.store.get(Adapter, model.adapter_id) if model.adapter_id else None
        with self.timings.phase("start"):
            if self._served is not None and self._served.change_to(model, adapter):
                return self._served
            self.release_server()
            self.watcher.step(f"Starting a server for {model.name}")
            served = self.machinery.serve(
                model, self.base, adapter, self.settings, self.environment
            )
            self._served = served
            if "raw_tokens_per_second" not in self.timings.figures:
                self.watcher.step("Measuring the engine")
                self.timings.add(raw_tokens_per_second=round(served.raw_tokens_per_second(), 1))
        self.timings.add(engine_starts=1, engine_start_seconds=round(served.start_seconds, 1))
        return served


@contextmanager
def open_workplace(settings: Settings, limits: Limits | None = None) -> Generator[Workplace]:
    """A workplace that nobody else holds; its server ends with the block."""
    environment, edges = read_environment(), edges_at_work()
    make_home(environment)
    with (
        closing(ProgressInPrefect(edges.watching())) as watcher,
        only_one(environment, settings, watcher.say),
    ):
        work = Workplace(environment, settings, edges.machinery, watcher, limits)
        try:
            yield work
        except Exception as error:
            if is_full_disk(error):  # wherever it was met: with more room the round goes on
                raise full_disk(error) from error
            # Bad input (exit code 2) can be corrected, and the round then goes on.
            if isinstance(error, PermanentError) and error.exit_code == 1:
                work.end_failed(error)
            raise
        finally:
            work.leave()


@contextmanager
def only_one(
    environment: Environment, settings: Settings, say: Callable[[str], None] = lambda line: None
) -> Generator[None]:
    """Hold the task set's lock: two runs of one set would pay for the same texts twice."""
    # the name becomes part of a file's name, which holds no slash: "sums/easy" becomes "sums-easy"
    task_set = re.sub(r"[^\w.+-]", "-", settings.name)[:100]
    if store_exists(environment.store_url):
        # one of an earlier version is migrated before anybody works on it
        open_store(environment.store_url, busy_seconds=settings.room.store_wait_seconds, say=say)
    place = environment.run_lock
    with (
        _held(environment, place, "No run begins while a home's store is cared for", shared=True),
        _held(
            environment,
            place.with_name(f"run-{task_set}.lock"),
            "One run at a time works on a task set",
        ),
    ):
        yield


@contextmanager
def no_run(environment: Environment) -> Generator[None]:
    """Within the block no run begins.

    Raises InputError at once, without waiting, while one works in the home.
    """
    with _held(
        environment, environment.run_lock, "The store is cared for while no run works in its home"
    ):
        yield


def _held(
    environment: Environment, lock: Path, rule: str, *, shared: bool = False
) -> AbstractContextManager[None]:
    def refusal(owner: int) -> str:
        return (
            f"{rule}; process {owner or 'unknown'} works in {str(environment.home)!r} and holds"
            f" {lock.name}. Wait for it, end it, or pass --home with another folder."
        )

    return owned(lock, refusal, shared=shared)
