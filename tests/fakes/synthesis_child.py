"""A process that synthesizes on a scripted engine until it is killed or done.

`python -m tests.fakes.synthesis_child URL N`.

Prints `running` when the first request is made, and at the end the number of requests it made.
"""

import sys

from storage.open_store import open_store
from tasks.asking import Asking
from tasks.settings import Settings
from tasks.synthesis.synthesize_paths import SynthesisReport, synthesize_paths
from tasks.verification.verify_paths import Judge
from tests.fakes.ladder_examples import MODEL, guidelines, question, right_sometimes, settings
from tests.fakes.scripted_engine import Asked, ScriptedEngine, TextRenderer, marked_prompts


def child_settings() -> Settings:
    """Every chain runs, so that any two runs end with the same rows."""
    return settings(
        adaptive=False,
        chains_per_question=3,
        hinted_chains=2,
        window_chains=8,
        commit_rows=7,
        commit_seconds=0.02,
    )


def synthesize_all(url: str, count: int, seconds: float) -> tuple[SynthesisReport, ScriptedEngine]:
    """One run over `count` questions; each request takes `seconds`."""
    told = False

    def delay(asked: Asked) -> float:
        nonlocal told
        if not told:
            told = True
            print("running", flush=True)
        return seconds

    engine = ScriptedEngine(right_sometimes(0.4, hinted=False), delay=delay)
    with Judge() as judge:
        report = synthesize_paths(
            Asking(
                open_store(url),
                engine,
                TextRenderer(),
                judge,
                model=MODEL,
                prompts=marked_prompts(),
                settings=child_settings(),
                draw=1,
            ),
            [question(number) for number in range(count)],
            guidelines(),
        )
    return report, engine


if __name__ == "__main__":
    made = synthesize_all(sys.argv[1], int(sys.argv[2]), 0.004)[1]
    print(len(made.asked), flush=True)
