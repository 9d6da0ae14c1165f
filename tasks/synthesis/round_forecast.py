"""`regenesis forecast`: synthesize a few of the questions, and predict the whole round from them.

The probe runs under the round's own draw, so the round reuses every token of it.
"""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as Folder
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

from storage.errors import InputError
from storage.records import AdaptedGuideline, Guideline, Path, Question, Structure
from tasks.asking import Asking
from tasks.engines.models.chat_template import read_json
from tasks.engines.models.model_files import model_size
from tasks.rules.ladder.round_costs import Forecast, QuestionCost, Rates, RoundShape, forecast
from tasks.settings import TrainingSettings
from tasks.synthesis.account import SynthesisProgress
from tasks.synthesis.question_work import right_by_reference
from tasks.synthesis.synthesize_paths import synthesize_paths

if TYPE_CHECKING:
    from storage.open_store import Store

R = TypeVar("R", bound=AdaptedGuideline | Structure | Path)
# Tokens trained in the time of one generated, where nothing was measured. On two cores with bf16
# LoRA trained 383 to 530 tokens per second where vLLM generated 600, which is 0.64 to 0.88.
TRAINING_TO_GENERATION = 0.8


@dataclass(frozen=True)
class Hardware:
    """What is not measured by the probe; None or 0 means: take it from the probe, and say so."""

    tokens_per_second: float | None = None  # given for hardware that is not there
    training_tokens_per_second: float | None = None
    start_seconds: float = 0.0
    weight_bytes: int = 0  # what training keeps


def forecast_round(
    asking: Asking,
    questions: Sequence[Question],
    guidelines: Sequence[Guideline],
    *,
    evaluation_answers: int,
    probe_questions: int = 8,
    hardware: Hardware | None = None,
) -> Forecast:
    """Probe `probe_questions` of the questions, chosen by seed, and predict the round.

    Raises InputError on none.
    """
    if not questions:
        raise InputError("A forecast needs questions to probe; found none. Run: regenesis ingest")
    hardware = hardware or Hardware()
    store, settings, model, draw = asking.store, asking.settings, asking.model, asking.draw
    chosen = random.Random(settings.seed).sample(
        list(questions), min(probe_questions, len(questions))
    )
    rates: list[float] = []

    def note(progress: SynthesisProgress) -> None:
        rates.append(progress.tokens_per_second)

    began = time.perf_counter()
    report = synthesize_paths(asking, chosen, guidelines, work_ahead=False, on_progress=note)
    seconds = time.perf_counter() - began
    costs = question_costs(store, chosen, model.id, draw)
    path_tokens = [path.completion_tokens for path in _rows(store, Path, chosen, model.id, draw)]
    longest = float(settings.evaluation.sampling.max_tokens)
    shape = RoundShape(
        questions=len(questions),
        evaluation_answers=evaluation_answers,
        tokens_an_answer=sum(path_tokens) / len(path_tokens) if path_tokens else longest,
        epochs=settings.training.epochs,
        keep_per_question=settings.selection.keep_per_question,
        start_seconds=hardware.start_seconds,
        weight_bytes=hardware.weight_bytes,
    )
    # a short probe is mostly ramp and tail: the busier half of its seconds is nearer to a long run
    busy = sorted(rates)[len(rates) // 2 :]
    measured = max(sum(busy) / len(busy) if busy else 0.0, report.tokens / seconds)
    return forecast(
        costs,
        shape,
        known_rates(measured, hardware),
        price_per_hour=settings.synthesis.price_per_hour,
        price_per_million_tokens=settings.synthesis.price_per_million_tokens,
    )


def kept_weight_bytes(base: Folder, training: TrainingSettings) -> int:
    """Bytes of the weights that a round keeps, in float32: the whole model's, or LoRA's."""
    if training.kind == "full":
        return 4 * model_size(base).parameters
    config = read_json(base / "config.json")
    wide, inner = (int(str(config.get(name) or 0)) for name in ("hidden_size", "intermediate_size"))
    # A and B of four attention and three feed-forward matrices a layer, in float32
    values = training.lora_rank * (4 * 2 * wide + 3 * (wide + inner))
    return 4 * int(str(config.get("num_hidden_layers") or 0)) * values


def known_rates(measured: float, hardware: Hardware) -> Rates:
    """The rates to reckon with; what was not measured is named.

    Raises InputError where there is no rate at all.
    """
    generation = hardware.tokens_per_second or measured
    if generation <= 0:
        raise InputError(
            "A forecast needs a rate: the probe generated nothing (all of it was there already)."
            " Give the tokens per second of your hardware, or another draw."
        )
    assumed: list[str] = []
    if hardware.tokens_per_second:
        assumed.append(f"generation at {generation:,.0f} tokens/s (given, not measured)")
    if not hardware.training_tokens_per_second:
        assumed.append(
            f"training at {generation * TRAINING_TO_GENERATION:,.0f} tokens/s (0.8 of generation)"
        )
    return Rates(
        generation,
        hardware.training_tokens_per_second or generation * TRAINING_TO_GENERATION,
        tuple(assumed),
    )


def question_costs(
    store: "Store", questions: Sequence[Question], model_id: UUID, draw: int
) -> list[QuestionCost]:
    """What each question took so far under this draw, from the store."""
    tokens: Counter[UUID] = Counter()
    rows: Counter[UUID] = Counter()
    size: Counter[UUID] = Counter()
    paths: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for kind in (AdaptedGuideline, Structure, Path):
        for row in _rows(store, kind, questions, model_id, draw):
            tokens[row.question_id] += row.completion_tokens
            rows[row.question_id] += 1
            size[row.question_id] += len(row.text.encode())
            if isinstance(row, Path):
                paths[row.question_id].append(row.id)
    every = [one for some in paths.values() for one in some]
    right = right_by_reference(store, draw=draw, path_id=every) if every else set[UUID]()
    return [
        QuestionCost(
            tokens=tokens[one.id],
            paths=len(paths[one.id]),
            accepted=len(right.intersection(paths[one.id])),
            rows=rows[one.id] + len(paths[one.id]),
            text_bytes=size[one.id],
        )
        for one in questions
    ]


def _rows(
    store: "Store", kind: type[R], questions: Sequence[Question], model_id: UUID, draw: int
) -> list[R]:
    return store.select(
        kind, draw=draw, model_id=model_id, question_id=[one.id for one in questions]
    )
