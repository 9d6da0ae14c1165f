"""The rows of a training set: a selection for each candidate, an example for each that is kept.

Texts are read from the store a page at a time and leave as Arrow, which holds a million of them.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, cast
from uuid import UUID

import numpy as np
import pyarrow as pa

from storage.ids import content_id
from storage.records import Path, Prompt, Question, Selection, TrainingExample
from storage.store.store import PAGE
from storage.store.tables import R, to_arrow
from tasks.rules.ladder.prompts import PromptTemplate, ask_question, parse_prompt
from tasks.rules.training.selection import rank
from tasks.training.candidates import read_paths
from tasks.training.decisions import KEPT, Decisions

if TYPE_CHECKING:
    from storage.open_store import Store
    from storage.store.arrow import ArrowTable


def selection_rows(identity: UUID, decisions: Decisions) -> "ArrowTable":
    """The reason of every candidate, in order of path id."""
    rows = (
        Selection(
            id=content_id("selections", identity, one.path_id),
            training_set_id=identity,
            path_id=one.path_id,
            verdict_id=one.verdict_id,
            draw=one.draw,
            kept=one.reason == KEPT,
            reason=one.reason,
        )
        for one in decisions
    )
    return _joined(Selection, iter(lambda: list(islice(rows, PAGE)), []))


def example_rows(
    store: "Store",
    identity: UUID,
    decisions: Decisions,
    answer_prompt: Prompt,
    seed: int,
) -> "ArrowTable":
    """Question -> path under the prompt that evaluation uses; `position` is the seeded order."""
    template, by_draw = parse_prompt(answer_prompt.text), defaultdict[int, list[UUID]](list)
    for one in decisions.kept():
        by_draw[one.draw].append(one.path_id)
    in_turn = sorted((id for ids in by_draw.values() for id in ids), key=partial(rank, seed))
    position = {id: place for place, id in enumerate(in_turn)}

    def example(path: Path, question: Question) -> TrainingExample:
        return TrainingExample(
            id=content_id("training_examples", identity, path.id),
            training_set_id=identity,
            path_id=path.id,
            question_id=path.question_id,
            position=position[path.id],
            prompt=ask_question(template, question).user,
            completion=completion(template, path),
            draw=path.draw,
        )

    def examples(page: Sequence[Path]) -> list[TrainingExample]:
        asked = {
            one.id: one for one in store.select(Question, id={one.question_id for one in page})
        }
        return [example(path, asked[path.question_id]) for path in page]

    return _joined(TrainingExample, map(examples, read_paths(store, by_draw)))


def digest_of(examples: "ArrowTable") -> str:
    """SHA-256 over prompts and completions, in order of position."""
    digest, between = hashlib.sha256(b"["), ""
    prompts, completions = examples["prompt"], examples["completion"]
    # looked up one by one: Arrow's own sorting copies all texts, and fails above 2 GB of them
    for row in map(int, np.argsort(np.asarray(examples["position"]))):
        # a list of lists, in which no two sets of texts look alike
        pair = json.dumps([prompts[row].as_py(), completions[row].as_py()])
        digest.update(f"{between}{pair}".encode())
        between = ", "
    digest.update(b"]")
    return digest.hexdigest()


def completion(template: PromptTemplate, path: Path) -> str:
    """The text that the model is taught: the path without words that the prompt begins."""
    return path.text.strip().removeprefix(template.assistant.strip()).strip()


def _joined(kind: type[R], pages: Iterable[Sequence[R]]) -> "ArrowTable":
    # an empty page first: a set that keeps nothing has columns too
    return cast(
        "ArrowTable", pa.concat_tables([to_arrow(kind, page) for page in chain([()], pages)])
    )
