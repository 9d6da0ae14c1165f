"""The disjoint part of a question, fixed by its text alone; seeded choices among questions."""

import random
from collections.abc import Sequence
from uuid import UUID

from storage.errors import InputError
from storage.ids import content_id, seed_of
from storage.records import Part, Question

# Names that sets give their splits -> how a row of one divides; train, gate and final are this
# product's own.
SPLITS: dict[str, str] = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "validation": "test",
    "valid": "test",
    "val": "test",
    "dev": "test",
    "development": "test",
    "gate": "gate",
    "final": "final",
}


def split_named(name: str) -> str:
    """train, test (held out), gate or final for a usual name; raises InputError for others."""
    split = SPLITS.get(name.strip().casefold())
    if split is None:
        raise InputError(
            f"is of the split {name!r}; expected one of {', '.join(SPLITS)}. Rename it, or name"
            " another column with --map split=COLUMN"
        )
    return split


def part_of(text: str, split: str, shares: tuple[float, float, float]) -> Part:
    """The part of a question by its source's `split` and the (train, gate, final) shares.

    `split` is one that `split_named` gives, or empty. Train, gate and final are themselves; what is
    held out is divided between gate and final in the proportion of their shares; a source without
    splits is divided by all three. The same text always falls into the same part.
    """
    place = seed_of(content_id("part", text)) / 0x7FFFFFFF
    train, gate, final = shares
    if split == "train" or split == "gate" or split == "final":
        return split
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
