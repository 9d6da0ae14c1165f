"""How far equal settings give equal texts on this engine, and that two draws of the same questions do not repeat.

Three servers, seeded as rounds seed them: draw 1, draw 1 again, draw 2, each asked the same questions at T 0.85; and
greedy paths twice on one server. Ratio: the share of texts of draw 2 (adapted guidelines, structures, paths) that the
same question has not in draw 1; goal 0.99. Paths stand apart too, and how many are equal by chance, inside one draw.
"""

import argparse
import json
from collections import defaultdict
from uuid import UUID

from engine_under_test import Bench, bench, train_questions

from storage.ids import content_id, seed_of
from storage.records import AdaptedGuideline, Path, Question, Structure
from storage.repository import open_store
from tasks.settings import Settings, load_settings

GOAL = 0.99
KINDS = (AdaptedGuideline, Structure, Path)
Texts = dict[tuple[str, UUID], list[str]]  # by table and question


def every_chain(temperature: float, chains: int) -> Settings:
    """The default preset's ladder at one temperature, every chain run."""
    hot = {"temperature": temperature}
    stages = {"adapt": hot, "structure": hot, "path": hot}
    fixed = {"adaptive": False, "hinted_retry": False, "chains_per_question": chains}
    return load_settings(overrides={"synthesis": stages | fixed})


def texts_of(on: Bench, questions: list[Question], settings: Settings, draw: int, name: str) -> Texts:
    """Everything that was generated for each question, in the order of the ids."""
    on.synthesize(questions, settings, draw, name)
    store = open_store(f"duckdb:///{on.folder / name}.duckdb")
    texts: defaultdict[tuple[str, UUID], list[str]] = defaultdict(list)
    for kind in KINDS:
        for row in store.select(kind, order_by="id"):
            texts[kind.table, row.question_id].append(row.text)
    return texts


def paths_of(texts: Texts) -> Texts:
    """The paths alone."""
    return {key: found for key, found in texts.items() if key[0] == Path.table}


def repeated_inside(texts: Texts) -> float:
    """Share of texts that another of the same question equals: what chance alone gives."""
    several = [found.count(text) > 1 for found in texts.values() for text in found]
    return sum(several) / len(several)


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
            texts.append(texts_of(on, questions, hot, draw, f"hot-{turn}"))
            if turn == 0:
                twice = [texts_of(on, questions, greedy, 1, f"greedy-{again}") for again in range(2)]
    paths, greedy_paths = [paths_of(each) for each in texts], [paths_of(each) for each in twice]
    for text in equal_texts(paths[2], paths[0]):
        print(f"a path in both draws: {text!r}", flush=True)
    other_draw = repeated(texts[2], texts[0])
    figures = {
        "name": "repeatability", "ratio": round(1 - other_draw, 4), "goal": GOAL, "spread": [],
        "equal_texts_of_another_draw": round(other_draw, 4),
        "equal_paths_of_another_draw": round(repeated(paths[2], paths[0]), 4),
        "equal_paths_inside_a_draw": round(repeated_inside(paths[0]), 4),
        "equal_paths_same_draw_another_server": round(repeated(paths[1], paths[0]), 4),
        "equal_paths_greedy_same_server": round(repeated(greedy_paths[1], greedy_paths[0]), 4),
        "questions": count, "texts_a_draw": sum(map(len, texts[0].values())),
        "paths_a_draw": sum(map(len, paths[0].values())), "temperature": 0.85,
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
