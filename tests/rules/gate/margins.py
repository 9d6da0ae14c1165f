"""How small a margin can be met: what the tables of the documentation were reckoned with."""

import math

from scipy import stats


def smallest_margin(questions: int, discordance: float, alpha: float, power: float = 0.8) -> float:
    """The smallest margin that an equal model meets with chance `power`, by the normal law."""
    quantiles = float(stats.norm.ppf(1 - alpha) + stats.norm.ppf(power))
    return quantiles * math.sqrt(discordance / questions)
