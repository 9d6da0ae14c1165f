"""How far equal settings give equal texts on this engine, and that two draws of the same questions
do not repeat.

In each precision: draw 1 on a server that takes 128 requests at once, draw 1 again and draw 2 on
another that takes 24, so that nothing is batched as before; the same questions, every text at T
0.85. Ratio: the share of texts of draw 2 (adapted guidelines, structures, paths) that the same
question has not in draw 1, the lower of both; goal 0.99. Paths stand apart too, and how many are
equal by chance, inside one draw.
"""

import argparse
import json
from collections import defaultdict
from uuid import UUID

from engine_under_test import Bench, bench, train_questions

from storage.open_store import open_store
from storage.records import AdaptedGuideline, Path, Question, Structure
from tasks.settings import Settings, load_settings

GOAL = 0.99
TEMPERATURE = 0.85
KINDS = (AdaptedGuideline, Structure, Path)
Texts = dict[tuple[str, UUID], list[str]]  # by table and question


def every_chain() -> Settings:
    """The default preset's ladder, hot, every chain run."""
    hot = {"temperature": TEMPERATURE}
    stages = {"adapt": hot, "structure": hot, "path": hot}
    fixed = {"adaptive": False, "hinted_retry": False, "chains_per_question": 4}
    return load_settings(overrides={"synthesis": stages | fixed})


def texts_of(
    on: Bench, questions: list[Question], settings: Settings, draw: int, name: str
) -> Texts:
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
    return [
        text
        for question, texts in these.items()
        for text in texts
        if text in those.get(question, [])
    ]


def figures_of(precision: str, count: int) -> dict[str, float]:
    """Two servers of this precision."""
    settings = every_chain()
    with bench(128, precision) as on:
        questions = train_questions(on.folder, count, 1)
        first = texts_of(on, questions, settings, 1, "first")
    with bench(24, precision) as on:
        again = texts_of(on, questions, settings, 1, "again")
        other = texts_of(on, questions, settings, 2, "other")
    for text in equal_texts(paths_of(other), paths_of(first)):
        print(f"a path in both draws: {text!r}", flush=True)
    return {
        "equal_texts_of_another_draw": repeated(other, first),
        "equal_paths_of_another_draw": repeated(paths_of(other), paths_of(first)),
        "equal_paths_inside_a_draw": repeated_inside(paths_of(first)),
        "equal_texts_same_draw": repeated(again, first),
        "texts": sum(map(len, first.values())),
        "paths": sum(map(len, paths_of(first).values())),
    }


def main() -> None:
    """Both precisions, one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="512 paths in place of 128 each time")
    parser.add_argument("--questions", type=int, default=0)
    arguments = parser.parse_args()
    count = arguments.questions or (128 if arguments.full else 32)
    found = {precision: figures_of(precision, count) for precision in ("bfloat16", "float32")}
    other = max(figures["equal_texts_of_another_draw"] for figures in found.values())
    rounded = {
        precision: {name: round(value, 4) for name, value in each.items()}
        for precision, each in found.items()
    }
    line = {
        "name": "repeatability",
        "ratio": round(1 - other, 4),
        "goal": GOAL,
        "spread": [],
        "questions": count,
    }
    print(json.dumps(line | rounded | {"temperature": TEMPERATURE}))


if __name__ == "__main__":
    main()
