"""Which of its three disjoint parts a question belongs to, fixed by its text alone; seeded choices among questions."""

import random
from collections.abc import Sequence
from uuid import UUID

from storage.ids import content_id, seed_of
from storage.records import Part, Question


def part_of(text: str, split: str, shares: tuple[float, float, float]) -> Part:
    """The part of a question by its source's `split` ("train", "test" or "") and the (train, gate, final) shares.

    A train split trains; a test split is halved between gate and final in the proportion of their shares; a
    source without splits is divided by all three. The same text always falls into the same part.
    """
    place = seed_of(content_id("part", text)) / 0x7FFFFFFF
    train, gate, final = shares
    if split == "train":
        return "train"
    if split:
        return "gate" if place * (gate + final) < gate else "final"
    if place < train:
        return "train"
    return "gate" if place < train + gate else "final"


def sample_questions(questions: Sequence[Question], count: int, seed: int) -> list[Question]:
    """At most `count` of them, chosen by `seed` alone, in a stable order."""
    ordered = sorted(questions, key=lambda question: question.id.bytes)
    return random.Random(seed).sample(ordered, min(count, len(ordered)))


def round_seed(seed: int, purpose: str, draw: int, *owners: UUID | str) -> int:
    """A seed for one purpose within one draw."""
    return seed_of(content_id("seed", seed, purpose, draw, [str(owner) for owner in owners]))
