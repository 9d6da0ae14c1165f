"""The recipes that train full weights, on the real engine.

Stored whole, served, examined, made champion, rolled back.

Small sets, short texts and the embedded model's prompts, of which it learns whatever is right; all
else as the presets have it. Base and challengers answer in turn from the suite's one server. The
embedded model never boxes an answer (0 of 79 paths), so what `official-code` accepts is planted.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from inspect import unwrap
from pathlib import Path as Folder

import pytest

from flows.steps import facts
from flows.steps import round_steps as steps
from flows.steps.machinery import LocalMachinery, OwnServer
from flows.steps.progress import Quiet
from flows.steps.workplace import Workplace
from storage.environment import Environment, make_home, read_environment
from storage.records import (
    Adapter,
    Answer,
    Evaluation,
    Model,
    Path,
    Promotion,
    TrainingExample,
    TrainingSet,
)
from tasks.engines.models.base_models import PreparedModel
from tasks.engines.models.model_files import folder_digest, weight_bytes
from tasks.engines.server.vllm_server import Server
from tasks.promotion import promote as promotion
from tasks.settings import Settings, load_settings
from tasks.synthesis.round_forecast import kept_weight_bytes
from tests.storage.examples import make

pytestmark = pytest.mark.engine
SMALL = """
[questions]
in_domain = ["chain_sum"]
out_of_domain = ["lcm"]
train_per_set = {questions}
gate_per_set = 12
final_per_set = 0
difficulty = {{ chain_sum = {{ min_terms = 2, max_terms = 2, min_digits = 1, max_digits = 1 }} }}
[synthesis]
prompt_set = "embedded"
chains_per_question = {chains}
guideline_selections = {selections}
hinted_chains = 1
adapt = {{ max_tokens = 24 }}
structure = {{ max_tokens = 32 }}
path = {{ max_tokens = 64 }}
[selection]
accept_cut = true
min_work_words = 0
answer_in_work = false
[training]
epochs = 1
min_examples = 1
[evaluation]
sampling = {{ temperature = 0, max_tokens = 24 }}
noise_questions = 0
"""
SIZES = {
    "paper": {"questions": 8, "chains": 5, "selections": 0},
    "official-code": {"questions": 3, "chains": 2, "selections": 1},
}
BOXED = "1. We add {first} and {second}.\n2. That makes {total}.\nThe answer is \\boxed{{{total}}}."


class OneServer(LocalMachinery):
    """Every model answers from the server that the suite shares."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def serve(
        self,
        model: Model,
        base: PreparedModel,
        adapter: Adapter | None,
        settings: Settings,
        environment: Environment,
    ) -> OwnServer:
        renderer = self.renderer(base, settings.model)
        return OwnServer(
            nullcontext(self.server), model, adapter, base, renderer, settings, environment
        )


@pytest.fixture
def machinery_of_one(server: Server, model_folder: Folder) -> Iterator[OneServer]:
    yield OneServer(server)
    server.swap_weights(model_folder)


@pytest.mark.parametrize("preset", ["paper", pytest.param("official-code", marks=pytest.mark.soak)])
def test_full_weights_are_trained_kept_whole_served_examined_made_champion_and_rolled_back(
    preset: str,
    machinery_of_one: OneServer,
    model_folder: Folder,
    tmp_path: Folder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("REGENESIS_HOME", str(home))
    environment = replace(read_environment(), endpoints=(), config=None)
    make_home(environment)
    (home / "models").mkdir(exist_ok=True)
    (home / "models" / model_folder.name).symlink_to(model_folder)
    settings = load_settings(preset, SMALL.format(**SIZES[preset]))
    work = Workplace(environment, settings, machinery_of_one, Quiet())
    work.timings.add(raw_tokens_per_second=1.0)  # else measured, for seconds
    store, base = work.store, work.base.record

    for step in (
        steps.begin_round,
        steps.ingest_questions,
        steps.synthesize_paths,
        steps.audit_verdicts,
    ):
        unwrap(step)(work)
    if preset == "official-code":
        plant(work, [BOXED.format(first=n, second=n + 3, total=2 * n + 3) for n in range(8)])
    else:
        unwrap(steps.select_examples)(work)
    unwrap(steps.train_adapter)(work)
    unwrap(steps.evaluate)(work, "base")
    unwrap(steps.evaluate)(work, "challenger")

    assert store.select(Path)
    [adapter] = store.select(Adapter)
    folder = home / adapter.location
    assert (adapter.kind, adapter.digest) == ("full", folder_digest(folder))
    assert machinery_of_one.server.weights == folder
    assert kept_weight_bytes(model_folder, settings.training) == pytest.approx(
        weight_bytes(folder), rel=0.01
    )
    assert {row.role for row in store.select(Evaluation)} == {"base", "challenger"}
    assert len(store.select(Answer, model_id=facts.model_in(work, "challenger").id)) == 24
    decided = unwrap(steps.promote)(work)
    assert decided.outcome in ("promoted", "refused", "inconclusive")
    if decided.outcome != "promoted":
        unwrap(steps.overrule)(work, "promoted", "A tester", "To serve it")
    assert work.tracking.champion(work.line) == facts.model_in(work, "challenger").id
    _holds_a_reference_alone(work, adapter)

    promotion.roll_back(store, work.tracking, base=base, line=work.line, reason="A test")

    assert (
        work.tracking.champion(work.line)
        == promotion.current_champion(store, base, work.line).id
        == base.id
    )
    assert {one.state for one in store.select(Promotion)} == {"done"}


def plant(work: Workplace, completions: Sequence[str]) -> None:
    """These as the training set of the round."""
    made = make(
        TrainingSet,
        "planted",
        round_id=work.round.id,
        method="regenesis",
        settings="{}",
        examples=len(completions),
    )
    rows = [
        make(
            TrainingExample,
            ("planted", place),
            training_set_id=made.id,
            position=place,
            prompt=work.questions("train")[0].text,
            completion=text,
        )
        for place, text in enumerate(completions)
    ]
    work.store.append([made, *rows])


def _holds_a_reference_alone(work: Workplace, adapter: Adapter) -> None:
    """MLflow knows the weights by digest and place; its files are no second copy."""
    run = work.tracking.client.get_run(adapter.mlflow_run_id or "")
    assert run.data.params["adapter_digest"] == adapter.digest
    files = [file for file in work.tracking.artifacts.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < 10e6
    references = [file.read_text("utf-8") for file in files if file.name.startswith(".reference-")]
    assert any(adapter.digest in text and adapter.location in text for text in references)
