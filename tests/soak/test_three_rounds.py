"""Three real rounds in a row.

Then a roll-back, after which the earlier champion's weights answer as they did.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from flows.steps.machinery import weights_of
from storage.environment import read_environment
from storage.mlflow_tracking import Tracking
from storage.open_store import Store, open_store
from storage.records import Adapter, Answer, Model, Promotion, Question, Round
from tasks.asking import Asking
from tasks.engines.models.base_models import prepare_model, weights_digest
from tasks.engines.models.rendering import Renderer
from tasks.engines.server.vllm_server import running_server
from tasks.evaluation.noise import Noise, ask_again, next_sample, noise_sample
from tasks.promotion.promote import current_champion
from tasks.prompt_files import load_prompts
from tasks.reports.round_report import draw_report
from tasks.rounds.round_row import settings_of
from tasks.verification.verify_paths import Judge
from tests.conftest import shared_home
from tests.tasks.reports.test_round_report import read

SMALL = """
name = "three"
[questions]
train_per_set = 16
gate_per_set = 48
final_per_set = 4
"""
CHANCE = 0.01
"""Below it, so many more changes than in the A/A run are no accident."""


def regenesis(home: Path, *arguments: str) -> str:
    """A command in that home; prints what it says as it comes."""
    environment = os.environ | {"REGENESIS_HOME": str(home)}
    environment.pop("PREFECT_API_URL", None)
    command = [str(Path(sys.executable).with_name("regenesis")), *arguments]
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, check=False
    )
    print(done.stdout, file=sys.stderr, flush=True)
    assert done.returncode == 0
    return done.stdout


def floor_of(store: Store, model: Model) -> Noise:
    """What the A/A run of the model's own round changed."""
    twice = {
        answer.question_id: answer for answer in store.select(Answer, model_id=model.id, sample=1)
    }
    first = {
        answer.question_id: answer for answer in store.select(Answer, model_id=model.id, sample=0)
    }
    pairs = [(first[question], again) for question, again in twice.items()]
    texts = sum(a.text != b.text for a, b in pairs)
    verdicts = sum(a.strict_verdict != b.strict_verdict for a, b in pairs)
    return Noise(len(pairs), texts, verdicts, sum(b.completion_tokens for _, b in pairs))


def no_more_than(floor: Noise, found: Noise) -> bool:
    """Whether neither texts nor verdicts changed significantly more often (Fisher's exact test)."""
    from scipy.stats import fisher_exact

    chances: list[float] = []
    for changed, known in (
        (found.changed_texts, floor.changed_texts),
        (found.changed_verdicts, floor.changed_verdicts),
    ):
        table = [[changed, found.questions - changed], [known, floor.questions - known]]
        chances.append(float(fisher_exact(table, alternative="greater").pvalue))
    print(f"floor {floor}, now {found}, chances {chances}", file=sys.stderr, flush=True)
    return min(chances) > CHANCE


@pytest.mark.soak
def test_after_three_rounds_a_roll_back_serves_the_earlier_champion_as_it_was(
    tmp_path: Path,
) -> None:
    home, settings = tmp_path / "home", tmp_path / "small.toml"
    settings.write_text(SMALL, "utf-8")
    shutil.copytree(shared_home() / "models", home / "models", copy_function=os.link)
    for _ in range(3):
        regenesis(home, "round", "--settings", str(settings))
    store, environment = (
        open_store(f"duckdb:///{home / 'regenesis.duckdb'}"),
        replace(read_environment(home), endpoints=()),
    )
    rounds = store.select(Round, order_by="number")
    chosen = settings_of(rounds[-1])
    base = prepare_model(chosen.model, environment)

    page = read(draw_report(store, rounds[-1]).page)
    for figure in ("rounds_in_domain", "rounds_out_of_domain"):
        assert {row[0] for row in page.rows[figure]} == {"1", "2", "3"}
    print(
        page.rows["rounds_in_domain"],
        page.rows["rounds_out_of_domain"],
        page.rows["noise"],
        file=sys.stderr,
    )

    # Who was champion when the last round began was asked twice in it.
    earlier = store.select(Model, id=rounds[-1].champion_model_id)[0]
    if current_champion(store, base.record, rounds[-1].line).id == earlier.id:
        regenesis(
            home,
            "promote",
            "--force",
            "--reason",
            "To roll back from",
            "--settings",
            str(settings),
            "--yes",
        )
    expected = digest_served(store, earlier, base.folder, home, tmp_path / "expected")
    assert current_champion(store, base.record, rounds[-1].line).id != earlier.id

    regenesis(
        home,
        "rollback",
        str(earlier.id),
        "--reason",
        "A test",
        "--settings",
        str(settings),
        "--yes",
    )

    champion = current_champion(store, base.record, rounds[-1].line)
    adapter = store.get(Adapter, champion.adapter_id) if champion.adapter_id else None
    assert champion.id == earlier.id == Tracking(home).champion(rounds[-1].line)
    assert {promotion.state for promotion in store.select(Promotion)} == {"done"}
    twice = {answer.question_id for answer in store.select(Answer, model_id=champion.id, sample=1)}
    questions = noise_sample(
        [one for one in store.select(Question, part="gate") if one.id in twice], len(twice)
    )
    with running_server(
        weights_of(base, adapter, environment), chosen.model, log_file=tmp_path / "vllm.log"
    ) as server:
        assert weights_digest(server.weights) == expected
        renderer = Renderer(base.folder, chosen.model)
        with Judge() as judge:
            found = ask_again(
                Asking(
                    store,
                    server.engine(renderer),
                    renderer,
                    judge,
                    model=champion,
                    prompts=load_prompts(),
                    settings=chosen,
                ),
                questions,
                sample=next_sample(store, champion, questions),
            )
    assert no_more_than(floor_of(store, champion), found)


def digest_served(store: Store, model: Model, base: Path, home: Path, folder: Path) -> str:
    """Digest of the weights that this model has, made afresh from its adapter."""
    from tasks.engines.trainer.trainer import merge_adapter

    adapter = store.get(Adapter, model.adapter_id) if model.adapter_id else None
    return weights_digest(merge_adapter(base, home / adapter.location, folder) if adapter else base)
