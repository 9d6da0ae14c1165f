"""How many chains of a question may run now: enough for what is wanted, and none too many.

Figures in, a number or a reason out; the scheduler asks after every verdict.
"""

import math
from dataclasses import dataclass

from tasks.settings import SynthesisSettings


@dataclass(frozen=True, slots=True)
class Tally:
    """Where a question (or a whole set) stands."""

    accepted: int  # distinct accepted texts
    judged: int  # chains that ended in a verdict
    in_flight: int
    waiting: int  # chains not begun
    right: int = 0  # chains that reached the reference, whatever became of their text


def chains_to_start(settings: SynthesisSettings, tally: Tally, pass_rate: float = 1.0) -> int:
    """How many of the waiting chains of a question may start now.

    With `pass_rate` 1 never more are in flight than acceptances are missing, so no question is
    over-sampled; with the rate seen so far an idle server works ahead by what it may expect to
    need.
    """
    if not settings.adaptive:
        return tally.waiting
    if reason_to_stop(settings, tally):
        return 0
    # at a pass rate of 1/4, one missing acceptance is worth four chains in flight
    missing = settings.enough_accepted - tally.accepted
    return max(0, min(tally.waiting, math.ceil(missing / pass_rate) - tally.in_flight))


def reason_to_stop(settings: SynthesisSettings, tally: Tally) -> str:
    """Why a question gets no more chains; empty if it may.

    `enough_accepted`, `pass_rate_too_low` or `pass_rate_too_high`.
    """
    if not settings.adaptive:
        return ""
    if tally.accepted >= settings.enough_accepted:
        return "enough_accepted"
    if tally.judged >= settings.pass_rate_after_chains:
        rate = tally.right / tally.judged
        if rate < settings.min_pass_rate:
            return "pass_rate_too_low"
        if rate > settings.max_pass_rate:
            return "pass_rate_too_high"
    return ""


def pass_rate_so_far(accepted: int, judged: int) -> float:
    """Laplace's estimate, never below 0.05, so that working ahead stays bounded."""
    return max(0.05, (accepted + 1) / (judged + 2))


def cautious_pass_rate(accepted: int, judged: int) -> float:
    """The pass rate by which chains are begun ahead.

    1 (none ahead) before 20 chains are judged, then a quarter above the rate so far.
    """
    return 1.0 if judged < 20 else min(1.0, 1.25 * pass_rate_so_far(accepted, judged))


def target_allows_another(settings: SynthesisSettings, tally: Tally) -> bool:
    """Whether the whole set may start one more chain under `target_accepted` and `max_candidates`.

    Chains in flight count as the acceptances that they may be expected to bring.
    """
    if settings.max_candidates and tally.judged + tally.in_flight >= settings.max_candidates:
        return False
    if not settings.target_accepted:
        return True
    if tally.accepted >= settings.target_accepted:
        return False
    expected = tally.in_flight * pass_rate_so_far(tally.accepted, tally.judged)
    return tally.in_flight == 0 or tally.accepted + expected < settings.target_accepted
