"""Which paths may be chosen from, read from the store a few questions at a time.

Draws, question sets and a strategy in; candidates with their newest verdicts out. It decides
nothing.
"""

import json
from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from storage.records import Path, Question, Strategy, Verdict
from storage.store.store import PAGE
from tasks.rules.training.selection import Candidate

if TYPE_CHECKING:
    from storage.open_store import Store

# with 25 chains a question 12,500 paths, which are 50 MB as Python objects
QUESTIONS_AT_ONCE = 500


class Drawn(NamedTuple):
    """Which paths may be chosen from."""

    draws: tuple[int, ...]
    question_set_ids: tuple[UUID, ...]
    strategy: Strategy


Asked = Mapping[int, Sequence[UUID]]
"""The train questions that have a path to choose from, by the draw that asked them."""


def read_asked(store: "Store", drawn: Drawn) -> Asked:
    """The train questions of these sets that have a path in these draws by this strategy."""
    pairs = store.query(
        "SELECT draw, question_id FROM paths"
        " WHERE draw IN (SELECT unnest(?::BIGINT[])) AND strategy = ?"
        " AND question_id IN (SELECT id FROM questions WHERE part = 'train'"
        " AND question_set_id IN (SELECT unnest(?::UUID[])))"
        " GROUP BY draw, question_id ORDER BY min(id)",
        [list(drawn.draws), drawn.strategy, list(drawn.question_set_ids)],
    )
    by_draw: defaultdict[int, list[UUID]] = defaultdict(list)
    for draw, id in zip(pairs["draw"].to_pylist(), pairs["question_id"].to_pylist(), strict=True):
        by_draw[draw].append(id)
    return by_draw


def read_questions(store: "Store", asked: Asked) -> Generator[Question]:
    """Each question that was asked, once."""
    ids = list(dict.fromkeys(id for own in asked.values() for id in own))
    for start in range(0, len(ids), PAGE):
        yield from store.select(Question, id=ids[start : start + PAGE])


def read_candidates(
    store: "Store", drawn: Drawn, asked: Asked, verifier: str = ""
) -> Generator[Candidate]:
    """Every path of the asked questions, draw by draw, with its newest verdict.

    Those of the vote with verifier `majority`. Between two reads others may write.
    """
    for draw, ids in asked.items():
        for start in range(0, len(ids), QUESTIONS_AT_ONCE):
            some = ids[start : start + QUESTIONS_AT_ONCE]
            with store.reading():
                questions = {one.id: one for one in store.select(Question, id=some)}
                paths = store.select(Path, draw=draw, strategy=drawn.strategy, question_id=some)
                found = as_candidates(store, paths, questions, [draw], verifier)
            yield from found


def as_candidates(
    store: "Store",
    paths: Sequence[Path],
    questions: Mapping[UUID, Question],
    draws: Sequence[int],
    verifier: str = "",
) -> list[Candidate]:
    """Paths with their newest verdicts, ordered by path id.

    Those of the vote with verifier `majority`.
    """
    verdicts: dict[UUID, Verdict] = {}
    self_checks: dict[UUID, bool] = {}
    for verdict in store.select(Verdict, draw=list(draws), path_id=[path.id for path in paths]):
        if "self_check" in verdict.details:
            self_checks[verdict.path_id] = bool(json.loads(verdict.details).get("self_check", True))
        # The audit's second judge reads besides the first and never decides what is trained on.
        if verdict.verifier == "second" or (verdict.verifier == "majority") != (
            verifier == "majority"
        ):
            continue
        before = verdicts.get(verdict.path_id)
        # A person's word stands above a rule's; of two rules the newer version's.
        if before is None or _weight(verdict) > _weight(before):
            verdicts[verdict.path_id] = verdict
    return [
        Candidate(
            path, verdicts.get(path.id), questions[path.question_id], self_checks.get(path.id)
        )
        for path in sorted(paths, key=lambda path: path.id.bytes)
    ]


def read_held_out(store: "Store", draws: Sequence[int]) -> list[Question]:
    """Gate and final questions that this round may ask: fixed ones and those of its newest draw."""
    # earlier rounds' gate questions are not asked again: each round draws its own
    newest = max(draws, default=0)
    return [
        *store.select(Question, part="gate", draw=[0, newest]),
        *store.select(Question, part="final"),
    ]


def read_paths(store: "Store", ids: Mapping[int, Sequence[UUID]]) -> Generator[list[Path]]:
    """The paths of these ids, given by draw, a page at a time."""
    for draw, own in ids.items():
        for start in range(0, len(own), PAGE):
            yield store.select(Path, draw=draw, id=own[start : start + PAGE], order_by="id")


def _weight(verdict: Verdict) -> tuple[bool, datetime, str]:
    return verdict.verifier == "human", verdict.created_at, verdict.verifier_version
