"""The other harness against the real server.

The same model, the same questions, both figures side by side.
"""

from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from storage.open_store import open_store
from storage.records import Evaluation, EvaluationFigure, Question, Round
from tasks.asking import Asking
from tasks.engines.harness import Target
from tasks.evaluation.cross_check import cross_check
from tasks.evaluation.evaluate_model import evaluate_model
from tasks.ingestion.ingest_questions import ingest_embedded
from tasks.prompt_files import load_prompts
from tasks.settings import load_settings
from tasks.verification.verify_paths import Judge
from tests.storage.examples import make

if TYPE_CHECKING:
    from tasks.engines.models.base_models import PreparedModel
    from tasks.engines.models.rendering import Renderer
    from tasks.engines.server.vllm_server import Server

pytestmark = [pytest.mark.engine, pytest.mark.slow]
SMALL = {
    "in_domain": ["products"],
    "out_of_domain": ["lcm"],
    "train_per_set": 0,
    "gate_per_set": 16,
    "final_per_set": 0,
}
NEAR = 4 / 16
"""Of 16 answers a few change from one asking to the next, and a few are read differently."""


def test_the_harness_finds_about_what_we_find(
    tmp_path: Path, server: "Server", renderer: "Renderer", prepared_model: "PreparedModel"
) -> None:
    store, settings = (
        open_store(f"duckdb:///{tmp_path / 'store.duckdb'}"),
        load_settings(overrides={"questions": SMALL}),
    )
    round = make(Round, number=1, id=uuid4())
    ingest_embedded(store, settings, 1)
    store.append([round])
    questions, model, prompts = (
        store.select(Question, part="gate"),
        prepared_model.record,
        load_prompts(),
    )
    with Judge() as judge:
        evaluate_model(
            Asking(
                store,
                server.engine(renderer),
                renderer,
                judge,
                model=model,
                prompts=prompts,
                settings=settings,
                round=round,
                draw=1,
            ),
            questions,
            "base",
        )

    target = Target(server.url, server.model_name, prepared_model.folder, server.key)
    found = cross_check(store, target, model, round, questions, prompts, settings)

    assert len(found) == 4  # two sets, two readings
    assert {
        row.source.split()[0] for row in store.select(EvaluationFigure, name="exact_match")
    } == {"lm-eval"}
    ours = {row.id: row for row in store.select(Evaluation)}
    for row in found:
        evaluation = ours[row.evaluation_id]
        correct = (
            evaluation.strict_correct if row.reading == "strict" else evaluation.lenient_correct
        )
        assert abs(row.value - correct / evaluation.questions) <= NEAR, row
