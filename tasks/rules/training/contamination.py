"""Which training questions repeat held-out questions, in the same words or in others.

Words that many questions of a set share ("What is the greatest common divisor of ...") are template
and count for nothing; what is left must not be shared. Questions in, overlaps out.
"""

import hashlib
import re
from array import array
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
Words = tuple[int, ...]  # each by its number in a vocabulary
Item = TypeVar("Item", int, Words)


@dataclass(frozen=True)
class Overlap:
    """A held-out question that a training question repeats, and the share that was found there."""

    held_out_id: UUID
    share: float


def find_overlaps(
    training: Iterable[Question],
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
    texts = _Texts()
    ids = [texts.add(question) for question in held_out]
    held_out_places = range(len(ids))
    ids += [texts.add(question) for question in training]
    by_words: dict[Words, UUID] = {}
    by_gram: defaultdict[Words, set[UUID]] = defaultdict(set)
    for place in held_out_places:
        by_words.setdefault(texts.words(place), ids[place])
        for gram in grams(texts.words(place)):
            by_gram[gram].add(ids[place])
    template = _common(texts, grams, template_questions)
    common = _common(texts, set, template_questions, TEMPLATE_SHARE)

    def telling_words(words: Words) -> set[int]:
        return {word for word in words if word not in common and not texts.is_number(word)}

    def numbers(words: Words) -> Words:
        return tuple(sorted(word for word in words if texts.is_number(word)))

    telling = {ids[place]: telling_words(texts.words(place)) for place in held_out_places}
    by_telling: defaultdict[tuple[Words, int], set[UUID]] = defaultdict(set)
    for place in held_out_places:
        for word in telling[ids[place]]:
            by_telling[numbers(texts.words(place)), word].add(ids[place])
    overlaps: dict[UUID, Overlap] = {}
    for place in range(len(held_out_places), len(ids)):
        own = texts.words(place)
        # cheapest first: equal texts, then shared 8-grams, then rewordings, which cost the most
        # lookups
        if own in by_words:
            overlaps[ids[place]] = Overlap(by_words[own], 1.0)
            continue
        found = _most_shared(grams(own) - template, by_gram)
        if found is None or found.share <= share:
            found = _reworded(telling_words(own), numbers(own), by_telling, telling)
        if found is not None:
            overlaps[ids[place]] = found
    return overlaps


def grams(words: Words) -> set[Words]:
    """All runs of eight words; none where there are fewer."""
    return {words[start : start + GRAM] for start in range(len(words) - GRAM + 1)}


class _Texts:
    """Questions as numbers of words, four bytes a word: a line has hundreds of thousands."""

    def __init__(self) -> None:
        self._vocabulary: dict[str, int] = {}
        self._is_number = bytearray()
        self._words, self._ends = array("i"), array("q", [0])
        self._seen: set[bytes] = set()
        self.by_set: defaultdict[UUID, array[int]] = defaultdict(lambda: array("q"))
        """The place of each different question of a set: other words, or other choices."""

    def add(self, question: Question) -> UUID:
        """Remember the next question's words, without case and punctuation; signs count."""
        said = WORD.findall(" ".join([question.text, *question.choices]).casefold())
        for word in said:
            number = self._vocabulary.setdefault(word, len(self._vocabulary))
            if number == len(self._is_number):
                self._is_number.append(word[0].isdigit())
            self._words.append(number)
        # by its words, so that it makes no difference which of two comes first
        words = self._words[self._ends[-1] :].tobytes()
        key = hashlib.blake2b(question.question_set_id.bytes + words, digest_size=16).digest()
        if key not in self._seen:
            self._seen.add(key)
            self.by_set[question.question_set_id].append(len(self._ends) - 1)
        self._ends.append(len(self._words))
        return question.id

    def words(self, place: int) -> Words:
        """The words of the question that came at this place."""
        return tuple(self._words[self._ends[place] : self._ends[place + 1]])

    def is_number(self, word: int) -> bool:
        """Whether a word is written with digits."""
        return bool(self._is_number[word])


def _common(
    texts: _Texts, items: Callable[[Words], set[Item]], most: int, share: float = 0.0
) -> set[Item]:
    """Items in more than `most` different questions of one set, and more than a share of them."""
    common: set[Item] = set()
    for places in texts.by_set.values():
        limit = int(max(most, share * len(places)))
        # First by hashes, which take eight bytes each: most 8-grams of a line are in one question
        # alone. Those whose hash is frequent are then counted themselves, so the result is exact.
        hashes = np.fromiter(map(hash, _each(texts, places, items)), np.int64)
        hashes.sort()
        # one that stands `limit` places further on as well is there more often than that
        often = set(hashes[limit:][hashes[limit:] == hashes[:-limit]].tolist())
        counts = Counter(item for item in _each(texts, places, items) if hash(item) in often)
        common |= {item for item, count in counts.items() if count > limit}
    return common


def _each(
    texts: _Texts, places: Iterable[int], items: Callable[[Words], set[Item]]
) -> Iterator[Item]:
    return (item for place in places for item in items(texts.words(place)))


def _most_shared(own: set[Words], by_gram: Mapping[Words, set[UUID]]) -> Overlap | None:
    """The held-out question with the largest share of these 8-grams; None for too few."""
    counts = Counter(question_id for gram in own for question_id in by_gram.get(gram, ()))
    if not counts or len(own) < TELLING_GRAMS:
        return None
    question_id, shared = max(counts.items(), key=lambda pair: (pair[1], str(pair[0])))
    return Overlap(question_id, shared / len(own))


def _reworded(
    own: set[int],
    own_numbers: Words,
    by_telling: Mapping[tuple[Words, int], set[UUID]],
    telling: Mapping[UUID, set[int]],
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
