"""`paper` and `official-code` end to end on the real engine, with their own lengths and prompts.

Few questions and chains; all else as the presets have it. The embedded model may leave nothing to
learn from, so what is trained on is planted.
"""

from dataclasses import replace
from inspect import unwrap
from pathlib import Path as Folder

import pytest

from flows.steps import facts
from flows.steps import round_steps as steps
from flows.steps.machinery import LocalMachinery
from flows.steps.progress import Quiet
from flows.steps.workplace import Workplace
from storage.environment import make_home, read_environment
from storage.records import Adapter, Answer, Path
from tasks.settings import Settings, load_settings
from tests.flows.test_full_weights import BOXED, plant

pytestmark = [pytest.mark.engine, pytest.mark.soak]
FEW = """
[questions]
in_domain = ["chain_sum"]
out_of_domain = ["lcm"]
train_per_set = 4
gate_per_set = 8
final_per_set = 0
[synthesis]
chains_per_question = 4
guideline_selections = {selections}
hinted_chains = 1
[training]
min_examples = 1
[evaluation]
noise_questions = 0
"""
SELECTIONS = {"paper": 0, "official-code": 1}


def lengths_of(settings: Settings) -> dict[str, int]:
    synthesis = settings.synthesis
    return {
        "adapt": synthesis.adapt.max_tokens,
        "structure": synthesis.structure.max_tokens,
        "path": synthesis.path.max_tokens,
        "evaluation": settings.evaluation.sampling.max_tokens,
        "model": settings.model.max_model_tokens,
        "training": settings.training.max_tokens,
    }


@pytest.mark.parametrize("preset", SELECTIONS)
def test_a_preset_runs_from_question_to_decision_with_the_lengths_it_ships(
    preset: str, model_folder: Folder, tmp_path: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    monkeypatch.setenv("REGENESIS_HOME", str(home))
    environment = replace(read_environment(), endpoints=(), config=None)
    make_home(environment)
    (home / "models").mkdir(exist_ok=True)
    (home / "models" / model_folder.name).symlink_to(model_folder)
    settings = load_settings(preset, FEW.format(selections=SELECTIONS[preset]))
    assert lengths_of(settings) == lengths_of(load_settings(preset))
    work = Workplace(environment, settings, LocalMachinery(), Quiet())

    try:
        for step in (
            steps.begin_round,
            steps.ingest_questions,
            steps.synthesize_paths,
            steps.audit_verdicts,
        ):
            unwrap(step)(work)
        plant(work, [BOXED.format(first=n, second=n + 3, total=2 * n + 3) for n in range(8)])
        unwrap(steps.train_adapter)(work)
        unwrap(steps.evaluate)(work, "base")
        unwrap(steps.evaluate)(work, "challenger")
        decided = unwrap(steps.promote)(work)

        store = work.store
        paths = store.select(Path)
        answers = store.select(Answer, model_id=facts.model_in(work, "challenger").id)
        [adapter] = store.select(Adapter)
        assert (adapter.kind, len(answers)) == ("full", 16)
        assert decided.outcome in ("promoted", "refused", "inconclusive")
        longest = max(path.completion_tokens for path in paths)
        print(
            f"{preset}: {len(paths)} paths, the longest of {longest} tokens,"
            f" {sum(bool(path.cut) for path in paths)} cut; {decided.outcome}"
        )
    finally:
        work.leave()
