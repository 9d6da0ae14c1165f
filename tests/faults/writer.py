"""A writer to be killed.

Appends batches and notes each one, durably, as soon as the store has acknowledged it.

Arguments: store URL, note file, writer's name, first batch. Every batch holds paths of its own and
paths that every other writer of the same moment writes too, each with a verdict, a selection and a
training example.
"""

import os
import sys
import time

from storage.open_store import open_store
from storage.records import (
    Adapter,
    Guideline,
    Model,
    Path,
    Question,
    QuestionSet,
    Record,
    Round,
    Selection,
    TrainingExample,
    TrainingSet,
    Verdict,
)
from tests.storage.examples import make, uid

OWN, SHARED = 20, 5
EVERYBODY = "everybody"
ROUND = 1


def surroundings() -> list[Record]:
    """What the batches' rows refer to, so that every view has them."""
    return [
        make(QuestionSet),
        make(Question, question_set_id=uid(QuestionSet)),
        make(Guideline),
        make(Model),
        make(Round, number=ROUND),
        make(TrainingSet, round_id=uid(Round)),
        make(Adapter, training_set_id=uid(TrainingSet), base_model_id=uid(Model)),
        make(Model, "taught", base_model_id=uid(Model), adapter_id=uid(Adapter)),
    ]


def batch(writer: str, number: int, moment: int) -> list[Record]:
    """The batch's records, always the same."""
    own = [record for n in range(OWN) for record in _path(writer, number, n)]
    return own + [record for n in range(SHARED) for record in _path(EVERYBODY, moment, n)]


def _path(writer: str, number: int, n: int) -> list[Record]:
    """A path, which says whose it is and of which batch, and what hangs on it."""
    key, path_id = (writer, number, n), uid(Path, (writer, number, n))
    return [
        make(
            Path,
            key,
            question_id=uid(Question),
            guideline_id=uid(Guideline),
            model_id=uid(Model),
            round_id=uid(Round),
            draw=ROUND,
            endpoint=writer,
            seed=number,
        ),
        make(Verdict, key, path_id=path_id, draw=ROUND),
        make(Selection, key, path_id=path_id, training_set_id=uid(TrainingSet), draw=ROUND),
        make(
            TrainingExample,
            key,
            path_id=path_id,
            training_set_id=uid(TrainingSet),
            question_id=uid(Question),
            draw=ROUND,
        ),
    ]


def main(url: str, notes: str, writer: str, first: str) -> None:
    store = open_store(url, busy_seconds=60, keep_log=True)  # as a run does
    descriptor = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    number = int(first)
    with store.alone(
        writer
    ):  # a lock that outlived its owner would keep the next of this name from its first batch
        while True:
            moment = int(time.time())
            store.append(batch(writer, number, moment))
            os.write(descriptor, f"{number} {moment}\n".encode())
            number += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
