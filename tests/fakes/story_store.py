"""The story of three rounds in a real store, as an export reads it.

Settings, seeds, a licence, texts that would break what is careless.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from storage.open_store import Store, open_store
from storage.records import Path as RecordedPath
from storage.records import Question, Round, TrainingExample, TrainingSet
from tests.storage.examples import make
from tests.storage.story import SUMS, round_id, whole_story

HOSTILE = '<script>"\\\'</script> {"a": 1}\r\n```\u2028=1+1\t\U0001f600 __import__("os")'
DESCRIBED: dict[str, Any] = {
    "selection": {"keep_per_question": 5},
    "system": "Be brief.",
    "prefill": "Work: ",
    "contaminated": [{"share": 1}],
}
NEWEST = make(TrainingSet, (3, "regenesis"))


def story_store(file: Path, *, redistributable: bool = True) -> Store:
    """The newest training set has a system message, a prefill and hostile texts.

    One question has choices.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    store = open_store(f"duckdb:///{file}")
    store.append(whole_story())
    licence = "CC BY-SA 4.0" if redistributable else "research only"
    store.update(
        replace(SUMS, licence=licence, citation="Doe, Sums, 2026", redistributable=redistributable)
    )
    for one in store.select(TrainingSet):
        own = one.method == "regenesis" and one.round_id == round_id(3)
        store.update(replace(one, settings=json.dumps(DESCRIBED if own else {}), seed=11))
    for one in store.select(Round):
        store.update(replace(one, settings="{}", seed=5))
    for example in store.select(TrainingExample, training_set_id=NEWEST.id):
        number = example.position
        store.update(
            replace(
                example,
                prompt=f"Q{number}? {HOSTILE}",
                completion=f"{HOSTILE} The answer is {number}.",
            )
        )
    lettered = store.select(RecordedPath, draw=1, order_by="id")[0].question_id
    store.update(
        replace(store.select(Question, id=lettered)[0], text="Which?", choices=["red", "blue"])
    )
    return store
