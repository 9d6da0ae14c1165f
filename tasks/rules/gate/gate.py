"""The gate: paired verdicts of champion and challenger in; promoted, refused or inconclusive out.

Pure and without model, store or clock. Why the rule is as it is stands in docs/gate.md; the words
of its reasons in `gate_reasons`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from storage.errors import InputError
from storage.records import Domain, Outcome
from tasks.rules.gate.statistics import (
    Distribution,
    bootstrap_distribution,
    holm,
    mcnemar_gain,
    smallest_gain,
    tango_bounds,
    tango_loss,
    tango_no_loss,
)
from tasks.settings import GateSettings

Reading = Literal["strict", "lenient"]


@dataclass(frozen=True)
class PairedSet:
    """Strict verdicts of the models on the same gate questions of one set, in the same order."""

    name: str
    domain: Domain
    fresh: bool
    """Whether its gate questions were drawn for this round alone."""
    champion: tuple[bool, ...]
    challenger: tuple[bool, ...]
    base: tuple[bool, ...] = ()
    """Empty where the champion is the base."""
    lenient: "PairedSet | None" = None
    """The same answers by the lenient reading; None where only the strict one is known."""


@dataclass(frozen=True)
class Pairs:
    """Paired counts: right before and after, turned right, turned wrong."""

    questions: int
    before: int
    after: int
    gained: int
    lost: int

    @property
    def difference(self) -> float:
        """Change of accuracy; 0 for no questions."""
        return (self.gained - self.lost) / self.questions if self.questions else 0.0

    @property
    def discordance(self) -> float:
        """Share of questions whose verdict changed, one more added so that it is never nothing."""
        return (self.gained + self.lost + 1) / (self.questions + 1)


@dataclass(frozen=True)
class Gain:
    """The in-domain test, pooled over the sets."""

    pairs: Pairs
    p_gain: float
    p_loss: float
    high: float
    """Upper bound of the gain at `alpha`, one-sided."""


@dataclass(frozen=True)
class SetChange:
    """How one set alone went, against one anchor by one reading."""

    name: str
    pairs: Pairs


@dataclass(frozen=True)
class NonInferiority:
    """The out-of-domain test against one anchor by one reading, stratified by set."""

    anchor: str
    reading: Reading
    pairs: Pairs
    p_loss_as_margin: float
    """One-sided p-value that the true loss is as large as the margin."""
    low: float
    """Lower score bound of the difference at the alpha that this decision may spend, one-sided."""
    high: float
    """Upper score bound at the whole `alpha`, one-sided."""
    margin: float
    alpha_spent: float
    fallen: tuple[SetChange, ...]
    """The sets to blame for a loss: those significantly worse alone (Holm), else the worst one."""

    @property
    def shown(self) -> bool:
        """Whether a loss as large as the margin is excluded."""
        return self.pairs.questions > 0 and self.p_loss_as_margin <= self.alpha_spent

    @property
    def harmful(self) -> bool:
        """Whether there is a significant loss that may be as large as the margin."""
        return self.pairs.questions > 0 and self.high < 0 and not self.shown


@dataclass(frozen=True)
class SetResult:
    """One set alone; p-values are Holm-adjusted over all sets."""

    name: str
    domain: Domain
    fresh: bool
    pairs: Pairs
    p_gain: float
    p_loss: float
    p_beyond_limit: float
    blocks: bool


@dataclass(frozen=True)
class Figures:
    """Every figure the rule uses."""

    alpha: float
    alpha_spent: float
    tests_so_far: int
    gain: Gain
    content: Pairs | None
    """In domain by the lenient reading: what of the gain is not learning to state an answer as
    asked.
    """
    non_inferiority: tuple[NonInferiority, ...]
    sets: tuple[SetResult, ...]
    max_loss_one_set: float


@dataclass(frozen=True)
class Detectable:
    """The smallest true changes that this many questions show four times in five."""

    gain: float
    loss: float


def spendable_alpha(test_number: int, fresh: bool, settings: GateSettings) -> float:
    """The error that the `test_number`-th gate decision of a line (from 1) may spend.

    Fresh questions: shares of 1/t within each `spending_rounds` decisions, so that any so many in a
    row spend alpha once. Fixed questions, never renewed: alpha/(t(t+1)), which sums to alpha over
    all time.
    """
    if test_number < 1:
        raise InputError(f"Gate decisions are numbered from 1; found {test_number!r}.")
    # 1/(t(t+1)) = 1/t - 1/(t+1) telescopes: all decisions together spend alpha
    if not fresh:
        return settings.alpha / (test_number * (test_number + 1))
    # 1/1 + ... + 1/n is the harmonic number, so a block's shares add up to alpha. More in
    # front, because a line's first rounds have the largest gains to show (docs/gate.md).
    place = (test_number - 1) % settings.spending_rounds + 1
    return settings.alpha / (
        place * sum(1 / turn for turn in range(1, settings.spending_rounds + 1))
    )


def measure(sets: Sequence[PairedSet], tests_so_far: int, settings: GateSettings) -> Figures:
    """Every figure of the decision; raises InputError where the verdicts cannot be compared."""
    _check(sets)
    inside = [one for one in sets if one.domain == "in_domain"]
    outside = [one for one in sets if one.domain == "out_of_domain"]
    spent = spendable_alpha(tests_so_far, all(one.fresh for one in sets), settings)
    # Against the base too: each of many promotions may lose a little within the margin, and all of
    # them together more than it.
    anchors = ["champion"] + (["base"] if any(one.base for one in outside) else [])
    readings: list[Reading] = (
        ["strict", "lenient"] if all(one.lenient for one in sets) else ["strict"]
    )
    return Figures(
        alpha=settings.alpha,
        alpha_spent=spent,
        tests_so_far=tests_so_far,
        gain=_gain(inside, settings),
        content=_pool(_read(inside, "lenient")) if "lenient" in readings else None,
        non_inferiority=tuple(
            _non_inferiority(outside, anchor, reading, spent, settings)
            for anchor in anchors
            for reading in readings
        ),
        sets=_each_set(sets, settings),
        max_loss_one_set=settings.max_loss_one_set,
    )


def outcome_of(figures: Figures) -> Outcome:
    """Promoted: gain and no loss are shown. Refused: harm is shown. Inconclusive: neither."""
    # Harm is looked for first, and at the whole alpha: these tests can only keep the champion, so
    # they cannot promote by mistake.
    if (
        figures.gain.p_loss <= figures.alpha
        or any(test.harmful for test in figures.non_inferiority)
        or any(one.blocks for one in figures.sets)
    ):
        return "refused"
    if figures.gain.p_gain <= figures.alpha_spent and all(
        test.shown for test in figures.non_inferiority
    ):
        return "promoted"
    return "inconclusive"


def detectable(figures: Figures) -> Detectable:
    """What the questions of this decision could have shown, at the discordance that was seen."""
    inside, outside = figures.gain.pairs, figures.non_inferiority[0].pairs
    return Detectable(
        gain=smallest_gain(inside.questions, inside.discordance, figures.alpha_spent),
        loss=smallest_gain(outside.questions, outside.discordance, figures.alpha),
    )


def paired(before: Sequence[bool], after: Sequence[bool]) -> Pairs:
    """Counts of two models' verdicts on the same questions."""
    return Pairs(
        questions=len(before),
        before=sum(before),
        after=sum(after),
        gained=sum(new and not old for old, new in zip(before, after, strict=True)),
        lost=sum(old and not new for old, new in zip(before, after, strict=True)),
    )


def _check(sets: Sequence[PairedSet]) -> None:
    if not any(one.domain == "in_domain" and one.challenger for one in sets):
        raise InputError(
            "The gate needs answers to gate questions of at least one in-domain set; found none. "
            "Run: regenesis evaluate"
        )
    based = any(one.base for one in sets)
    for one in sets:
        lengths = (
            len(one.champion),
            len(one.challenger),
            len(one.base) if based else len(one.champion),
        )
        if len(set(lengths)) != 1:
            raise InputError(
                f"Models are compared on the same questions; set {one.name!r} has {lengths!r}"
                " verdicts of champion, challenger and base. Run: regenesis evaluate"
            )


def _before(one: PairedSet, anchor: str) -> tuple[bool, ...]:
    return one.base if anchor == "base" else one.champion


def _pool(sets: Sequence[PairedSet], anchor: str = "champion") -> Pairs:
    before = [verdict for one in sets for verdict in _before(one, anchor)]
    return paired(before, [verdict for one in sets for verdict in one.challenger])


def _resampled(sets: Sequence[PairedSet]) -> Distribution:
    """Paired bootstrap of the pooled difference, stratified by set."""
    counts = [paired(one.champion, one.challenger) for one in sets]
    return bootstrap_distribution(
        # with no discordant pair at all the bootstrap would see no uncertainty
        [(pairs.gained, pairs.lost, pairs.questions) for pairs in counts],
        pseudo_pairs=1.0,
    )


def _gain(sets: Sequence[PairedSet], settings: GateSettings) -> Gain:
    pairs = _pool(sets)
    return Gain(
        pairs=pairs,
        p_gain=mcnemar_gain(pairs.gained, pairs.lost),
        p_loss=mcnemar_gain(pairs.lost, pairs.gained),
        high=_resampled(sets).high(settings.alpha),
    )


def _read(sets: Sequence[PairedSet], reading: Reading) -> list[PairedSet]:
    """The sets by this reading."""
    return [one.lenient if reading == "lenient" and one.lenient else one for one in sets]


def _non_inferiority(
    sets: Sequence[PairedSet], anchor: str, reading: Reading, spent: float, settings: GateSettings
) -> NonInferiority:
    read = _read(sets, reading)
    counts = [paired(_before(one, anchor), one.challenger) for one in read]
    strata = [(pairs.gained, pairs.lost, pairs.questions) for pairs in counts]
    bounds = tango_bounds(strata, spent, settings.alpha)
    return NonInferiority(
        anchor=anchor,
        reading=reading,
        pairs=_pool(read, anchor),
        p_loss_as_margin=tango_no_loss(strata, settings.margin),
        low=bounds.low,
        high=bounds.high,
        margin=settings.margin,
        alpha_spent=spent,
        fallen=_fallen(
            [SetChange(one.name, pairs) for one, pairs in zip(sets, counts, strict=True)],
            settings.alpha,
        ),
    )


def _fallen(changes: Sequence[SetChange], alpha: float) -> tuple[SetChange, ...]:
    losses = holm([mcnemar_gain(one.pairs.lost, one.pairs.gained) for one in changes])
    alone = [one for one, p_loss in zip(changes, losses, strict=True) if p_loss <= alpha]
    worst = sorted(changes, key=lambda one: one.pairs.difference)[:1]
    return tuple(alone or worst)


def _each_set(sets: Sequence[PairedSet], settings: GateSettings) -> tuple[SetResult, ...]:
    counts = [paired(one.champion, one.challenger) for one in sets]
    # each family of tests is adjusted on its own, because each answers one question over all sets
    gains = holm([mcnemar_gain(pairs.gained, pairs.lost) for pairs in counts])
    losses = holm([mcnemar_gain(pairs.lost, pairs.gained) for pairs in counts])
    limit = settings.max_loss_one_set
    beyond = holm(
        [tango_loss(pairs.gained, pairs.lost, pairs.questions, limit) for pairs in counts]
    )
    return tuple(
        SetResult(one.name, one.domain, one.fresh, pairs, gain, loss, past, past <= settings.alpha)
        for one, pairs, gain, loss, past in zip(sets, counts, gains, losses, beyond, strict=True)
    )
