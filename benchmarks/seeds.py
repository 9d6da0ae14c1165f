"""Does the ladder teach the embedded model something?

Default rounds with given seeds, and a control beside each.

Each seed is one whole default round in a home of its own. The control is trained, with the same
settings, on as many random direct paths that nobody verified, and answers the same gate questions.
Nothing is drawn again: a seed that is done is read from its store, one that was interrupted goes
on.

    .venv/bin/python benchmarks/seeds.py [--homes FOLDER] [--seeds 1 2 3 4 5]

The last line is one JSON object: `ratio` is the share of seeds with a significant in-domain gain
over the goal 0.8.
"""

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from flows.steps import round_steps as steps
from flows.steps.workplace import Workplace, open_workplace
from storage.environment import read_environment
from storage.open_store import open_store
from storage.records import Adapter, Answer, Model, Question, QuestionSet, Round, TrainingSet
from tasks.rounds.round_row import settings_of
from tasks.rules.gate.statistics import Interval, mcnemar_gain, stratified_bootstrap
from tasks.settings import Settings, load_settings

GOAL = 0.8
ALPHA = 0.05
T = TypeVar("T")


@dataclass(frozen=True)
class Compared:
    """A model against the base on one domain's gate questions: differences by set, and paired
    counts.
    """

    questions: int
    base: int
    after: int
    gained: int
    lost: int
    p_value: float


@dataclass(frozen=True)
class SeedResult:
    """What one seed gave; keys are "reading/domain"."""

    seed: int
    outcome: str
    examples: int
    seconds: float
    raw_tokens_per_second: float
    challenger: dict[str, Compared]
    control: dict[str, Compared]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--homes", type=Path, default=Path(".regenesis/seeds"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--no-control", action="store_true")
    arguments = parser.parse_args()
    models = read_environment().models
    results: list[SeedResult] = []
    differences: list[list[float]] = []
    for seed in arguments.seeds:
        home = (arguments.homes / f"seed-{seed}").absolute()
        share_models(models, home / "models")
        os.environ["REGENESIS_HOME"] = str(home)
        run_round(seed)
        if not arguments.no_control:
            train_control(load_settings(overrides={"seed": seed}))
        result, lenient = read_result(seed)
        results.append(result)
        differences += lenient
        print(describe(result), flush=True)
    pooled = pooled_interval(differences)
    won = sum(result.challenger["strict/in_domain"].p_value < ALPHA for result in results)
    print(f"Significant strict in-domain gain in {won} of {len(results)} seeds.")
    print(f"Lenient in-domain gain, pooled: {pooled.low:+.3f} to {pooled.high:+.3f} (95 %).")
    share = won / len(results)
    print(
        json.dumps(
            {
                "name": "seeds",
                "ratio": round(share / GOAL, 3),
                "goal": 1.0,
                "spread": [result.challenger["strict/in_domain"].p_value for result in results],
                "lenient_gain_interval": [pooled.low, pooled.high],
                "seeds": [asdict(result) for result in results],
            }
        )
    )


def share_models(prepared: Path, models: Path) -> None:
    """The prepared model is the same in every home: linked, not converted again."""
    if prepared.is_dir() and not models.is_dir():
        shutil.copytree(prepared, models, copy_function=os.link)


def run_round(seed: int) -> None:
    """One whole round by the command that users type; one that is finished is not run again."""
    store = open_store(read_environment().store_url)
    if not store.select(Round, status="finished"):
        subprocess.run(
            [str(Path(sys.executable).with_name("regenesis")), "round", "--seed", str(seed)],
            check=True,
        )


def train_control(settings: Settings) -> None:
    """Train on as many random unverified direct paths as the round did, and evaluate alike."""
    from tasks.training.train_adapter import model_of

    with open_workplace(settings) as work:
        steps.find_round(work, 0)
        wanted = one(
            work.store.select(TrainingSet, round_id=work.round.id, method="regenesis")
        ).examples
        if not work.store.select(TrainingSet, round_id=work.round.id, method="random"):
            select_control(work, wanted)
        control = one(work.store.select(TrainingSet, round_id=work.round.id, method="random"))
        adapter = trained(work, control)
        model = model_of(work.base.record, adapter)
        work.store.append([model])
        answer_gate(work, model)


def select_control(work: Workplace, wanted: int) -> None:
    """Direct paths of the round's train questions, and a random choice of `wanted` of them."""
    from tasks.guidelines import builtin_guidelines
    from tasks.synthesis.synthesize_paths import synthesize_paths
    from tasks.training.select_examples import SelectionPlan, select_examples

    questions = work.questions("train")
    chains = math.ceil(1.3 * wanted / len(questions))
    direct = with_settings(
        work.settings,
        synthesis={
            "strategy": "direct",
            "adaptive": False,
            "chains_per_question": chains,
            "hinted_retry": False,
        },
        selection={"accept": "any", "keep_per_question": chains},
    )
    work.ask(
        work.base.record,
        "Writing direct paths for the control",
        lambda asking: synthesize_paths(
            replace(asking, settings=direct), questions, builtin_guidelines()
        ),
        "synthesis",
    )
    sets = [found.id for found in work.question_sets("in_domain")]
    plan = SelectionPlan.of_round(work.round, direct, work.prompts, method="random", count=wanted)
    select_examples(work.store, plan, round=work.round, question_set_ids=sets, strategy="direct")


def trained(work: Workplace, training_set: TrainingSet) -> Adapter:
    """The adapter of this training set, trained now if it is not there."""
    from tasks.training.train_adapter import Training

    known = work.store.select(Adapter, training_set_id=training_set.id)
    if known:
        return known[-1]
    return work.train(Training(training_set, work.base, work.settings, work.round))


def answer_gate(work: Workplace, model: Model) -> None:
    """The control answers the round's gate questions."""
    from tasks.evaluation.evaluate_model import evaluate_model

    work.ask(
        model,
        "The control answers the gate questions",
        lambda asking: evaluate_model(asking, work.questions("gate"), "control"),
        "evaluation",
    )


def read_result(seed: int) -> tuple[SeedResult, list[list[float]]]:
    """What the seed's store says, and the lenient in-domain differences by set."""
    store = open_store(read_environment().store_url)
    record = one(store.select(Round, number=1))
    settings = settings_of(record)
    sets = {found.id: found for found in store.select(QuestionSet)}
    questions = store.select(Question, part="gate", draw=record.number, order_by="id")
    training = {found.method: found for found in store.select(TrainingSet, round_id=record.id)}
    models = {found.adapter_id: found for found in store.select(Model)}
    verdicts: dict[str, dict[object, Answer]] = {}
    for role, method in (("base", ""), ("challenger", "regenesis"), ("control", "random")):
        if method and method not in training:
            continue
        adapters = store.select(Adapter, training_set_id=training[method].id) if method else []
        model = models[adapters[-1].id if adapters else None]
        answers = store.select(Answer, model_id=model.id, sample=0)
        verdicts[role] = {answer.question_id: answer for answer in answers}
    compared: dict[str, dict[str, Compared]] = {"challenger": {}, "control": {}}
    lenient: list[list[float]] = []
    for role in compared:
        if role not in verdicts:
            continue
        for reading in ("strict", "lenient"):
            for domain in ("in_domain", "out_of_domain"):
                names = (
                    settings.questions.in_domain
                    if domain == "in_domain"
                    else settings.questions.out_of_domain
                )
                by_set: list[list[tuple[bool, bool]]] = []
                for name in names:
                    asked = [
                        question
                        for question in questions
                        if sets[question.question_set_id].name == name
                    ]
                    by_set.append(
                        [
                            (
                                is_right(verdicts["base"][q.id], reading),
                                is_right(verdicts[role][q.id], reading),
                            )
                            for q in asked
                        ]
                    )
                compared[role][f"{reading}/{domain}"] = compare(
                    [pair for pairs in by_set for pair in pairs]
                )
                if (role, reading, domain) == ("challenger", "lenient", "in_domain"):
                    lenient = [
                        [float(after) - float(before) for before, after in pairs]
                        for pairs in by_set
                    ]
    timings = json.loads(record.timings)
    result = SeedResult(
        seed,
        record.outcome,
        training["regenesis"].examples,
        timings.get("total_seconds", 0.0),
        timings.get("raw_tokens_per_second", 0.0),
        compared["challenger"],
        compared["control"],
    )
    return result, lenient


def compare(pairs: list[tuple[bool, bool]]) -> Compared:
    """Paired counts with the exact one-sided McNemar test for a gain."""
    gained = sum(after and not before for before, after in pairs)
    lost = sum(before and not after for before, after in pairs)
    return Compared(
        len(pairs),
        sum(before for before, _ in pairs),
        sum(after for _, after in pairs),
        gained,
        lost,
        mcnemar_gain(gained, lost),
    )


def pooled_interval(differences: list[list[float]]) -> Interval:
    """95 % interval of the mean difference, resampled within each set of each seed."""
    means = stratified_bootstrap(differences, 10_000, np.random.default_rng(0))
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(low), float(high))


def is_right(answer: Answer, reading: str) -> bool:
    return (answer.strict_verdict if reading == "strict" else answer.lenient_verdict) == "correct"


def with_settings(settings: Settings, **sections: dict[str, object]) -> Settings:
    """The same settings with some keys of some sections replaced."""
    merged = settings.model_dump(mode="json")
    for name, changes in sections.items():
        merged[name] |= changes
    return Settings.model_validate(merged)


def one(found: list[T]) -> T:
    """The last of what was found; the study's stores hold one round each."""
    if not found:
        raise LookupError("The seed's store lacks what the study needs; run it again to go on.")
    return found[-1]


def describe(result: SeedResult) -> str:
    """One line a comparison."""
    lines = [
        f"seed {result.seed}: {result.outcome}, {result.examples} examples, {result.seconds:.0f} s"
    ]
    for role, figures in (("challenger", result.challenger), ("control", result.control)):
        for key, found in figures.items():
            lines.append(
                f"  {role:10} {key:22} {found.base / found.questions:.3f} ->"
                f" {found.after / found.questions:.3f} (+{found.gained} -{found.lost}, p"
                f" {found.p_value:.2g})"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
