"""Four challengers of the real engine before the gate.

A good one, a sabotaged, a narrow and a tiny one.

One engine stays up for all rounds; training and evaluation are those of a round. In domain is one
task alone, so that training too long on it can only harm what lies outside.
"""

import json
import os
import random
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from inspect import unwrap

import pytest

from flows.steps import facts
from flows.steps import round_steps as steps
from flows.steps.progress import Quiet
from flows.steps.workplace import Workplace
from storage.environment import make_home, read_environment
from storage.ids import content_id
from storage.records import Evaluation, Promotion, TrainingExample, TrainingSet
from tasks.rounds.round_row import finish_round
from tasks.settings import load_settings
from tests.conftest import shared_home

pytestmark = pytest.mark.soak
SETTINGS = """
name = "verdicts"
[questions]
in_domain = ["chain_sum"]
out_of_domain = ["products", "letter_counting", "gcd"]
train_per_set = 32
gate_per_set = 64
final_per_set = 0
difficulty = { chain_sum = { min_terms = 2, max_terms = 4, min_digits = 1, max_digits = 1 } }
[evaluation]
noise_questions = 0
"""
OVERTRAINED = "[training]\nlearning_rate = 2e-3\nepochs = 12\n"
TINY = "[training]\nlearning_rate = 1e-4\n"
Examples = list[TrainingExample]


class OneEngine(Workplace):
    """Keeps its server while it trains; there is memory for both."""

    def release_server(self) -> None: ...

    def end(self) -> None:
        super().release_server()


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneEngine]:
    home = tmp_path_factory.mktemp("verdicts") / "home"
    environment = replace(read_environment(home), endpoints=(), config=None)
    make_home(environment)
    shutil.copytree(
        shared_home() / "models", home / "models", copy_function=os.link, dirs_exist_ok=True
    )
    place = OneEngine(environment, load_settings(toml_text=SETTINGS), Quiet())
    yield place
    place.end()


@pytest.fixture(scope="module")
def accepted(work: OneEngine) -> Examples:
    """What the good challenger learnt from.

    The model's own accepted paths; it is champion from then on.
    """
    begin(work, SETTINGS)
    for step in (steps.synthesize_paths, steps.audit_verdicts, steps.select_examples):
        unwrap(step)(work)
    examine(work)
    training_set = facts.training_set_of(work)
    assert training_set is not None
    return work.store.select(TrainingExample, training_set_id=training_set.id, order_by="position")


def begin(work: OneEngine, toml: str) -> None:
    """A new round of the line that the settings name, with gate questions of its own."""
    work.settings = load_settings(toml_text=toml)
    unwrap(steps.begin_round)(work)
    unwrap(steps.ingest_questions)(work)


def teach(work: OneEngine, examples: Examples) -> None:
    """Make these the training set of the round, in place of paths of its own."""
    made = TrainingSet(
        id=content_id("training_sets", work.round.id, [one.completion for one in examples]),
        round_id=work.round.id,
        method="regenesis",
        settings="{}",
        seed=1,
        examples=len(examples),
        hinted_examples=0,
        digest="planted",
        created_at=work.round.started_at,
    )
    own = [
        replace(
            one,
            id=content_id("training_examples", made.id, place),
            training_set_id=made.id,
            position=place,
        )
        for place, one in enumerate(examples)
    ]
    work.store.append([made, *own])


def examine(work: OneEngine) -> Promotion:
    """Train, let all models answer, decide; prints what came out."""
    unwrap(steps.train_adapter)(work)
    for role in facts.roles_of(work):
        unwrap(steps.evaluate)(work, role)
    decided = unwrap(steps.promote)(work)
    work.round = finish_round(work.store, work.round)
    rows = work.store.select(
        Evaluation, round_id=work.round.id, part="gate", order_by="domain, question_set_id, role"
    )
    for row in rows:
        print(
            f"{row.domain:14} {row.role:10} {row.strict_correct} of {row.questions}",
            file=sys.stderr,
        )
    print(f"round {work.round.number}: {decided.reasons}", file=sys.stderr, flush=True)
    return decided


def judged(work: OneEngine, toml: str, examples: Examples) -> Promotion:
    begin(work, toml)
    teach(work, examples)
    return examine(work)


def test_a_challenger_that_learnt_from_accepted_paths_is_promoted(
    work: OneEngine, accepted: Examples
) -> None:
    [decided] = work.store.select(Promotion, decided_by="gate", tests_so_far=1)
    assert decided.outcome == "promoted", decided.reasons
    assert decided.state == "done"
    assert work.tracking.champion(work.line) == decided.challenger_model_id


def test_one_that_learnt_shuffled_answers_is_refused_for_its_loss_in_domain(
    work: OneEngine, accepted: Examples
) -> None:
    completions = [one.completion for one in accepted]
    random.Random(7).shuffle(completions)
    shuffled = [
        replace(one, completion=text) for one, text in zip(accepted, completions, strict=True)
    ]

    decided = judged(work, SETTINGS, shuffled)

    assert decided.outcome == "refused", decided.reasons
    assert "it is significantly worse in domain" in decided.reasons


def test_one_trained_too_long_on_its_task_is_refused_for_the_sets_that_fell(
    work: OneEngine, accepted: Examples
) -> None:
    decided = judged(work, SETTINGS + OVERTRAINED, accepted[:24])

    assert decided.outcome == "refused", decided.reasons
    assert "significantly worse out of domain than the champion (" in decided.reasons
    fallen = [one for one in json.loads(decided.statistics)["sets"] if one["p_loss"] <= 0.05]
    assert fallen
    assert all(
        f"{one['name']} " in decided.reasons for one in fallen if one["domain"] == "out_of_domain"
    )


def test_one_from_a_tiny_training_set_is_inconclusive_and_told_what_was_not_excluded(
    work: OneEngine, accepted: Examples
) -> None:
    line_of_its_own = SETTINGS.replace('"verdicts"', '"tiny"') + TINY

    decided = judged(work, line_of_its_own, accepted[:8])

    assert decided.outcome == "inconclusive", decided.reasons
    assert "no significant gain in domain" in decided.reasons
    assert "is not excluded" in decided.reasons
