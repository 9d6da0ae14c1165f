"""What the synthesis benchmarks on the real engine share.

A server on the embedded model, and a recording engine.
"""

import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path as File

from storage.environment import make_home, read_environment
from storage.open_store import open_store
from storage.records import Guideline, Model, Prompt, Question
from tasks.asking import Asking
from tasks.engines.engine import Completion, Engine, capacity_of
from tasks.engines.models.base_models import prepare_model
from tasks.engines.models.rendering import Renderer
from tasks.engines.server.server_plan import Serving
from tasks.engines.server.vllm_server import Server, running_server
from tasks.guidelines import builtin_guidelines
from tasks.ingestion.ingest_questions import ingest_embedded
from tasks.prompt_files import load_prompts, prompts_of
from tasks.settings import Sampling, Settings, load_settings
from tasks.synthesis.synthesize_paths import SynthesisReport, synthesize_paths
from tasks.verification.verify_paths import Judge


@dataclass(frozen=True)
class Answered:
    """One request and when its answer came, seconds from an arbitrary beginning."""

    prompt_ids: tuple[int, ...]
    sampling: Sampling
    tokens: int
    at: float


@dataclass
class RecordingEngine:
    """Passes requests on and keeps what was asked and when it was answered."""

    engine: Engine
    answered: list[Answered] = field(default_factory=list[Answered])
    first_request: float = 0.0

    @property
    def capacity(self) -> int:
        """The engine's."""
        return capacity_of(self.engine)

    async def __aenter__(self) -> "RecordingEngine":
        await self.engine.__aenter__()  # type: ignore[attr-defined]
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.engine.__aexit__(*error)  # type: ignore[attr-defined]

    async def complete(
        self, prompt_ids: Sequence[int], sampling: Sampling, seed: int, *, cached: bool = True
    ) -> Completion:
        """The engine's answer."""
        self.first_request = self.first_request or time.perf_counter()
        completion = await self.engine.complete(prompt_ids, sampling, seed, cached=cached)
        done = Answered(
            tuple(prompt_ids), sampling, completion.completion_tokens, time.perf_counter()
        )
        self.answered.append(done)
        return completion


@dataclass(frozen=True)
class Bench:
    """A server, and everything that a synthesis on it needs."""

    server: Server
    renderer: Renderer
    model: Model
    guidelines: list[Guideline]
    prompts: dict[str, Prompt]
    folder: File

    def synthesize(
        self, questions: Sequence[Question], settings: Settings, draw: int, store_name: str
    ) -> tuple[SynthesisReport, RecordingEngine, float]:
        """One run with verification and storage on.

        The last figure is when its last row was committed.
        """
        engine = RecordingEngine(self.server.engine(self.renderer))
        store = open_store(f"duckdb:///{self.folder / store_name}.duckdb")
        with Judge() as judge:
            report = synthesize_paths(
                Asking(
                    store,
                    engine,
                    self.renderer,
                    judge,
                    model=self.model,
                    prompts=prompts_of(settings),
                    settings=settings,
                    draw=draw,
                ),
                questions,
                self.guidelines,
            )
        return report, engine, time.perf_counter()


@contextmanager
def bench(sequences: int, precision: str = "auto") -> Generator[Bench]:
    """A server on the embedded model in the home's usual place (converted on first use)."""
    environment = read_environment()
    make_home(environment)
    settings = load_settings(overrides={"model": {"precision": precision}})
    prepared = prepare_model(settings.model, environment)
    with tempfile.TemporaryDirectory() as folder:
        log = environment.logs / "benchmark-server.log"
        with running_server(
            prepared.folder, settings.model, log_file=log, serving=Serving(sequences=sequences)
        ) as server:
            yield Bench(
                server,
                Renderer(prepared.folder, settings.model),
                prepared.record,
                builtin_guidelines(),
                load_prompts(),
                File(folder),
            )


def train_questions(folder: File, count: int, draw: int) -> list[Question]:
    """Fresh train questions of the embedded in-domain sets, mixed."""
    store = open_store(f"duckdb:///{folder / f'questions-{draw}'}.duckdb")
    names = load_settings().questions.in_domain
    each = -(-count // len(names))
    settings = load_settings(
        overrides={"questions": {"train_per_set": each, "gate_per_set": 1, "final_per_set": 0}}
    )
    ingest_embedded(store, settings, draw)
    found = store.select(Question, part="train", draw=draw, order_by="source_row_id, id")
    return sorted(found, key=lambda question: question.id)[:count]
