"""The authors' way (45 chains of one question together, the next when all are done) against ours,
on one engine.

Three ratios: (i) the same calls of preset `official-code`, streamed against question by question;
(ii) tokens for each accepted distinct path, `official-code` against `default`; (iii) accepted
distinct paths per minute, the authors' way against `default` streamed: the JSON line's `ratio`.
Both sides judged by our verdicts. Last, with no goal: held-out accuracy after training on equally
many accepted paths of each.
"""

import argparse
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

from engine_under_test import Bench, bench, train_questions
from seeds import answer_gate, is_right, share_models, trained

from flows.steps import round_steps as steps
from flows.steps.workplace import Workplace, open_workplace
from storage.environment import read_environment
from storage.open_store import open_store
from storage.records import Answer, Model, Question, TrainingSet
from tasks.rules.gate.statistics import wilson_interval
from tasks.settings import Sampling, Settings, load_settings
from tasks.training.select_examples import SelectionPlan, select_examples
from tasks.training.train_adapter import model_of

GOAL = 5.0
STORE = "compared"
Figures = dict[str, float]


@dataclass(frozen=True)
class Side:
    """What one way gave."""

    tokens: int
    calls: int
    accepted: int
    seconds: float

    @property
    def per_minute(self) -> float:
        """Accepted distinct paths."""
        return self.accepted / self.seconds * 60


def official(tokens: int, window: int) -> Settings:
    """The preset with at most `tokens` a call."""
    capped = {"temperature": 1.2, "top_p": 0.9, "max_tokens": tokens}
    return load_settings(
        "official-code",
        overrides={
            "synthesis": {
                "adapt": capped,
                "structure": capped,
                "path": capped,
                "window_chains": window,
                "hinted_retry": False,
            }
        },
    )


def run(
    on: Bench, questions: list[Question], settings: Settings, draw: int, *, one_by_one: bool = False
) -> Side:
    """All questions streamed, or each when the one before is done."""
    began = time.perf_counter()
    chunks = [[one] for one in questions] if one_by_one else [questions]
    reports = [on.synthesize(chunk, settings, draw, STORE)[0] for chunk in chunks]
    seconds = time.perf_counter() - began
    side = Side(
        tokens=sum(report.tokens for report in reports),
        calls=sum(sum(report.generated.values()) for report in reports),
        accepted=sum(report.accepted for report in reports),
        seconds=seconds,
    )
    print(f"draw {draw}: {side}", flush=True)
    return side


def main() -> None:
    """Three runs, one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="2,048 tokens a call, 24 questions")
    parser.add_argument(
        "--tokens", type=int, default=0, help="most a call (short form: at most 192)"
    )
    parser.add_argument("--questions", type=int, default=0)
    arguments = parser.parse_args()
    tokens = arguments.tokens or (2048 if arguments.full else 48)
    count = arguments.questions or (24 if arguments.full else 2)
    enough = 100 if arguments.full else 30
    with bench(128) as on:
        questions = train_questions(on.folder, count, 1)
        on.synthesize(train_questions(on.folder, 2, 99), load_settings(), 99, "warm-up")
        theirs = run(on, questions, official(tokens, 45), 1, one_by_one=True)
        streamed = run(on, questions, official(tokens, 192), 2)
        ours = run(on, questions, capped_default(tokens), 3)
        sides = {
            "official_code": (2, official(tokens, 192)),
            "default": (3, capped_default(tokens)),
        }
        taught = held_out(on, questions, sides) if min(streamed.accepted, ours.accepted) else {}
    measurable = min(theirs.accepted, ours.accepted) >= enough
    calls_ratio = (streamed.calls / streamed.seconds) / (theirs.calls / theirs.seconds)
    official_enough = min(streamed.accepted, ours.accepted) >= enough
    per_path = [side.tokens / side.accepted if side.accepted else 0.0 for side in (streamed, ours)]
    print(
        json.dumps(
            {
                "name": "synthesis_vs_official",
                "ratio": round(ours.per_minute / theirs.per_minute, 2)
                if measurable
                else "not measurable",
                "goal": GOAL,
                "spread": [],
                "calls_a_second_streamed_by_one_by_one": round(calls_ratio, 3),
                "tokens_an_accepted_path_official_by_default": round(per_path[0] / per_path[1], 2)
                if official_enough
                else "not measurable",
                "official_one_by_one": vars(theirs),
                "official_streamed": vars(streamed),
                "default": vars(ours),
                "held_out": taught or "not measurable",
                "size": {
                    "questions": count,
                    "most_tokens_a_call": tokens,
                    "accepted_needed": enough,
                },
            }
        )
    )


def held_out(
    on: Bench, questions: list[Question], sides: Mapping[str, tuple[int, Settings]]
) -> dict[str, Figures]:
    """Strict accuracy with its interval, by domain, of the base and of a challenger from each
    side's examples.
    """
    models, home = read_environment().models, on.folder / "home"
    os.environ |= {
        "REGENESIS_HOME": str(home),
        "REGENESIS_STORE": f"duckdb:///{on.folder / STORE}.duckdb",
    }
    share_models(models, home / "models")
    open_store(os.environ["REGENESIS_STORE"]).append(questions)
    asked = load_settings(
        overrides={"questions": {"train_per_set": 1, "gate_per_set": 64, "final_per_set": 1}}
    )
    with open_workplace(asked) as work:
        steps.begin_round(work)
        steps.ingest_questions(work)
        count = min(
            chosen_examples(work, questions, name, *side).examples for name, side in sides.items()
        )
        if count < asked.training.min_examples:
            return {}
        found = {"base": accuracy(work, work.base.record)}
        for name, side in sides.items():
            model = model_of(
                work.base.record,
                trained(work, chosen_examples(work, questions, name, *side, count)),
            )
            work.store.append([model])
            found[name] = {"examples": count} | accuracy(work, model)
    return found


def chosen_examples(
    work: Workplace,
    questions: list[Question],
    name: str,
    draw: int,
    settings: Settings,
    count: int = 0,
) -> TrainingSet:
    """What a side's own selection keeps of its paths; `count` of them at most, 0 for all."""
    plan = SelectionPlan.of_round(work.round, settings, work.prompts, method=name, count=count)
    sets = sorted({one.question_set_id for one in questions})
    return select_examples(work.store, plan, round=work.round, question_set_ids=sets, draws=[draw])


def accuracy(work: Workplace, model: Model) -> Figures:
    """Strict accuracy on the gate questions by domain, with its 95 % interval and how many were
    asked.
    """
    answer_gate(work, model)
    answers = {
        one.question_id: one for one in work.store.select(Answer, model_id=model.id, sample=0)
    }
    found: Figures = {}
    for domain in ("in_domain", "out_of_domain"):
        sets = {one.id for one in work.question_sets(domain)}
        asked = [one for one in work.questions("gate") if one.question_set_id in sets]
        right = sum(is_right(answers[one.id], "strict") for one in asked)
        interval = wilson_interval(right, len(asked))
        found |= {
            domain: round(right / len(asked), 4),
            f"{domain}_low": round(interval.low, 4),
            f"{domain}_high": round(interval.high, 4),
            f"{domain}_questions": len(asked),
        }
    return found


def capped_default(tokens: int) -> Settings:
    """The default preset with no stage longer than `tokens`."""
    settings = load_settings()
    stages: dict[str, Sampling] = {
        name: getattr(settings.synthesis, name) for name in ("adapt", "structure", "path")
    }
    capped = {
        name: {"max_tokens": min(tokens, sampling.max_tokens)} for name, sampling in stages.items()
    }
    return load_settings(overrides={"synthesis": capped})


if __name__ == "__main__":
    main()
