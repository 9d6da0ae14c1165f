"""The gate's decision with its reasons: a paragraph for people, and the figures as plain data."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from storage.ids import Part
from storage.records import Outcome
from tasks.rules.gate.gate import (
    Detectable,
    Figures,
    NonInferiority,
    PairedSet,
    detectable,
    measure,
    outcome_of,
)
from tasks.settings import GateSettings


@dataclass(frozen=True)
class Decision:
    """What the gate decided and why."""

    outcome: Outcome
    reasons: str
    figures: Figures
    detectable: Detectable

    def as_json(self) -> dict[str, Part]:
        """Every figure under its name, ready for the promotion's `statistics`."""
        return {
            **asdict(self.figures),
            "smallest_gain": self.detectable.gain,
            "smallest_loss": self.detectable.loss,
        }


def decide(sets: Sequence[PairedSet], tests_so_far: int, settings: GateSettings) -> Decision:
    """Apply the rule to paired verdicts; `tests_so_far` counts this decision of the line too."""
    figures = measure(sets, tests_so_far, settings)
    outcome, shown = outcome_of(figures), detectable(figures)
    sentences = [
        _headline(outcome, figures),
        _in_domain(figures),
        _form_and_content(figures),
        *(_out_of_domain(test, figures) for test in figures.non_inferiority),
        _single_sets(figures),
        _power(figures, shown),
    ]
    return Decision(
        outcome, " ".join(sentence for sentence in sentences if sentence), figures, shown
    )


def _headline(outcome: Outcome, figures: Figures) -> str:
    """The first sentence: better or not, by how much, and promoted or why not."""
    return f"{_better(figures)}{_carried_out(outcome, figures)}: {_by_how_much(figures)}."


def _better(figures: Figures) -> str:
    if figures.gain.p_gain <= figures.alpha_spent:
        return "Better in domain"
    return (
        "Worse in domain"
        if figures.gain.p_loss <= figures.alpha
        else "Not shown to be better in domain"
    )


def _carried_out(outcome: Outcome, figures: Figures) -> str:
    if outcome == "promoted":
        return ", no worse outside than the margin allows, and promoted"
    if outcome == "refused":
        return f", and refused because {' and '.join(_harms(figures))}"
    return f", and the champion stays because {' and '.join(_missing(figures))}"


def _by_how_much(figures: Figures) -> str:
    inside, outside = figures.gain.pairs, figures.non_inferiority[0].pairs
    told = (
        f"in domain {_change(inside.before, inside.after, inside.questions)} right"
        f" ({_signed(inside.difference)})"
    )
    if not outside.questions:
        return f"{told}, out of domain nothing was asked"
    change = _change(outside.before, outside.after, outside.questions)
    return f"{told}, out of domain {change} ({_signed(outside.difference)})"


def _harms(figures: Figures) -> list[str]:
    harms: list[str] = []
    if figures.gain.p_loss <= figures.alpha:
        harms.append("it is significantly worse in domain")
    seen = defaultdict[tuple[str, str], list[str]](list)
    for test in figures.non_inferiority:
        if test.harmful:
            seen[test.anchor, _fallen(test)].append(test.reading)
    for (anchor, fallen), readings in seen.items():
        only = "" if readings == ["strict"] else " by the lenient reading"
        by = " by both readings" if len(readings) > 1 else only
        harms.append(f"it is significantly worse out of domain than the {anchor}{by} ({fallen})")
    limit = points(figures.max_loss_one_set)
    harms += [
        f"on {one.name} alone it loses significantly more than {limit}"
        for one in figures.sets
        if one.blocks
    ]
    return harms


def _fallen(test: NonInferiority) -> str:
    return ", ".join(
        f"{one.name} {_change(one.pairs.before, one.pairs.after, one.pairs.questions)}"
        for one in test.fallen
    )


def _missing(figures: Figures) -> list[str]:
    missing: list[str] = []
    if figures.gain.p_gain > figures.alpha_spent:
        missing.append("there is no significant gain in domain")
    for test in figures.non_inferiority:
        if not test.pairs.questions:
            missing.append("there are no out-of-domain questions to compare on")
        elif not test.shown:
            by = "" if test.reading == "strict" else ", by the lenient reading"
            missing.append(
                "there are too few questions to exclude an out-of-domain loss of"
                f" {points(test.margin)}{by}"
            )
    return list(dict.fromkeys(missing))


def _in_domain(figures: Figures) -> str:
    gain, pairs = figures.gain, figures.gain.pairs
    text = (
        f"In domain it answers {pairs.after} of {pairs.questions} gate questions right where the"
        f" champion answers {pairs.before} ({_change(pairs.before, pairs.after, pairs.questions)}):"
        f" {pairs.gained} turned right, {pairs.lost} turned wrong. "
    )
    chance = (
        f"the chance of so many more right than wrong without any true gain is {_p(gain.p_gain)}"
    )
    if gain.p_loss <= figures.alpha:
        return (
            text + "The chance of so many more wrong than right without any true loss is"
            f" {_p(gain.p_loss)}."
        )
    if gain.p_gain <= figures.alpha_spent:
        return (
            text
            + f"{chance[0].upper()}{chance[1:]}, within the {_p(figures.alpha_spent)} this decision"
            " may spend."
        )
    single = (
        " (enough for one test alone, but not for one of many)"
        if gain.p_gain <= figures.alpha
        else ""
    )
    return (
        text
        + f"{chance[0].upper()}{chance[1:]}, above the {_p(figures.alpha_spent)} this decision may"
        f" spend{single}; a true gain of up to {points(max(0.0, gain.high))} is not excluded."
    )


def _form_and_content(figures: Figures) -> str:
    """What of the gain is answering better, and what is stating answers as asked."""
    if figures.content is None:
        return ""
    content = figures.content.difference
    form = figures.gain.pairs.difference - content
    return (
        f"Of this change of {points(figures.gain.pairs.difference)}, {points(content)} are content"
        f" (right wherever the answer stands) and {points(form)} form (stated as asked)."
    )


def _out_of_domain(test: NonInferiority, figures: Figures) -> str:
    pairs = test.pairs
    if not pairs.questions:
        return ""
    confidence = f"{100 * (1 - figures.alpha_spent):.2f}".rstrip("0").rstrip(".")
    bound = f"loses at most {points(-test.low)}" if test.low < 0 else "loses nothing"
    text = (
        f"Out of domain, against the {test.anchor}, {test.reading} reading: {pairs.before} ->"
        f" {pairs.after} of {pairs.questions}"
        f" ({_change(pairs.before, pairs.after, pairs.questions)}); with {confidence} % confidence"
        f" it {bound}, {'within' if test.shown else 'beyond'} the margin of {points(test.margin)}."
    )
    if pairs.before / pairs.questions <= test.margin:
        text += (
            f" The {test.anchor}'s own accuracy there is not above the margin, so this test"
            " protects little."
        )
    return text


def _single_sets(figures: Figures) -> str:
    worse = [one.name for one in figures.sets if one.p_loss <= figures.alpha and not one.blocks]
    limit = points(figures.max_loss_one_set)
    if worse:
        return (
            "By the strict reading significantly worse alone (Holm), though not shown to lose more"
            f" than {limit}: {', '.join(worse)}."
        )
    if any(one.blocks for one in figures.sets):
        return ""
    return "By the strict reading no single set is significantly worse (Holm)."


def _power(figures: Figures, shown: Detectable) -> str:
    gain = (
        f"an in-domain gain of {points(shown.gain)}"
        if shown.gain < 1
        else "no in-domain gain at all"
    )
    loss = (
        f"an out-of-domain loss of {points(shown.loss)}"
        if shown.loss < 1
        else "no out-of-domain loss at all"
    )
    return (
        f"So many questions show {gain} and {loss} four times in five, and smaller ones less often."
        f" This was gate decision {figures.tests_so_far} of its line."
    )


def points(share: float) -> str:
    """A difference of accuracies in percentage points."""
    value = f"{100 * share:.1f}".removesuffix(".0")
    return f"{value} point{'' if value == '1' else 's'}"


def _signed(share: float) -> str:
    return f"{'-' if share < 0 else '+'}{points(abs(share))}"


def _change(before: int, after: int, questions: int) -> str:
    return (
        f"{100 * before / questions:.1f} % -> {100 * after / questions:.1f} %"
        if questions
        else "no questions"
    )


def _p(value: float) -> str:
    return "below 0.0001" if value < 0.0001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"
