"""Matched budgets: which of each method's paths are trained on, so that no method has more.

Exact by paths and by questions; by tokens no method spends more than the one that spends least, and
each less than one chain below it. Pure and seeded: the same pools give the same training sets.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from storage.errors import InputError
from tasks.rules.training.selection import Candidate, Choice, rank


@dataclass(frozen=True)
class Entry:
    """What a method's filter let through, before matching."""

    name: str
    choices: Sequence[Choice]
    max_hinted_share: float
    parts: int = 1

    @property
    def kept(self) -> list[Candidate]:
        """What it would train on by itself."""
        return [choice.candidate for choice in self.choices if choice.kept]


def match_paths(entries: Sequence[Entry], seed: int, most: int = 0) -> list[list[Choice]]:
    """Training sets of equal size: the smallest of all, at most `most`.

    One of n parts gets an n-th of it.
    """
    size = min(len(entry.kept) * entry.parts for entry in entries)
    size = min(size, most) if most else size
    return [_of_size(entry, size // entry.parts, seed) for entry in entries]


def match_questions(entries: Sequence[Entry], seed: int, most: int = 0) -> list[list[Choice]]:
    """The same questions for all, and as many paths of each.

    One of n parts gets those among its own questions.

    `most` limits the examples: whole questions are taken, in the seed's order, while they fit.
    """
    counts = [
        Counter(candidate.question.id for candidate in entry.kept)
        for entry in entries
        if entry.parts == 1
    ]
    counts = counts or [
        Counter(candidate.question.id for entry in entries for candidate in entry.kept)
    ]
    shared = set.intersection(*(set(count) for count in counts))
    quota = {question: min(count[question] for count in counts) for question in shared}
    quota = _within(quota, seed, most)
    return [_of_questions(entry, quota, seed) for entry in entries]


def within_tokens(
    candidates: Sequence[Candidate], tokens: Mapping[UUID, float], budget: float, seed: int
) -> set[UUID]:
    """Ids of the paths that a budget of generated tokens pays for, in the seed's order.

    Hinted ones come last.

    `tokens` says by path id what its whole chain took, its share of chains that ended in nothing
    included.
    """
    paid: set[UUID] = set()
    spent = 0.0
    for candidate in sorted(candidates, key=lambda one: (one.path.hinted, rank(seed, one.path.id))):
        spent += tokens[candidate.path.id]
        if spent > budget:
            break
        paid.add(candidate.path.id)
    return paid


def refuse_empty(
    entries: Sequence[Entry], matched: Sequence[Sequence[Choice]], fewest: int
) -> None:
    """Raise InputError for a training set too small to learn from, naming the method with least."""
    for entry, choices in zip(entries, matched, strict=True):
        size = sum(choice.kept for choice in choices)
        if size < fewest:
            least = min(entries, key=lambda one: len(one.kept) * one.parts)
            raise InputError(
                f"Training needs at least {fewest} examples (training.min_examples); matched,"
                f" {entry.name!r} has {size}, because {least.name!r} has but {len(least.kept)}"
                " after its filter. Leave that method out, or draw more questions or chains."
            )


def _of_size(entry: Entry, size: int, seed: int) -> list[Choice]:
    """The choices with `size` kept, at most the allowed share of them hinted, drawn by the seed."""
    in_turn = sorted(entry.kept, key=lambda one: rank(seed, one.path.id))
    hinted = [one for one in in_turn if one.path.hinted]
    free = [one for one in in_turn if not one.path.hinted]
    # by chance as many hinted ones as among all it has, and never above its share; free ones make
    # up for the rest
    wanted = sum(one.path.hinted for one in in_turn[:size])
    # 1e-9, because 0.29 * 100 is 28.999999999999996, which `int` would make 28
    allowed = size if entry.max_hinted_share >= 1 else int(entry.max_hinted_share * size + 1e-9)
    taken_hinted = max(min(wanted, allowed), size - len(free))
    taken = {one.path.id for one in [*hinted[:taken_hinted], *free[: size - taken_hinted]]}
    return [
        _unless(choice, choice.candidate.path.id in taken, "over_count") for choice in entry.choices
    ]


def _of_questions(entry: Entry, quota: Mapping[UUID, int], seed: int) -> list[Choice]:
    by_question: defaultdict[UUID, list[Candidate]] = defaultdict(list)
    for one in sorted(entry.kept, key=lambda one: (one.path.hinted, rank(seed, one.path.id))):
        by_question[one.question.id].append(one)
    taken = {
        one.path.id
        for question, kept in by_question.items()
        for one in kept[: quota.get(question, 0)]
    }
    return [
        _unless(
            choice,
            choice.candidate.path.id in taken,
            "over_count" if choice.candidate.question.id in quota else "unmatched_question",
        )
        for choice in entry.choices
    ]


def _within(quota: Mapping[UUID, int], seed: int, most: int) -> dict[UUID, int]:
    chosen: dict[UUID, int] = {}
    for question in sorted(quota, key=lambda one: rank(seed, one)):
        if most and sum(chosen.values()) + quota[question] > most:
            break
        chosen[question] = quota[question]
    return chosen


def _unless(choice: Choice, taken: bool, reason: str) -> Choice:
    return choice if taken or not choice.kept else replace(choice, kept=False, reason=reason)
