"""How far equal settings give equal texts on this engine, and that two draws of the same questions do not repeat.

Three servers, seeded as rounds seed them: draw 1, draw 1 again, draw 2, each asked the same questions at T 0.85; and
greedy paths twice on one server. Ratio: the share of paths of draw 2 that draw 1 does not have; goal 0.99.
"""

import argparse
import json
from collections import defaultdict
from uuid import UUID

from engine_under_test import Bench, bench, train_questions

from storage.ids import content_id, seed_of
from storage.records import Path, Question
from storage.repository import open_store
from tasks.settings import Settings, load_settings

GOAL = 0.99
Texts = dict[UUID, list[str]]


def every_chain(temperature: float, chains: int) -> Settings:
    """The default preset's ladder at one temperature, every chain run."""
    hot = {"temperature": temperature}
    stages = {"adapt": hot, "structure": hot, "path": hot}
    fixed = {"adaptive": False, "hinted_retry": False, "chains_per_question": chains}
    return load_settings(overrides={"synthesis": stages | fixed})


def paths_of(on: Bench, questions: list[Question], settings: Settings, draw: int, name: str) -> Texts:
    """The texts of each question's paths, in the order of their ids."""
    on.synthesize(questions, settings, draw, name)
    texts: defaultdict[UUID, list[str]] = defaultdict(list)
    for path in open_store(f"duckdb:///{on.folder / name}.duckdb").select(Path, order_by="id"):
        texts[path.question_id].append(path.text)
    return texts


def repeated(these: Texts, those: Texts) -> float:
    """Share of the first's texts that the same question has in the second."""
    return len(equal_texts(these, those)) / sum(map(len, these.values()))


def equal_texts(these: Texts, those: Texts) -> list[str]:
    """The first's texts that the same question has in the second."""
    return [text for question, texts in these.items() for text in texts if text in those.get(question, [])]


def main() -> None:
    """Four comparisons, one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="512 paths in place of 128 each time")
    parser.add_argument("--questions", type=int, default=0)
    arguments = parser.parse_args()
    count = arguments.questions or (128 if arguments.full else 32)
    hot, greedy = every_chain(0.85, 4), every_chain(0.0, 1)
    texts: list[Texts] = []
    twice: list[Texts] = []
    for turn, draw in enumerate((1, 1, 2)):
        with bench(128, seed_of(content_id("server_seed", hot.seed, draw))) as on:
            questions = train_questions(on.folder, count, 1)
            texts.append(paths_of(on, questions, hot, draw, f"hot-{turn}"))
            if turn == 0:
                twice = [paths_of(on, questions, greedy, 1, f"greedy-{again}") for again in range(2)]
    for text in equal_texts(texts[2], texts[0]):
        print(f"in both draws: {text!r}", flush=True)
    other_draw = repeated(texts[2], texts[0])
    figures = {
        "name": "repeatability", "ratio": round(1 - other_draw, 4), "goal": GOAL, "spread": [],
        "equal_texts_of_another_draw": round(other_draw, 4),
        "equal_texts_same_draw_another_server": round(repeated(texts[1], texts[0]), 4),
        "equal_texts_greedy_same_server": round(repeated(twice[1], twice[0]), 4),
        "questions": count, "paths_a_draw": sum(map(len, texts[0].values())), "temperature": 0.85,
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
