"""What a synthesis would do: what is reused, and what will be generated at most."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from storage.records import Question
from tasks.rules.ladder.adaptive import reason_to_stop
from tasks.rules.ladder.ladder import RESTATED_KINDS, Chain, Ladder
from tasks.rules.training.acceptance import refusal_of_path
from tasks.settings import SelectionSettings
from tasks.synthesis.question_work import (
    Existing,
    QuestionWork,
    plan_question,
    question_chunks,
    read_existing,
    tells,
)

if TYPE_CHECKING:
    from storage.open_store import Store


@dataclass(frozen=True)
class SynthesisPlan:
    """Requests by stage; where sampling is adaptive a run asks fewer."""

    draw: int
    questions: int
    finished_questions: int  # enough accepted, or every chain ended
    candidates: int
    ended: int  # candidates whose path and verdict are stored
    reused: Mapping[str, int]
    to_generate: Mapping[str, int]
    hinted_at_most: Mapping[str, int]  # if no free chain of the unsolved questions succeeds
    adaptive: bool

    def lines(self) -> list[str]:
        """What a person reads."""
        bound = "at most " if self.adaptive else ""
        chains = f"{self.candidates} chains, {self.ended} of them ended"
        return [
            (
                f"draw {self.draw}: {self.questions} questions, {self.finished_questions} of them"
                f" finished; {chains}"
            ),
            f"reused: {_counts(self.reused)}",
            f"to generate: {bound}{_counts(self.to_generate)}",
            f"in a hinted retry: at most {_counts(self.hinted_at_most)}",
        ]


def plan_synthesis(
    store: "Store", ladder: Ladder, questions: Iterable[Question], selection: SelectionSettings
) -> SynthesisPlan:
    """What a synthesis by this ladder finds in the store, and would generate; reads only."""
    counts = _Counts(selection)
    for chunk in question_chunks(questions, ladder):
        found = read_existing(store, ladder, chunk)
        for question in chunk:
            _count_question(counts, ladder, plan_question(ladder, question, found.get(question.id)))
    return SynthesisPlan(
        draw=ladder.draw,
        questions=counts.questions,
        finished_questions=counts.finished,
        candidates=counts.candidates,
        ended=counts.ended,
        reused=dict(counts.reused),
        to_generate=dict(counts.to_generate),
        hinted_at_most=dict(counts.hinted),
        adaptive=ladder.settings.adaptive,
    )


class _Counts:
    def __init__(self, selection: SelectionSettings) -> None:
        self.selection = selection
        self.questions = self.finished = self.candidates = self.ended = 0
        self.reused: Counter[str] = Counter()
        self.to_generate: Counter[str] = Counter()
        self.hinted: Counter[str] = Counter()


def _count_question(counts: _Counts, ladder: Ladder, work: QuestionWork) -> None:
    counts.questions += 1
    counts.candidates += len(work.waiting)
    chains = _without_ended(counts, ladder, work, list(work.waiting))
    stopped = bool(reason_to_stop(ladder.settings, work.tally))
    for chain in [] if stopped else chains:
        _count_chain(counts.reused, counts.to_generate, ladder, chain, work.existing)
    retry = (
        []
        if work.accepted_texts
        else _without_ended(
            counts, ladder, work, ladder.chains(work.question, hinted=True), planned=False
        )
    )
    for chain in retry:
        _count_chain(counts.reused, counts.hinted, ladder, chain, work.existing)
    counts.finished += stopped or not (chains or retry)


def _without_ended(
    counts: _Counts,
    ladder: Ladder,
    work: QuestionWork,
    chains: list[Chain],
    *,
    planned: bool = True,
) -> list[Chain]:
    """The chains that have not ended; the others are counted."""
    open_chains: list[Chain] = []
    for chain in chains:
        verdict = work.existing.verdicts.get(chain.path_id)
        if verdict is None and not tells(ladder, chain, work.existing.texts):
            open_chains.append(chain)
            continue
        counts.ended += 1
        counts.candidates += not planned
        known = work.existing.texts.keys() | work.existing.paths.keys()
        counts.reused.update(
            stage for stage, identity in ladder.stages_of(chain) if identity in known
        )
        work.judged += planned and verdict is not None
        if verdict is not None and verdict.verdict == "correct":
            work.right += planned
            path = work.existing.paths[chain.path_id]
            if not refusal_of_path(path, verdict, chain.question, counts.selection):
                work.note_accepted(path.text)
    return open_chains


def _count_chain(
    reused: Counter[str],
    to_generate: Counter[str],
    ladder: Ladder,
    chain: Chain,
    existing: Existing,
) -> None:
    for stage, identity in ladder.stages_of(chain):
        known = identity in existing.texts or identity in existing.paths
        (reused if known else to_generate)[stage] += 1
    if chain.path_id not in existing.paths:
        after = {
            "close": ladder.settings.close_paths,
            "summary": ladder.settings.summary,
            "self_check": ladder.settings.self_check,
            "restate": ladder.settings.restate and chain.question.answer_kind in RESTATED_KINDS,
        }
        to_generate.update(stage for stage, wanted in after.items() if wanted)


def _counts(counts: Mapping[str, int]) -> str:
    if not counts:
        return "nothing"
    return (
        f"{sum(counts.values())} ("
        + ", ".join(f"{count} {stage}" for stage, count in counts.items())
        + ")"
    )
