"""What becomes of candidates by the rules of selection alone, all of them at once."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from tasks.rules.training.selection import Candidate, Choice, Passed, beyond_limits, refusal
from tasks.settings import SelectionSettings


def select_paths(
    candidates: Sequence[Candidate],
    settings: SelectionSettings,
    seed: int,
    *,
    refused: Mapping[UUID, str] | None = None,
    leaks: Callable[[Candidate], bool] = lambda candidate: False,
    count: int = 0,
) -> list[Choice]:
    """One choice per candidate.

    `refused`: path id -> reason found elsewhere; `count`: most kept in all, 0 for no limit.
    """
    reasons = [
        (refused or {}).get(candidate.path.id) or refusal(candidate, settings, leaks)
        for candidate in candidates
    ]
    passed = Passed()
    for place, candidate in enumerate(candidates):
        if not reasons[place]:
            passed.add(place, candidate)
    for reason, places in beyond_limits(passed.rows(), settings, seed, count).items():
        for place in places:
            reasons[place] = reason
    return [
        Choice(candidate, kept=not reason, reason=reason or "kept")
        for candidate, reason in zip(candidates, reasons, strict=True)
    ]
