"""A store of right, wrong, hinted, cut and unjudged paths of two questions, and one of no round."""

from pathlib import Path
from typing import Any

from storage.open_store import Store, open_store
from storage.records import Model, Question, QuestionSet, Round, Verdict
from storage.records import Path as RecordedPath
from tests.storage.examples import make, uid

ROUND = make(Round, "one", number=1)
SOURCE = make(QuestionSet, "sums", name="sums", redistributable=True)
COLOURS = make(
    Question,
    "c",
    question_set_id=SOURCE.id,
    text="Which?",
    choices=["red", "blue"],
    answer="A",
    answer_kind="choice",
    part="train",
)
SUM = make(
    Question,
    "s",
    question_set_id=SOURCE.id,
    text="1 + 1?",
    answer="2",
    answer_kind="number",
    part="train",
)


def path(key: str, question: Question, text: str, verdict: str, **other: Any) -> list[Any]:
    values = {
        "draw": 1,
        "round_id": ROUND.id,
        "model_id": uid(Model, "base"),
        "finish_reason": "stop",
        "hinted": False,
    } | other
    one = make(RecordedPath, key, question_id=question.id, text=text, **values)
    judged = make(
        Verdict, key, path_id=one.id, draw=one.draw, verdict=verdict, verifier="reference"
    )
    return [one, judged]


def judged_store(folder: Path) -> Store:
    """The store, in a new file of the folder."""
    store = open_store(f"duckdb:///{folder / 'store.duckdb'}")
    rows = [
        *path("r1", SUM, "It is 2. ", "correct"),
        *path("r2", SUM, "Two, so 2.", "correct"),
        *path("r3", SUM, "It is 2. ", "correct"),
        *path("w1", SUM, "It is 3.", "wrong"),
        *path("u1", SUM, "Well.", "unjudged"),
        *path("h1", SUM, "As told, 4.", "wrong", hinted=True),
        *path("l1", SUM, "It is cut", "wrong", finish_reason="length"),
        *path("d2", SUM, "It is 5.", "wrong", draw=2),
        *path("o1", SUM, "It is 2, as a comparison wrote.", "correct", round_id=None),
        *path("c1", COLOURS, "A.", "correct"),
        *path("c2", COLOURS, "B.", "wrong"),
    ]
    for kind in (Round, QuestionSet, Question, RecordedPath, Verdict):
        store.append([one for one in [ROUND, SOURCE, SUM, COLOURS, *rows] if isinstance(one, kind)])
    return store
