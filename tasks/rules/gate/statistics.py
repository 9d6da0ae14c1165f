"""Statistics of right and wrong answers: intervals, paired tests, bootstrap, corrections, power.

Pure: numpy and the standard library only (scipy is what the tests compare with). Randomness is a
Generator that the caller passes in.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

_EXACT_POWER_LIMIT = 2_000
"""Above so many questions the normal approximation of power is used; the exact sum is quadratic in
them.
"""


@dataclass(frozen=True)
class Interval:
    """A closed interval."""

    low: float
    high: float


def wilson_interval(successes: int, total: int, confidence: float = 0.95) -> Interval:
    """Two-sided score interval of a proportion (Wilson, JASA 22, 1927); [0, 1] for no trials."""
    if total == 0:
        return Interval(0.0, 1.0)
    # its ends are the two roots p of (p - share)^2 = z^2 p (1 - p) / total
    z = quantile((1 + confidence) / 2)
    share = successes / total
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = (
        z
        / (1 + z * z / total)
        * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    )
    low = 0.0 if successes == 0 else max(0.0, middle - half)
    high = 1.0 if successes == total else min(1.0, middle + half)
    return Interval(low, high)


def quantile(probability: float) -> float:
    """The standard normal quantile."""
    return NormalDist().inv_cdf(probability)


def mcnemar_gain(gained: int, lost: int) -> float:
    """Exact one-sided p-value that so many more pairs turned right than wrong by chance.

    Q. McNemar, Psychometrika 12 (1947).
    `gained` pairs went wrong -> right, `lost` right -> wrong; given gained + lost, the null is
    Binomial(1/2). 1.0 where no pair differs.
    """
    pairs = gained + lost
    if pairs == 0:
        return 1.0
    # In logarithms: 2^-pairs underflows a double above 1,074 pairs.
    logs = _log_binomials(pairs) - pairs * math.log(2)
    return min(1.0, float(np.exp(logs[gained:]).sum()))


def tango_loss(gained: int, lost: int, questions: int, loss: float) -> float:
    """One-sided p-value that the true loss exceeds `loss`, by the score test for paired shares.

    T. Tango, Statistics in Medicine 17 (1998): the test whose null is a difference other than zero.
    1.0 for none.
    """
    if questions == 0:
        return 1.0
    score, variance = _tango_score(gained, lost, questions, loss)
    if variance <= 1e-12:
        return 1.0 if score >= -1e-12 else 0.0
    return NormalDist().cdf(score / math.sqrt(variance))


def tango_no_loss(strata: Sequence[tuple[int, int, int]], loss: float) -> float:
    """One-sided p-value that the pooled true loss is as great as `loss`; 1.0 for no questions.

    Each stratum is (gained, lost, questions); scores and variances of Tango's test are summed, each
    stratum under the null of this loss.
    """
    parts = [_tango_score(*stratum, loss) for stratum in strata if stratum[2]]
    score, variance = sum(one for one, _ in parts), sum(one for _, one in parts)
    if not parts:
        return 1.0
    if variance <= 1e-12:  # nothing changed and no loss is asked about: as likely on either side
        return 0.5 if abs(score) <= 1e-12 else float(score < 0)
    return NormalDist().cdf(-score / math.sqrt(variance))


def tango_bounds(
    strata: Sequence[tuple[int, int, int]], alpha_low: float, alpha_high: float
) -> Interval:
    """One-sided score bounds of the pooled difference, which these tests do not exclude."""

    def difference(alpha: float) -> float:
        # of the loss; the p-value falls as the loss that is asked about grows
        low, high = (-1.0, 1.0)
        # each halves the interval of length 2: 40 leave 2e-12, far below one question of any set
        for _ in range(40):
            middle = (low + high) / 2
            if tango_no_loss(strata, middle) > alpha:
                low = middle
            else:
                high = middle
        return -(low + high) / 2

    return Interval(difference(alpha_low), difference(1 - alpha_high))


def _tango_score(gained: int, lost: int, questions: int, loss: float) -> tuple[float, float]:
    """The score and its variance under a true loss of `loss`."""
    # The most likely share of losses under the null is the root of A q^2 + B q + C = 0 with A = 2n,
    # B = `linear`, C = lost * `shift`; then the variance of the score is n (2q - shift).
    shift = loss * (loss + 1)
    linear = -gained - lost - (2 * questions - gained + lost) * loss
    root = math.sqrt(max(0.0, linear * linear - 8 * questions * lost * shift))
    lost_share = (root - linear) / (4 * questions)
    return gained - lost + questions * loss, questions * (2 * lost_share - shift)


def stratified_bootstrap(
    strata: Sequence[Sequence[float]],
    samples: int,
    generator: np.random.Generator,
    pseudo_pairs: float = 0.0,
) -> NDArray[np.float64]:
    """Bootstrap means over all questions, resampled within each stratum.

    Efron & Tibshirani 1993, chapters 6 and 15.

    One value a question: for a paired comparison its difference, so pairs stay whole; for k samples
    a question their mean, so questions are the clusters. Resampling indices and drawing multinomial
    counts of the distinct values are the same thing; the second is fast. `pseudo_pairs` gains and
    as many losses are added over all strata by their size (Agresti & Min, Statistics in Medicine
    24, 2005): a few questions without any difference are then no proof that there is none. Empty
    strata count nothing; without any question all means are 0.
    """
    total = sum(len(values) for values in strata)
    sums = np.zeros(samples)
    for values in strata:
        if len(values) == 0:
            continue
        # A paired verdict has three values, so a draw of three counts replaces one of n indices.
        distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
        weights = counts.astype(np.float64)
        # one gain and one loss over all strata, each stratum its part
        if pseudo_pairs:
            distinct = np.append(distinct, [-1.0, 1.0])
            weights = np.append(weights, [pseudo_pairs * len(values) / total] * 2)
        drawn = generator.multinomial(len(values), weights / weights.sum(), size=samples)
        sums += drawn @ distinct
    return sums / total if total else sums


def crossed_bootstrap(
    strata: Sequence[NDArray[np.float64]], samples: int, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Bootstrap means with seeds crossed with questions; both are resampled, questions by stratum.

    A stratum has a row per seed and a column per question; all have the same seeds. The pigeonhole
    bootstrap (A. B. Owen, Annals of Applied Statistics 1, 2007), which errs to the wide side. With
    one seed only questions vary.
    """
    seeds = strata[0].shape[0] if strata else 0
    total = sum(values.shape[1] for values in strata)
    if not seeds or not total:
        return np.zeros(samples)
    # the same draw of seeds for every stratum: a seed is one trained model, which answers all sets
    weights = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=samples) / seeds
    sums = np.zeros(samples)
    for values in strata:
        questions = values.shape[1]
        if (
            questions
        ):  # those that went alike with every seed are one kind: few kinds, many questions
            kinds, counts = np.unique(values, axis=1, return_counts=True)
            drawn = generator.multinomial(questions, counts / questions, size=samples)
            sums += np.einsum("bk,bk->b", weights @ kinds, drawn.astype(np.float64))
    return sums / total


def two_sided(means: NDArray[np.float64]) -> float:
    """P-value of no difference, by inverting the percentile interval."""
    beyond = min(int((means <= 0).sum()), int((means >= 0).sum()))
    # One more above and below: a p-value by simulation is never 0 (Davison & Hinkley 1997, section
    # 4.2).
    return min(1.0, 2 * (beyond + 1) / (len(means) + 1))


@dataclass(frozen=True)
class Distribution:
    """A discrete distribution; values ascend."""

    values: NDArray[np.float64]
    shares: NDArray[np.float64]

    def low(self, alpha: float) -> float:
        """One-sided lower bound; at most `alpha` lies at or below any value under it."""
        place = int(np.searchsorted(np.cumsum(self.shares), alpha, "right"))
        return float(self.values[min(len(self.values) - 1, place)])

    def high(self, alpha: float) -> float:
        """One-sided upper bound at level `alpha`; mirrors `low`."""
        return -Distribution(-self.values[::-1], self.shares[::-1]).low(alpha)


def bootstrap_distribution(
    strata: Sequence[tuple[int, int, int]], pseudo_pairs: float = 0.0
) -> Distribution:
    """The distribution to which `stratified_bootstrap` of paired verdicts tends, without sampling.

    A stratum is (gained, lost, questions). A resampled difference is a sum of independent draws of
    -1, 0 and 1, so its distribution is a product of powers of their transforms (the ideal
    bootstrap, Efron & Tibshirani 1993, section 4.2). No Monte Carlo noise in the far tail, and no
    seed. A point at 0 for no questions.
    """
    total = sum(questions for _, _, questions in strata)
    if total == 0:
        return Distribution(np.zeros(1), np.ones(1))
    # places for -total..total; the transform is circular, so negative differences wrap to its end
    width = 2 * total + 1
    transform = np.ones(width, dtype=np.complex128)
    for gained, lost, questions in strata:
        if questions:
            pseudo = pseudo_pairs * questions / total
            one = np.zeros(width)
            one[0] = questions - gained - lost
            one[1] = gained + pseudo
            one[-1] = lost + pseudo
            # n independent draws are the n-th power: O(total log total), where drawing needs many
            # samples
            transform *= np.fft.fft(one / one.sum()) ** questions
    # rounding leaves negative shares of about 1e-17
    shares = np.fft.fftshift(np.clip(np.fft.ifft(transform).real, 0.0, None))
    return Distribution(np.arange(-total, total + 1) / total, shares / shares.sum())


def lower_bound(means: NDArray[np.float64], alpha: float) -> float:
    """One-sided lower percentile bound at level `alpha`, rounded to the safe side."""
    ordered = np.sort(means)
    return float(ordered[max(0, math.floor(alpha * len(ordered)) - 1)])


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for testing all of them, in the given order.

    S. Holm, Scand. J. Statistics 6 (1979).
    """
    # The smallest p-value is multiplied by the number of tests, the next by one less, and so on;
    # none may fall below the one before it.
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


def mcnemar_power(questions: int, discordance: float, gain: float, alpha: float) -> float:
    """Exact chance that the exact one-sided McNemar test finds a true `gain`.

    S. W. Duffy, Biometrics 40 (1984).

    `discordance` is the share of questions whose verdict changes; at least `gain` of them must.
    """
    discordance = min(1.0, max(discordance, gain))
    if questions == 0 or discordance == 0:
        return 0.0
    better = (discordance + gain) / (2 * discordance)
    factorials = _log_factorials(questions)
    shares = np.exp(_log_pmf(questions, discordance, factorials))
    power = 0.0
    for pairs in range(1, questions + 1):
        # numbers of discordant pairs this unlikely add nothing to the power that is shown
        if shares[pairs] < 1e-12:
            continue
        # the tail from each count on; the test rejects from the first count whose tail is at most
        # alpha
        null = np.exp(_log_pmf(pairs, 0.5, factorials))[::-1].cumsum()[::-1]
        critical = int(np.searchsorted(-null, -alpha))
        power += float(shares[pairs] * np.exp(_log_pmf(pairs, better, factorials))[critical:].sum())
    return min(1.0, power)


def smallest_gain(questions: int, discordance: float, alpha: float, power: float = 0.8) -> float:
    """The smallest true gain (or loss) that the paired test finds with chance `power`, else 1.0.

    Exact up to 2,000 questions; above that R. J. Connor, Biometrics 43 (1987).
    """
    if questions == 0:
        return 1.0
    if questions > _EXACT_POWER_LIMIT:
        return _connor_gain(questions, discordance, alpha, power)
    low, high = 0.0, 1.0
    if mcnemar_power(questions, discordance, 1.0, alpha) < power:
        return 1.0
    # half a tenth of a point of accuracy: what is shown has one decimal
    while high - low > 5e-4:
        middle = (low + high) / 2
        if mcnemar_power(questions, discordance, middle, alpha) < power:
            low = middle
        else:
            high = middle
    return high


def pass_at_k(samples: int, correct: int, k: int) -> float:
    """Unbiased chance that one of k answers is right, from `samples` of them.

    M. Chen et al., arXiv 2107.03374.
    """
    # fewer wrong answers than k: every choice of k holds a right one
    if samples - correct < k:
        return 1.0
    return 1.0 - math.comb(samples - correct, k) / math.comb(samples, k)


def _connor_gain(questions: int, discordance: float, alpha: float, power: float) -> float:
    z_alpha, z_power = quantile(1 - alpha), quantile(power)
    # with fewer discordant questions than z^2 even all of them in one direction are not significant
    floor = z_alpha**2 / questions
    if discordance <= floor:
        return min(1.0, floor)
    level, size = z_alpha * math.sqrt(discordance), math.sqrt(questions)
    width = questions + z_power**2
    inner = (level * size) ** 2 - width * (level**2 - z_power**2 * discordance)
    return min(1.0, (level * size + math.sqrt(max(0.0, inner))) / width)


def _log_factorials(largest: int) -> NDArray[np.float64]:
    return np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, largest + 1)))))


def _log_binomials(pairs: int) -> NDArray[np.float64]:
    factorials = _log_factorials(pairs)
    return factorials[pairs] - factorials - factorials[::-1]


def _log_pmf(trials: int, share: float, factorials: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log of the binomial probabilities of 0..trials successes; shares of 0 and 1 are allowed."""
    counts = np.arange(trials + 1)
    ways = factorials[trials] - factorials[: trials + 1] - factorials[trials::-1]
    # log(0) would make 0 * -inf = NaN where a count is 0
    tiny = 1e-300
    return (
        ways
        + counts * math.log(max(share, tiny))
        + (trials - counts) * math.log(max(1 - share, tiny))
    )
