"""The questions of a run in chunks: the plan of each, and what the store has of it."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, TypeVar
from uuid import UUID

from storage.records import AdaptedGuideline, Path, Question, Record, Structure, Verdict
from tasks.rules.answers.verdicts import VERIFIER_VERSION
from tasks.rules.ladder.adaptive import Tally
from tasks.rules.ladder.ladder import Chain, Ladder
from tasks.rules.training.acceptance import states_reference
from tasks.rules.training.selection import normalised

R = TypeVar("R", bound=Record)
# chains that one query of the store asks for: few queries, and few rows in memory at once
CHAINS_A_CHUNK = 4096


class Selects(Protocol):
    """The part of `storage.open_store.Store` that is read."""

    def select(self, record_type: type[R], *, order_by: str = "", **equal: object) -> list[R]:
        """Rows whose columns have these values."""
        ...

    def append(self, records: Sequence[Record]) -> int:
        """Acknowledge rows."""
        ...


@dataclass
class Existing:
    """What the store has of one question under this draw and model."""

    texts: dict[UUID, str] = field(default_factory=dict[UUID, str])
    paths: dict[UUID, Path] = field(default_factory=dict[UUID, Path])
    verdicts: dict[UUID, Verdict] = field(default_factory=dict[UUID, Verdict])


@dataclass(eq=False)
class QuestionWork:
    """One question on its way: chains waiting and running, distinct accepted texts."""

    question: Question
    existing: Existing
    waiting: deque[Chain]
    hinted: bool = False  # whether its hinted retry has begun
    in_flight: int = 0
    judged: int = 0
    right: int = 0  # chains whose answer is the reference, duplicates and refused ones included
    accepted_texts: set[int] = field(default_factory=set[int])
    queued: bool = False  # whether it stands in the scheduler's queue

    @property
    def tally(self) -> Tally:
        return Tally(
            len(self.accepted_texts), self.judged, self.in_flight, len(self.waiting), self.right
        )

    def note_accepted(self, text: str) -> bool:
        """Remember an accepted text; False when the question has it already."""
        mark = hash(normalised(text))
        if mark in self.accepted_texts:
            return False
        self.accepted_texts.add(mark)
        return True

    def remaining_chains(self, hinted_chains: int) -> int:
        """Chains that it may still need; near the end the question with most begins first."""
        return len(self.waiting) + (0 if self.hinted or self.accepted_texts else hinted_chains)


def question_chunks(questions: Iterable[Question], ladder: Ladder) -> Iterator[list[Question]]:
    """Questions in chunks of about CHAINS_A_CHUNK chains, each at most once per chunk."""
    source = iter(questions)
    size = max(16, CHAINS_A_CHUNK // ladder.settings.chains_per_question)
    while chunk := list(islice(source, size)):
        yield list({question.id: question for question in chunk}.values())


def read_existing(
    store: Selects, ladder: Ladder, questions: Sequence[Question]
) -> dict[UUID, Existing]:
    """What is there of these questions, by question id."""
    found: defaultdict[UUID, Existing] = defaultdict(Existing)
    ids = [question.id for question in questions]
    draw, model_id = ladder.draw, ladder.model_id
    for row in store.select(AdaptedGuideline, draw=draw, model_id=model_id, question_id=ids):
        found[row.question_id].texts[row.id] = row.text
    for row in store.select(Structure, draw=draw, model_id=model_id, question_id=ids):
        found[row.question_id].texts[row.id] = row.text
    paths = {
        row.id: row for row in store.select(Path, draw=draw, model_id=model_id, question_id=ids)
    }
    for row in paths.values():
        found[row.question_id].paths[row.id] = row
    if paths:
        for verdict in store.select(
            Verdict,
            draw=ladder.draw,
            path_id=list(paths),
            verifier="reference",
            verifier_version=VERIFIER_VERSION,
        ):
            found[paths[verdict.path_id].question_id].verdicts[verdict.path_id] = verdict
    return found


def right_by_reference(store: Selects, **which: Any) -> set[UUID]:
    """Paths that today's rules find right; votes and earlier rules do not count.

    `which`: columns of their verdicts, as `Store.select` takes them.
    """
    return {
        verdict.path_id
        for verdict in store.select(
            Verdict,
            verifier="reference",
            verifier_version=VERIFIER_VERSION,
            verdict="correct",
            **which,
        )
    }


def tells(ladder: Ladder, chain: Chain, texts: Mapping[UUID, str]) -> bool:
    """Whether the chain ends at its structure, because that gives away what is asked for."""
    structure = texts.get(chain.structure_id, "") if chain.structure_id else ""
    return ladder.settings.refuse_telling_structures and states_reference(structure, chain.question)


def plan_question(
    ladder: Ladder, question: Question, existing: Existing | None = None
) -> QuestionWork:
    """The question's work, with its free chains waiting, those nearest to their end first."""
    known = existing or Existing()
    chains = ladder.chains(question)
    if known.texts or known.paths:
        chains.sort(key=lambda chain: steps_left(chain, known))
    return QuestionWork(question, known, deque(chains))


def steps_left(chain: Chain, existing: Existing) -> int:
    """Stages of a chain that are still to be generated."""
    if chain.path_id in existing.paths:
        return 0
    return sum(identity not in existing.texts for identity in chain.ids)
