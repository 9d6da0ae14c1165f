"""What became of every candidate of a run: counts that add up.

A candidate is a chain that the settings planned. Each has exactly one fate.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.rules.training.acceptance import REFUSALS

ENDED = ("accepted", "duplicate", "wrong", "unjudged", "mentions_given_answer", *REFUSALS, "failed")
LADDER = ("adapted_guideline", "structure", "path")


@dataclass(frozen=True)
class SynthesisProgress:
    """One look at a running synthesis."""

    questions_done: int
    questions_total: int | None  # None where the questions come from an iterator
    paths: int
    accepted: int
    hinted_accepted: int
    failed: int
    empty: int  # chains whose model had nothing to say at a stage; not among the failed
    tokens: int
    tokens_per_second: float  # of the texts that ended in the last two minutes
    chains_in_flight: int
    seconds: float
    seconds_left: float | None


@dataclass(frozen=True)
class SynthesisReport:
    """The exact account of one run of the synthesis step."""

    draw: int
    questions: int
    solved_questions: int
    hinted_questions: int
    candidates: int  # chains planned, hinted ones included where a retry was begun
    # accepted, wrong, unjudged, failed, enough_accepted, stopped, ...: sums to candidates
    fates: Mapping[str, int]
    reasons: Mapping[str, int]  # reason codes of wrong, unjudged and failed
    accepted: int
    hinted_accepted: int
    closed_paths: int
    generated: Mapping[str, int]  # requests answered in this run, by stage
    reused: Mapping[str, int]  # texts that were already there, by stage
    tokens: int  # generated in this run
    prompt_tokens: int
    rows: int  # committed
    seconds: float
    # empty when all is done; window, run_tokens, run_money, token_budget, money_budget,
    stopped_by: str
    # target_accepted, max_candidates

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens by the wall time of the whole step."""
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def paths(self) -> int:
        """Chains that ended in a path, those found in the store included."""
        return sum(self.fates.get(fate, 0) for fate in ENDED if fate != "failed")

    @property
    def texts(self) -> int:
        """Adapted guidelines, structures and paths that this run generated, empty ones included."""
        return sum(self.generated.get(stage, 0) for stage in LADDER)

    @property
    def complete(self) -> bool:
        """Whether nothing is left that this step would still do."""
        return self.stopped_by in ("", "target_accepted", "max_candidates")


@dataclass
class Account:
    """The running counts."""

    questions: int = 0
    questions_done: int = 0
    solved: int = 0
    hinted_questions: int = 0
    candidates: int = 0
    hinted_accepted: int = 0
    closed: int = 0
    tokens: int = 0
    prompt_tokens: int = 0
    fates: Counter[str] = field(default_factory=Counter[str])
    reasons: Counter[str] = field(default_factory=Counter[str])
    generated: Counter[str] = field(default_factory=Counter[str])
    reused: Counter[str] = field(default_factory=Counter[str])

    @property
    def accepted(self) -> int:
        return self.fates["accepted"]

    @property
    def ended(self) -> int:
        """Chains that ended in a path or a failure."""
        return sum(self.fates[fate] for fate in ENDED)

    def share_done(self, questions_total: int) -> float:
        """Share of all candidates, planned ones included, that have met their fate; 0 to 1."""
        if not self.questions:
            return 0.0
        expected = self.candidates * max(1.0, questions_total / self.questions)
        return min(1.0, sum(self.fates.values()) / expected) if expected else 1.0

    def report(self, *, draw: int, rows: int, seconds: float, stopped_by: str) -> SynthesisReport:
        """The account, closed: planned chains that no fate was noted for were stopped."""
        fates = Counter(self.fates)
        missing = self.candidates - sum(fates.values())
        if missing:
            fates["stopped"] += missing
        return SynthesisReport(
            draw=draw,
            questions=self.questions,
            solved_questions=self.solved,
            hinted_questions=self.hinted_questions,
            candidates=self.candidates,
            fates=dict(fates),
            reasons=dict(self.reasons),
            accepted=self.accepted,
            hinted_accepted=self.hinted_accepted,
            closed_paths=self.closed,
            generated=dict(self.generated),
            reused=dict(self.reused),
            tokens=self.tokens,
            prompt_tokens=self.prompt_tokens,
            rows=rows,
            seconds=seconds,
            stopped_by=stopped_by,
        )
