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

from storage.records import Answer, Path

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


def text_health(paths: Iterable[Path | Answer], correct: Mapping[UUID, bool]) -> TextHealth:
    """Figures of some texts; `correct` says by id which are right (absent: not right).

    Texts may come from a stream: they are not kept.
    """
    singles, pairs = Grams(1), Grams(2)
    signatures, texts = bytearray(), set[bytes]()
    by_question: defaultdict[UUID, list[bool]] = defaultdict(list)
    guidelines: Counter[UUID] = Counter()
    tokens, hinted = list[int](), list[bool]()
    for path in paths:
        words = _WORD.findall(path.text.casefold())
        singles.add(words)
        pairs.add(words)
        signatures += minhash(words).tobytes()
        texts.add(_digest(path))
        tokens.append(path.completion_tokens)
        is_right = bool(correct.get(path.id))
        if not path.hinted:
            by_question[path.question_id].append(is_right)
        if is_right:
            hinted.append(path.hinted)
            guideline = path.guideline_id if isinstance(path, Path) else None
            guidelines.update([guideline] if guideline else [])
    k = sorted(map(len, by_question.values()))[len(by_question) // 2] if by_question else 0
    return TextHealth(
        paths=len(tokens),
        distinct_1=singles.distinct_share,
        distinct_2=pairs.distinct_share,
        mean_tokens=_mean(tokens),
        near_duplicate_rate=_near_duplicate_rate(signatures),
        exact_duplicate_rate=1 - len(texts) / len(tokens) if tokens else None,
        pass_at_1=_mean([pass_at(len(right), sum(right), 1) for right in by_question.values()]),
        pass_at_k=_mean(
            [pass_at(len(right), sum(right), min(k, len(right))) for right in by_question.values()]
        ),
        k=k,
        guideline_entropy=evenness(guidelines),
        hinted_share=_mean(hinted),
    )


class Grams:
    """Counts the different runs of `size` words among all, as numbers: texts are not kept."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._numbers: dict[str, int] = {}
        self._seen: set[int] = set()
        self._total = 0

    def add(self, words: Sequence[str]) -> None:
        """The runs of a text's words."""
        numbers = [self._numbers.setdefault(word, len(self._numbers)) for word in words]
        for start in range(len(numbers) - self._size + 1):
            run = 0
            for number in numbers[start : start + self._size]:
                run = run << 32 | number  # no store has 2 ** 32 different words
            self._seen.add(run)
            self._total += 1

    @property
    def distinct_share(self) -> float | None:
        """distinct-n (Li et al. 2016): different n-grams by all n-grams; None without any."""
        return len(self._seen) / self._total if self._total else None


def distinct_share(texts: Iterable[Sequence[str]], size: int) -> float | None:
    """distinct-n of some texts, each a list of words."""
    grams = Grams(size)
    for words in texts:
        grams.add(words)
    return grams.distinct_share


def near_duplicate_rate(texts: Iterable[Sequence[str]]) -> float | None:
    """Share of texts with an earlier near duplicate, by MinHash with banding over word triples."""
    return _near_duplicate_rate(b"".join(minhash(words).tobytes() for words in texts))


def _near_duplicate_rate(bytes_of_signatures: bytes | bytearray) -> float | None:
    if not bytes_of_signatures:
        return None
    signatures = np.frombuffer(bytes(bytes_of_signatures), np.uint32).reshape(-1, _PERMUTATIONS)
    near = np.zeros(len(signatures), np.bool_)
    for start in range(0, _PERMUTATIONS, _BAND_ROWS):
        band = signatures[:, start : start + _BAND_ROWS]
        # stable: texts that meet in this band stand side by side, in the order in which they came
        order = np.lexsort(band.T)
        # the newest few of a band are enough: a text that repeats often meets one of them
        for back in range(1, 9):
            later, earlier = order[back:], order[:-back]
            meet = (band[later] == band[earlier]).all(axis=1)
            later, earlier = later[meet], earlier[meet]
            agreement = (signatures[later] == signatures[earlier]).mean(axis=1)
            near[later[agreement >= _NEAR]] = True
    return int(near.sum()) / len(near)


def minhash(words: Sequence[str]) -> NDArray[np.uint32]:
    """64 minima of seeded hashes over the text's word triples; equal on every machine."""
    starts = range(max(1, len(words) - _TRIPLE_WORDS + 1))
    triples = {" ".join(words[start : start + _TRIPLE_WORDS]) for start in starts}
    hashes = np.array([[_hashed(one)] for one in triples], dtype=np.uint64)
    multipliers, summands = _coefficients()
    # multiply-shift (Dietzfelbinger et al. 1997): the upper half of a product that wraps
    upper = (hashes * multipliers + summands) >> np.uint64(32)
    return upper.min(axis=0).astype(np.uint32)


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


def _digest(path: Path | Answer) -> bytes:
    """Equal for paths of one question with equal words."""
    # half of a surrogate pair, which a model can write, has no bytes of its own
    text = " ".join(path.text.casefold().split()).encode(errors="surrogatepass")
    return hashlib.blake2b(path.question_id.bytes + text, digest_size=16).digest()


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
