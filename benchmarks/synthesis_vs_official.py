"""The authors' way (45 chains of one question together, the next when all are done) against ours, on one engine.

Three ratios: (i) the same calls of preset `official-code`, streamed against question by question; (ii) tokens for
each accepted distinct path, `official-code` against `default`; (iii) accepted distinct paths per minute, the
authors' way against `default` streamed: the JSON line's `ratio`. Both sides judged by our verdicts.
"""

import argparse
import json
import time
from dataclasses import dataclass

from engine_under_test import Bench, bench, train_questions

from storage.records import Question
from tasks.settings import Sampling, Settings, load_settings

GOAL = 5.0


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
        overrides={"synthesis": {"adapt": capped, "structure": capped, "path": capped, "window_chains": window,
                                 "hinted_retry": False}},
    )  # fmt: skip


def run(on: Bench, questions: list[Question], settings: Settings, draw: int, *, one_by_one: bool = False) -> Side:
    """All questions streamed, or each when the one before is done."""
    began = time.perf_counter()
    chunks = [[one] for one in questions] if one_by_one else [questions]
    reports = [on.synthesize(chunk, settings, draw, f"official-{draw}")[0] for chunk in chunks]
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
    parser.add_argument("--tokens", type=int, default=0, help="most a call (short form: at most 192)")
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
    measurable = min(theirs.accepted, ours.accepted) >= enough
    calls_ratio = (streamed.calls / streamed.seconds) / (theirs.calls / theirs.seconds)
    official_enough = min(streamed.accepted, ours.accepted) >= enough
    per_path = [side.tokens / side.accepted if side.accepted else 0.0 for side in (streamed, ours)]
    print(
        json.dumps(
            {"name": "synthesis_vs_official",
             "ratio": round(ours.per_minute / theirs.per_minute, 2) if measurable else "not measurable",
             "goal": GOAL, "spread": [],
             "calls_a_second_streamed_by_one_by_one": round(calls_ratio, 3),
             "tokens_an_accepted_path_official_by_default":
                 round(per_path[0] / per_path[1], 2) if official_enough else "not measurable",
             "official_one_by_one": vars(theirs), "official_streamed": vars(streamed), "default": vars(ours),
             "size": {"questions": count, "most_tokens_a_call": tokens, "accepted_needed": enough}}
        )
    )  # fmt: skip


def capped_default(tokens: int) -> Settings:
    """The default preset with no stage longer than `tokens`."""
    settings = load_settings()
    stages: dict[str, Sampling] = {name: getattr(settings.synthesis, name) for name in ("adapt", "structure", "path")}
    capped = {name: {"max_tokens": min(tokens, sampling.max_tokens)} for name, sampling in stages.items()}
    return load_settings(overrides={"synthesis": capped})


if __name__ == "__main__":
    main()
