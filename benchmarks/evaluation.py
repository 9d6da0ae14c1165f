"""An evaluation against raw vLLM.

The recorded prompts and lengths of each run, sent to the same server at once.

Judging and storage are on in our side, from the first request to the last row committed. A second
evaluation of the same model must ask nothing and cost no token; the run fails otherwise.
"""

import argparse
import json
import statistics
import time

from engine_under_test import Bench, RecordingEngine, bench
from synthesis_vs_raw import replay

from storage.open_store import Store, open_store
from storage.records import Evaluation, Question
from tasks.asking import Asking
from tasks.evaluation.evaluate_model import evaluate_model
from tasks.ingestion.ingest_questions import ingest_embedded
from tasks.settings import Settings, load_settings
from tasks.verification.verify_paths import Judge

GOAL = 0.9


def evaluated(
    on: Bench, store: Store, questions: list[Question], settings: Settings, draw: int
) -> tuple[RecordingEngine, list[Evaluation], float]:
    """One evaluation; the last figure is when its last row was committed."""
    engine = RecordingEngine(on.server.engine(on.renderer))
    with Judge() as judge:
        rows = evaluate_model(
            Asking(
                store,
                engine,
                on.renderer,
                judge,
                model=on.model,
                prompts=on.prompts,
                settings=settings,
                draw=draw,
            ),
            questions,
            "base",
        )
    return engine, rows, time.perf_counter()


def main() -> None:
    """Alternating pairs; one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the default round's size, five pairs")
    parser.add_argument("--sequences", type=int, default=128, help="of the server at once")
    arguments = parser.parse_args()
    pairs, each = (5, 64) if arguments.full else (3, 32)
    settings = load_settings(
        overrides={"questions": {"train_per_set": 0, "gate_per_set": each, "final_per_set": 0}}
    )
    figures: list[dict[str, float]] = []
    again = 0
    with bench(arguments.sequences) as on:
        store = open_store(f"duckdb:///{on.folder / 'evaluation.duckdb'}")
        for draw in range(1, pairs + 1):
            ingest_embedded(store, settings, draw)
            questions = store.select(Question, part="gate", draw=draw, order_by="id")
            engine, _, committed = evaluated(on, store, questions, settings, draw)
            tokens = sum(one.tokens for one in engine.answered)
            ours = tokens / (committed - engine.first_request)
            _, raw = replay(on, engine.answered)
            repeated, _, _ = evaluated(on, store, questions, settings, draw)
            again += len(repeated.answered)
            figures.append(
                {
                    "ours": round(ours, 1),
                    "raw": round(raw, 1),
                    "tokens": tokens,
                    "answers": len(questions),
                }
            )
            print(f"pair {draw}: {ours:.0f} / {raw:.0f} tokens/s", flush=True)
        precision = on.server.precision
    ratios = [one["ours"] / one["raw"] for one in figures]
    print(
        json.dumps(
            {
                "name": "evaluation",
                "ratio": round(statistics.median(ratios), 3),
                "goal": GOAL,
                "spread": round(max(ratios) - min(ratios), 3),
                "requests_of_second_evaluations": again,
                "pairs": figures,
                "precision": precision,
                "size": {"pairs": pairs, "questions_a_set": each, "sequences": arguments.sequences},
            }
        )
    )
    if again:
        raise SystemExit("A second evaluation of the same model asked again.")


if __name__ == "__main__":
    main()
