"""Does the forecast's interval hold?

Real small rounds' synthesis on the embedded model, each probed before it begins.

For each round the probe's interval for generated tokens, seconds and accepted paths is held against
what the probe and the rest of the round then took. Ratio: the share of rounds in which all three
held; goal 0.8 (8 of 10).
"""

import argparse
import json
import time
from dataclasses import dataclass

from engine_under_test import Bench, bench, train_questions

from storage.open_store import open_store
from tasks.asking import Asking
from tasks.rules.ladder.round_costs import Estimate
from tasks.settings import load_settings
from tasks.synthesis.round_forecast import Hardware, forecast_round
from tasks.synthesis.synthesize_paths import synthesize_paths
from tasks.verification.verify_paths import Judge

GOAL = 0.8
NO_TRAINING = 1e12  # tokens a second: synthesis alone is forecast here


@dataclass(frozen=True)
class Held:
    """One forecast figure and what came."""

    name: str
    interval: Estimate
    actual: float

    @property
    def within(self) -> bool:
        """Whether the interval held."""
        return self.interval.low <= self.actual <= self.interval.high

    def as_json(self) -> dict[str, float | bool]:
        """For the last line."""
        one = self.interval
        return {
            "low": round(one.low, 1),
            "value": round(one.value, 1),
            "high": round(one.high, 1),
            "actual": round(self.actual, 1),
            "held": self.within,
        }


def one_round(on: Bench, number: int, count: int, probe: int) -> list[Held]:
    """Probe, then the whole synthesis under the same draw."""
    settings, questions = load_settings(), train_questions(on.folder, count, number)
    store = open_store(f"duckdb:///{on.folder / f'round-{number}'}.duckdb")
    began = time.perf_counter()
    with Judge() as judge:
        expected = forecast_round(
            Asking(
                store,
                on.server.engine(on.renderer),
                on.renderer,
                judge,
                model=on.model,
                prompts=on.prompts,
                settings=settings,
                draw=number,
            ),
            questions,
            on.guidelines,
            evaluation_answers=0,
            probe_questions=probe,
            hardware=Hardware(training_tokens_per_second=NO_TRAINING),
        )
        report = synthesize_paths(
            Asking(
                store,
                on.server.engine(on.renderer),
                on.renderer,
                judge,
                model=on.model,
                prompts=on.prompts,
                settings=settings,
                draw=number,
            ),
            questions,
            on.guidelines,
        )
    seconds = time.perf_counter() - began
    tokens = store.query(
        "SELECT sum(completion_tokens)::BIGINT AS n FROM (SELECT completion_tokens FROM"
        " adapted_guidelines UNION ALL SELECT completion_tokens FROM structures UNION ALL SELECT"
        " completion_tokens FROM paths)"
    ).to_pylist()[0]["n"]
    found = [
        Held("tokens", expected.generated_tokens, tokens),
        Held("seconds", expected.seconds, seconds),
        Held("accepted", expected.accepted_paths, report.accepted),
    ]
    print(
        f"round {number}: " + ", ".join(f"{one.name} {one.as_json()}" for one in found), flush=True
    )
    return found


def main() -> None:
    """Round after round, one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="10 rounds in place of 3")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--probe", type=int, default=8)
    arguments = parser.parse_args()
    count = arguments.rounds or (10 if arguments.full else 3)
    with bench(128) as on:
        on.synthesize(train_questions(on.folder, 2, 99), load_settings(), 99, "warm-up")
        rounds = [
            one_round(on, number, arguments.questions, arguments.probe)
            for number in range(1, count + 1)
        ]
    held = {
        name: sum(one.within for found in rounds for one in found if one.name == name)
        for name in ("tokens", "seconds", "accepted")
    }
    every = sum(all(one.within for one in found) for found in rounds)
    figures = {
        "name": "forecast",
        "ratio": round(every / count, 3),
        "goal": GOAL,
        "spread": [],
        "rounds": count,
        "held_all_three": every,
        **{f"held_{name}": number for name, number in held.items()},
        "questions": arguments.questions,
        "probe_questions": arguments.probe,
        "each": [{one.name: one.as_json() for one in found} for found in rounds],
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
