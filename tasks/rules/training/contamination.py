"""Which training questions repeat held-out questions, in the same words or in others.

Words that many questions of a set share ("What is the greatest common divisor of ...") are template
and count for nothing; what is left must not be shared. Questions in, overlaps out.
"""

import re
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import numpy as np

from storage.records import Question

GRAM = 8  # words
TELLING_GRAMS = 8  # fewer that are no template say nothing: "of 41 and 56" overlaps "of 41 and 43"
TEMPLATE_SHARE = 0.02  # a single word in more than this share of a set's questions is template
REWORDED_WORDS = 6  # fewer telling words say nothing about a rewording
REWORDED_SHARE = 0.6  # of the telling words of two questions with the same numbers
# words, numbers with their decimals, and the signs of arithmetic: `3 + 4` is not `3 - 4`
WORD = re.compile(r"[^\W_]+(?:\.\d+)?|[-+*/=<>]")
Words = tuple[str, ...]
Item = TypeVar("Item", str, tuple[str, ...])


@dataclass(frozen=True)
class Overlap:
    """A held-out question that a training question repeats, and the share that was found there."""

    held_out_id: UUID
    share: float


def find_overlaps(
    training: Sequence[Question],
    held_out: Sequence[Question],
    share: float,
    template_questions: int = 3,
) -> dict[UUID, Overlap]:
    """Training question id -> the held-out question that it overlaps most, where it does.

    What is in more than `template_questions` questions of one set is template.

    Three ways: the same words; more than `share` of the 8-grams that are no template; the same
    numbers with most of the telling words (a rewording breaks 8-grams; variants of a question have
    other numbers).
    """
    words = {question.id: question_words(question) for question in [*training, *held_out]}
    by_words: dict[Words, UUID] = {}
    by_gram: defaultdict[Words, set[UUID]] = defaultdict(set)
    for question in held_out:
        by_words.setdefault(words[question.id], question.id)
        for gram in grams(words[question.id]):
            by_gram[gram].add(question.id)
    template = _common(
        [*training, *held_out], lambda question: grams(words[question.id]), template_questions
    )
    common = _common(
        [*training, *held_out],
        lambda question: set(words[question.id]),
        template_questions,
        TEMPLATE_SHARE,
    )

    def telling_words(id: UUID) -> set[str]:
        return {word for word in words[id] if word not in common and not is_number(word)}

    telling = {question.id: telling_words(question.id) for question in held_out}
    by_telling: defaultdict[tuple[Words, str], set[UUID]] = defaultdict(set)
    for question in held_out:
        for word in telling[question.id]:
            by_telling[numbers(words[question.id]), word].add(question.id)
    overlaps: dict[UUID, Overlap] = {}
    for question in training:
        own = words[question.id]
        # cheapest first: equal texts, then shared 8-grams, then rewordings, which cost the most
        # lookups
        if own in by_words:
            overlaps[question.id] = Overlap(by_words[own], 1.0)
            continue
        found = _most_shared(grams(own) - template, by_gram)
        if found is None or found.share <= share:
            found = _reworded(telling_words(question.id), numbers(own), by_telling, telling)
        if found is not None:
            overlaps[question.id] = found
    return overlaps


def question_words(question: Question) -> Words:
    """The words of a question and its choices, without case and punctuation; signs count."""
    # interned, because a line's questions have millions of words and few thousand different ones
    said = WORD.findall(" ".join([question.text, *question.choices]).casefold())
    return tuple(map(sys.intern, said))


def grams(words: Words) -> set[Words]:
    """All runs of eight words; none where there are fewer."""
    return {words[start : start + GRAM] for start in range(len(words) - GRAM + 1)}


def numbers(words: Words) -> Words:
    """The numbers among the words, sorted."""
    return tuple(sorted(word for word in words if is_number(word)))


def is_number(word: str) -> bool:
    """Whether a word is written with digits."""
    return word[0].isdigit()


def _common(
    questions: Iterable[Question],
    items: Callable[[Question], set[Item]],
    most: int,
    share: float = 0.0,
) -> set[Item]:
    """Items in more than `most` different questions of one set, and more than a share of them."""
    by_set: defaultdict[UUID, dict[str, Question]] = defaultdict(dict)
    for question in questions:
        by_set[question.question_set_id].setdefault(question.text, question)
    common: set[Item] = set()
    for texts in by_set.values():
        limit = max(most, share * len(texts))
        # First by hashes, which take eight bytes each: most 8-grams of a line are in one question
        # alone. Those whose hash is frequent are then counted themselves, so the result is exact.
        hashes = np.fromiter(map(hash, _each(texts.values(), items)), np.int64)
        values, times = np.unique(hashes, return_counts=True)
        often = set(values[times > limit].tolist())
        counts = Counter(item for item in _each(texts.values(), items) if hash(item) in often)
        common |= {item for item, count in counts.items() if count > limit}
    return common


def _each(questions: Iterable[Question], items: Callable[[Question], set[Item]]) -> Iterator[Item]:
    return (item for question in questions for item in items(question))


def _most_shared(own: set[Words], by_gram: Mapping[Words, set[UUID]]) -> Overlap | None:
    """The held-out question with the largest share of these 8-grams; None for too few."""
    counts = Counter(question_id for gram in own for question_id in by_gram.get(gram, ()))
    if not counts or len(own) < TELLING_GRAMS:
        return None
    question_id, shared = max(counts.items(), key=lambda pair: (pair[1], str(pair[0])))
    return Overlap(question_id, shared / len(own))


def _reworded(
    own: set[str],
    own_numbers: Words,
    by_telling: Mapping[tuple[Words, str], set[UUID]],
    telling: Mapping[UUID, set[str]],
) -> Overlap | None:
    """The question with the same numbers and most telling words in common, if enough."""
    if len(own) < REWORDED_WORDS:
        return None
    counts = Counter(key for word in own for key in by_telling.get((own_numbers, word), ()))
    shares = {key: shared / len(own | telling[key]) for key, shared in counts.items()}
    best = max(shares, key=lambda key: (shares[key], str(key)), default=None)
    return (
        Overlap(best, shares[best]) if best is not None and shares[best] >= REWORDED_SHARE else None
    )
