"""The collapse watch: figures of a round's texts that fall when a model begins to repeat itself.

Paths, verdicts and guidelines in, one `TextHealth` out; two of them give warnings. It stores
nothing.
"""

import hashlib
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from storage.records import Path

# a sign is a word too: formulas differ by their signs
_WORD = re.compile(r"\w+|[^\w\s]")
# the estimate of a Jaccard similarity then has a standard error of at most 1/16
_PERMUTATIONS = 64
# 16 bands of 4: pairs above a Jaccard of about 0.5 meet, those above 0.8 almost surely
_BAND_ROWS = 4
_NEAR = 0.8
_TRIPLE_WORDS = 3


@dataclass(frozen=True)
class TextHealth:
    """One round's figures; those without a value are None."""

    paths: int
    distinct_1: float | None  # different words by all words
    distinct_2: float | None  # different pairs of words by all pairs
    mean_tokens: float | None
    # paths with an earlier one of estimated Jaccard 0.8 or more, any question
    near_duplicate_rate: float | None
    exact_duplicate_rate: float | None  # paths whose text an earlier path of the same question has
    pass_at_1: float | None  # free paths
    pass_at_k: float | None  # at the median number of free paths per question
    k: int
    # of accepted paths over guidelines, 0 (one guideline) to 1 (even)
    guideline_entropy: float | None
    hinted_share: float | None  # of accepted paths

    def as_dict(self) -> dict[str, float | int | None]:
        """For storing and plotting."""
        return asdict(self)


def text_health(paths: Sequence[Path], correct: Mapping[UUID, bool]) -> TextHealth:
    """Figures of some paths; `correct` says by path id which are right (absent: not right)."""
    words = [_WORD.findall(path.text.casefold()) for path in paths]
    accepted = [path for path in paths if correct.get(path.id)]
    by_question: defaultdict[UUID, list[bool]] = defaultdict(list)
    for path in paths:
        if not path.hinted:
            by_question[path.question_id].append(bool(correct.get(path.id)))
    k = sorted(map(len, by_question.values()))[len(by_question) // 2] if by_question else 0
    return TextHealth(
        paths=len(paths),
        distinct_1=distinct_share(words, 1),
        distinct_2=distinct_share(words, 2),
        mean_tokens=_mean([path.completion_tokens for path in paths]),
        near_duplicate_rate=near_duplicate_rate(words),
        exact_duplicate_rate=_exact_duplicate_rate(paths),
        pass_at_1=_mean([pass_at(len(right), sum(right), 1) for right in by_question.values()]),
        pass_at_k=_mean(
            [pass_at(len(right), sum(right), min(k, len(right))) for right in by_question.values()]
        ),
        k=k,
        guideline_entropy=evenness(
            Counter(path.guideline_id for path in accepted if path.guideline_id)
        ),
        hinted_share=_mean([float(path.hinted) for path in accepted]),
    )


def distinct_share(texts: Iterable[Sequence[str]], size: int) -> float | None:
    """distinct-n (Li et al. 2016): different n-grams by all n-grams; None without any."""
    grams: Counter[tuple[str, ...]] = Counter()
    for words in texts:
        grams.update(tuple(words[start : start + size]) for start in range(len(words) - size + 1))
    total = grams.total()
    return len(grams) / total if total else None


def near_duplicate_rate(texts: Sequence[Sequence[str]]) -> float | None:
    """Share of texts with an earlier near duplicate, by MinHash with banding over word triples."""
    bands: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    signatures: list[tuple[int, ...]] = []
    near = 0
    for place, words in enumerate(texts):
        signature = minhash(words)
        keys = [
            (start, *signature[start : start + _BAND_ROWS])
            for start in range(0, _PERMUTATIONS, _BAND_ROWS)
        ]
        # the newest few of a band are enough: a text that repeats often meets one of them
        # so a text costs 16 * 8 comparisons at most, whatever the number of texts
        rivals = {other for key in keys for other in bands[key][-8:]}
        near += any(_agreement(signature, signatures[other]) >= _NEAR for other in rivals)
        signatures.append(signature)
        for key in keys:
            bands[key].append(place)
    return near / len(texts) if texts else None


def minhash(words: Sequence[str]) -> tuple[int, ...]:
    """64 minima of seeded hashes over the text's word triples; equal on every machine."""
    starts = range(max(1, len(words) - _TRIPLE_WORDS + 1))
    triples = {" ".join(words[start : start + _TRIPLE_WORDS]) for start in starts}
    hashes = np.array([[_hashed(one)] for one in triples], dtype=np.uint64)
    multipliers, summands = _coefficients()
    # multiply-shift (Dietzfelbinger et al. 1997): the upper half of a product that wraps
    return tuple(((hashes * multipliers + summands) >> np.uint64(32)).min(axis=0).tolist())


@cache
def _coefficients() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Odd multipliers and summands, one for each permutation."""
    multipliers, summands = (
        [_hashed(f"{place}:{part}") for place in range(_PERMUTATIONS)] for part in "ab"
    )
    return np.array(multipliers, dtype=np.uint64) | np.uint64(1), np.array(
        summands, dtype=np.uint64
    )


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def pass_at(samples: int, right: int, k: int) -> float:
    """Unbiased pass@k (Chen et al. 2021) of `samples` with `right` right ones; 0 for no samples."""
    if not samples or not k:
        return 0.0
    return 1.0 - math.comb(samples - right, k) / math.comb(samples, k)


def evenness(counts: Mapping[UUID, int]) -> float | None:
    """Entropy by that of an even spread over what occurs; None below two kinds."""
    total = sum(counts.values())
    if len(counts) < 2:
        return None
    entropy = -sum(count / total * math.log(count / total) for count in counts.values() if count)
    return entropy / math.log(len(counts))


def collapse_warnings(now: TextHealth, before: Sequence[TextHealth]) -> list[str]:
    """Warnings of drift from earlier rounds' median; none in the first round or for few paths."""
    if not before or now.paths < 30:
        return []
    warnings: list[str] = []
    for name, worst_share, worst_step, words in _LIMITS:
        value = getattr(now, name)
        earlier = sorted(
            one for one in (getattr(round_, name) for round_ in before) if one is not None
        )
        if value is None or not earlier:
            continue
        usual = earlier[len(earlier) // 2]
        fell = value < usual * worst_share if worst_share < 1 else value > usual * worst_share
        if fell and abs(value - usual) > worst_step:
            warnings.append(
                f"{words} was {usual:.3g} and is {value:.3g}; look at the newest paths before"
                " training on."
            )
    if now.hinted_share is not None and now.hinted_share > 0.5:
        warnings.append(
            f"{now.hinted_share:.0%} of the accepted paths are hinted; ask easier or other"
            " questions."
        )
    return warnings


# name, worst share of the usual value, least absolute change, how a person calls it
_LIMITS: tuple[tuple[str, float, float, str], ...] = (
    ("distinct_2", 0.7, 0.02, "the share of different word pairs (distinct-2)"),
    ("mean_tokens", 0.6, 5.0, "the mean length of a path in tokens"),
    ("mean_tokens", 1.6, 10.0, "the mean length of a path in tokens"),
    ("near_duplicate_rate", 1.5, 0.1, "the rate of near duplicates"),
    ("exact_duplicate_rate", 1.5, 0.1, "the rate of exact duplicates"),
    ("pass_at_k", 0.7, 0.05, "pass@k"),
    ("guideline_entropy", 0.8, 0.05, "the evenness of accepted paths over guidelines"),
)


def _exact_duplicate_rate(paths: Sequence[Path]) -> float | None:
    different = len({(path.question_id, " ".join(path.text.casefold().split())) for path in paths})
    return 1 - different / len(paths) if paths else None


def _agreement(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
