"""The t test over seeds: each seed's figure is one observation, whatever its questions.

It stands beside the bootstrap, which resamples seeds and questions together: with few seeds the
bootstrap knows little of their spread, and the t distribution of so few degrees of freedom says how
little. Exact, by the closed forms of the distribution for whole degrees of freedom (Abramowitz and
Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

FEWEST_FOR_T = 3
"""With two seeds the interval is 12.7 standard errors wide to each side and says nothing."""
_LARGEST = 1e6


@dataclass(frozen=True)
class SeedTest:
    """Mean over seeds with its 95 % interval, and the two-sided p-value of no difference."""

    mean: float
    low: float
    high: float
    p_value: float


def seed_test(by_seed: Sequence[float]) -> SeedTest | None:
    """The one-sample t test of a difference per seed; None for fewer than three seeds."""
    if len(by_seed) < FEWEST_FOR_T:
        return None
    mean, degrees = fmean(by_seed), len(by_seed) - 1
    error = stdev(by_seed) / math.sqrt(len(by_seed))
    if error == 0:
        return SeedTest(mean, mean, mean, 1.0 if mean == 0 else 0.0)
    reach = t_quantile(0.05, degrees) * error
    return SeedTest(mean, mean - reach, mean + reach, t_two_sided(mean / error, degrees))


def t_two_sided(t: float, degrees: int) -> float:
    """The chance of a value at least as far from 0 as `t`."""
    angle = math.atan(abs(t) / math.sqrt(degrees))
    cosine = math.cos(angle)
    odd = degrees % 2
    # the terms are 1, 2/3, 2*4/(3*5), ... for odd degrees and 1, 1/2, 1*3/(2*4), ... for even ones
    total, term = 0.0, cosine if odd else 1.0
    for place in range(degrees // 2):
        total += term
        above, below = (2 * place + 2, 2 * place + 3) if odd else (2 * place + 1, 2 * place + 2)
        term *= cosine**2 * above / below
    inside = math.sin(angle) * total
    return max(0.0, 1 - ((angle + inside) * 2 / math.pi if odd else inside))


def t_quantile(alpha: float, degrees: int) -> float:
    """The value that is passed, to either side, with chance `alpha`."""
    low, high = 0.0, _LARGEST
    while high - low > 1e-9 * max(1.0, low):
        middle = (low + high) / 2
        low, high = (middle, high) if t_two_sided(middle, degrees) > alpha else (low, middle)
    return high
