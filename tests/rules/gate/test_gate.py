"""The gate's rule on planted verdicts, and over simulated months of nights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import InputError
from tasks.rules.gate.gate import PairedSet, measure, outcome_of, spendable_alpha
from tasks.rules.gate.gate_reasons import Decision, decide
from tasks.rules.gate.statistics import mcnemar_gain, smallest_gain, tango_no_loss
from tasks.settings import GateSettings
from tests.rules.gate.margins import smallest_margin

SETTINGS = GateSettings()
NIGHTS = 30


def pairs_of(
    name: str, domain: str, right: int, gained: int, lost: int, questions: int = 64
) -> PairedSet:
    """A set where the champion has `right` and the challenger gains and loses so many."""
    champion = [place < right for place in range(questions)]
    challenger = list(champion)
    for place in [*range(lost), *range(right, right + gained)]:
        challenger[place] = not challenger[place]
    kind = "in_domain" if domain == "in" else "out_of_domain"
    return PairedSet(name, kind, True, tuple(champion), tuple(challenger))


def four_in_three_out(
    gained: int, lost: int, out_gained: int = 1, out_lost: int = 1
) -> list[PairedSet]:
    """The default's shape: four in-domain and three out-of-domain sets of 64 questions."""
    inside = [
        pairs_of(name, "in", 24, gained, lost)
        for name in ("chain_sum", "products", "gcd", "letter_counting")
    ]
    outside = [
        pairs_of(name, "out", 24, out_gained, out_lost)
        for name in ("number_sequence", "lcm", "aiw")
    ]
    return inside + outside


def decided(
    sets: list[PairedSet], test_number: int = 1, chosen: GateSettings = SETTINGS
) -> Decision:
    return decide(sets, test_number, chosen)


def test_a_gain_in_domain_without_loss_elsewhere_is_promoted() -> None:
    decision = decided(four_in_three_out(gained=10, lost=2))
    assert decision.outcome == "promoted"
    assert "136 of 256" not in decision.reasons
    assert (
        "answers 128 of 256 gate questions right where the champion answers 96" in decision.reasons
    )


COUNTS = st.integers(0, 16)


@settings(max_examples=60, deadline=None)
@given(gained=COUNTS, lost=COUNTS, out_gained=COUNTS, out_lost=COUNTS, outside=st.booleans())
def test_the_first_sentence_says_whether_it_is_better_by_how_much_and_what_follows(
    gained: int, lost: int, out_gained: int, out_lost: int, outside: bool
) -> None:
    sets = four_in_three_out(gained, lost, out_gained, out_lost)
    decision = decided(sets if outside else sets[:4])
    sentence = decision.reasons.partition(". ")[0]

    inside, out = (100 * (24 + more) / 64 for more in (gained - lost, out_gained - out_lost))
    assert sentence.startswith(
        ("Better in domain", "Worse in domain", "Not shown to be better in domain")
    )
    assert f"in domain 37.5 % -> {inside:.1f} % right" in sentence
    assert f"out of domain 37.5 % -> {out:.1f} %" in sentence or not outside
    assert ("and promoted" in sentence) == (decision.outcome == "promoted")
    assert ("and refused because" in sentence) == (decision.outcome == "refused")
    assert ("the champion stays because" in sentence) == (decision.outcome == "inconclusive")


PROMOTED = (
    "Better in domain, no worse outside than the margin allows, and promoted: "
    "in domain 37.5 % -> 50.0 % right (+12.5 points), out of domain 37.5 % -> 37.5 % (+0 points)"
)
REFUSED = (
    "Worse in domain, and refused because it is significantly worse in domain: "
    "in domain 37.5 % -> 25.0 % right (-12.5 points), out of domain 37.5 % -> 37.5 % (+0 points)"
)
INCONCLUSIVE = (
    "Not shown to be better in domain, and the champion stays because there is no significant gain"
    " in domain: in domain 37.5 % -> 37.5 % right (+0 points), out of domain 37.5 % -> 37.5 % (+0"
    " points)"
)


@pytest.mark.parametrize(
    ("gained", "lost", "sentence"), [(10, 2, PROMOTED), (1, 9, REFUSED), (2, 2, INCONCLUSIVE)]
)
def test_the_first_sentence_can_be_read_alone(gained: int, lost: int, sentence: str) -> None:
    assert decided(four_in_three_out(gained, lost)).reasons.partition(". ")[0] == sentence


def test_a_loss_in_domain_is_refused_for_in_domain() -> None:
    decision = decided(four_in_three_out(gained=1, lost=9))
    assert decision.outcome == "refused"
    assert "significantly worse in domain" in decision.reasons


def test_an_out_of_domain_loss_is_refused_by_the_name_of_the_set_that_fell() -> None:
    sets = four_in_three_out(gained=10, lost=2)
    sets[5] = pairs_of("lcm", "out", 40, 0, 30)
    decision = decided(sets)
    assert decision.outcome == "refused"
    assert "out of domain than the champion (lcm 62.5 % -> 15.6 %)" in decision.reasons


def test_one_set_that_falls_apart_blocks_although_the_pool_gains() -> None:
    sets = four_in_three_out(gained=16, lost=1)
    sets[2] = pairs_of("gcd", "in", 40, 0, 25)
    decision = decided(sets)
    assert decision.outcome == "refused"
    assert "on gcd alone it loses significantly more than 15 points" in decision.reasons


def test_a_loss_on_one_set_that_may_be_small_does_not_block() -> None:
    sets = four_in_three_out(gained=10, lost=2)
    sets[4] = pairs_of("number_sequence", "out", 24, 0, 6)
    decision = decided(sets)
    assert decision.outcome == "promoted"


def test_no_change_is_inconclusive_and_says_what_it_cannot_exclude() -> None:
    decision = decided(four_in_three_out(gained=2, lost=2))
    assert decision.outcome == "inconclusive"
    assert "no significant gain in domain" in decision.reasons
    assert "is not excluded" in decision.reasons


def test_a_gain_with_too_few_out_of_domain_questions_is_inconclusive() -> None:
    sets = [*four_in_three_out(gained=10, lost=2)[:4], pairs_of("aiw", "out", 3, 0, 0, questions=8)]
    decision = decided(sets)
    assert decision.outcome == "inconclusive"
    assert "too few questions to exclude an out-of-domain loss" in decision.reasons


def test_a_gain_without_any_out_of_domain_question_is_inconclusive() -> None:
    decision = decided(four_in_three_out(gained=10, lost=2)[:4])
    assert decision.outcome == "inconclusive"
    assert "no out-of-domain questions" in decision.reasons


def test_without_in_domain_answers_nothing_is_decided() -> None:
    with pytest.raises(InputError, match="at least one in-domain set"):
        decided(four_in_three_out(10, 2)[4:])


def test_models_are_never_compared_on_different_questions() -> None:
    sets = four_in_three_out(10, 2)
    sets[0] = replace(sets[0], champion=sets[0].champion[:-1])
    with pytest.raises(InputError, match="same questions"):
        decided(sets)


def test_a_weak_gain_is_enough_for_one_test_and_not_for_one_of_many() -> None:
    sets = four_in_three_out(gained=4, lost=1)
    first, late = decided(sets), decided(sets, 20)
    assert first.outcome == "promoted"
    assert late.outcome == "inconclusive"
    assert "enough for one test alone, but not for one of many" in late.reasons


def test_the_champion_may_not_sink_below_the_base_step_by_step() -> None:
    sets = four_in_three_out(gained=10, lost=2)
    based = [replace(one, base=one.champion) for one in sets[:4]]
    based += [replace(one, base=(True,) * 40 + (False,) * 24) for one in sets[4:]]
    decision = decided(based)
    assert decision.outcome == "refused"
    assert "out of domain than the base" in decision.reasons


def test_a_loss_that_only_the_lenient_reading_sees_is_no_promotion() -> None:
    sets = [replace(one, lenient=one) for one in four_in_three_out(gained=10, lost=2)]
    assert decided(sets).outcome == "promoted"
    fell = [
        (
            replace(one, lenient=pairs_of(one.name, "out", 40, 0, 16))
            if one.domain == "out_of_domain"
            else one
        )
        for one in sets
    ]
    decision = decided(fell)
    assert decision.outcome == "refused"
    assert "than the champion by the lenient reading" in decision.reasons


@settings(max_examples=60, deadline=None)
@given(
    strict=st.lists(COUNTS, min_size=3, max_size=3),
    lenient=st.lists(COUNTS, min_size=3, max_size=3),
)
def test_a_loss_outside_names_a_set_that_fell_by_the_reading_that_saw_it(
    strict: list[int], lenient: list[int]
) -> None:
    sets = [replace(one, lenient=one) for one in four_in_three_out(gained=10, lost=2)]
    outside = [
        replace(
            pairs_of(one.name, "out", 24, 0, by_strict),
            lenient=pairs_of(one.name, "out", 40, 0, by_lenient),
        )
        for one, by_strict, by_lenient in zip(sets[4:], strict, lenient, strict=True)
    ]
    reasons = decided(sets[:4] + outside).reasons

    for words, before, lost in (
        ("than the champion (", 24, strict),
        ("than the champion by the lenient reading (", 40, lenient),
    ):
        if words not in reasons:
            continue
        told = reasons.split(words)[1].split(")")[0]
        worst = max(zip(lost, outside, strict=True), key=lambda one: one[0])[0]
        fell = f"{100 * before / 64:.1f} % -> {100 * (before - worst) / 64:.1f} %"
        assert fell in told
        assert " -> ".join([f"{100 * before / 64:.1f} %"] * 2) not in told


def test_a_loss_that_both_readings_see_alike_is_told_once() -> None:
    inside = [replace(one, lenient=one) for one in four_in_three_out(gained=10, lost=2)[:4]]
    lost = [pairs_of(name, "out", 40, 0, 12) for name in ("far", "near")]
    reasons = decided(inside + [replace(one, lenient=one) for one in lost]).reasons

    headline = reasons.split(": in domain")[0]
    assert "than the champion by both readings (" in headline
    assert headline.count("significantly worse") == 1


def test_the_gain_is_told_apart_into_content_and_form() -> None:
    sets = four_in_three_out(gained=12, lost=0)
    lenient = [
        pairs_of(one.name, "in" if one.domain == "in_domain" else "out", 24, 4, 0) for one in sets
    ]
    decision = decided(
        [replace(one, lenient=other) for one, other in zip(sets, lenient, strict=True)]
    )
    assert "Of this change of 18.8 points, 6.2 points are content" in decision.reasons
    assert "12.5 points form" in decision.reasons


def test_a_margin_that_is_no_smaller_than_the_accuracy_is_said_to_protect_little() -> None:
    sets = [*four_in_three_out(10, 2)[:4], pairs_of("aiw", "out", 5, 0, 0, questions=192)]
    assert "protects little" in decided(sets).reasons


def test_the_same_verdicts_give_the_same_decision() -> None:
    assert decided(four_in_three_out(6, 2)).as_json() == decided(four_in_three_out(6, 2)).as_json()


@pytest.mark.parametrize("first", [1, 2, 17, 30, 45])
def test_any_thirty_decisions_in_a_row_spend_alpha_once(first: int) -> None:
    spent = sum(spendable_alpha(first + turn, True, SETTINGS) for turn in range(NIGHTS))
    assert spent == pytest.approx(SETTINGS.alpha)


def test_fixed_questions_spend_alpha_once_for_ever() -> None:
    spent = sum(spendable_alpha(turn, False, SETTINGS) for turn in range(1, 100_000))
    assert 0.99 * SETTINGS.alpha < spent < SETTINGS.alpha


def test_one_fixed_set_puts_the_decision_on_the_stricter_schedule() -> None:
    sets = four_in_three_out(10, 2)
    sets[4] = replace(sets[4], fresh=False)
    decision = decided(sets, 10)
    assert decision.figures.alpha_spent == spendable_alpha(10, False, SETTINGS)


def test_the_defaults_obey_the_power_table() -> None:
    first = spendable_alpha(1, True, SETTINGS)
    assert smallest_margin(3 * 64, 0.20, first) <= SETTINGS.margin
    assert smallest_gain(4 * 64, 0.20, first) <= 0.09


# Simulated months. A promotion needs a significant in-domain gain and no out-of-domain difference
# as bad as the margin; nights that fail one of these two cheap conditions cannot promote, and only
# the others run the whole rule.


def simulated_pairs(
    generator: np.random.Generator, questions: int, accuracy: float, gained: float, lost: float
) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
    """Verdicts of two models; shares `gained` and `lost` of all questions change."""
    before = generator.random(questions) < accuracy
    chance = np.where(before, lost / accuracy, gained / (1 - accuracy))
    after = before ^ (generator.random(questions) < chance)
    return tuple(before.tolist()), tuple(after.tolist())


def simulated_sets(
    generator: np.random.Generator, gain: float, loss: float, churn: float = 0.08
) -> list[PairedSet]:
    """One night's fresh questions: a true in-domain gain, a true out-of-domain loss, and `churn`
    both ways.
    """
    inside = [("in", gain + churn, churn)] * 4
    outside = [("out", churn, loss + churn)] * 3
    sets: list[PairedSet] = []
    for number, (domain, gained, lost) in enumerate(inside + outside):
        champion, challenger = simulated_pairs(generator, 64, 0.5, gained, lost)
        kind = "in_domain" if domain == "in" else "out_of_domain"
        sets.append(PairedSet(f"set{number}", kind, True, champion, challenger))
    return sets


def may_promote(sets: list[PairedSet], night: int) -> bool:
    counts = {"in_domain": np.zeros(3), "out_of_domain": np.zeros(3)}
    for one in sets:
        old, new = np.array(one.champion), np.array(one.challenger)
        counts[one.domain] += [(new & ~old).sum(), (old & ~new).sum(), len(old)]
    gained, lost, _ = counts["in_domain"]
    out_gained, out_lost, questions = counts["out_of_domain"]
    enough = mcnemar_gain(int(gained), int(lost)) <= spendable_alpha(night, True, SETTINGS)
    return enough and bool((out_gained - out_lost) / questions > -SETTINGS.margin)


def is_promoted(sets: list[PairedSet], night: int) -> bool:
    return may_promote(sets, night) and outcome_of(measure(sets, night, SETTINGS)) == "promoted"


def test_thirty_nights_without_a_gain_promote_in_at_most_one_month_of_twenty() -> None:
    generator = np.random.default_rng(2024)
    months = 300
    false = 0
    for _ in range(months):
        false += any(
            is_promoted(simulated_sets(generator, 0, 0), night) for night in range(1, NIGHTS + 1)
        )
    assert false / months <= 0.05


def test_a_month_of_slow_out_of_domain_loss_passes_the_margin_in_at_most_one_of_twenty() -> None:
    generator = np.random.default_rng(2025)
    months = 300
    false = 0
    for _ in range(months):
        # One more point lost each night: at night 10 the margin is reached, and each later
        # promotion is false.
        for night in range(10, NIGHTS + 1):
            if is_promoted(simulated_sets(generator, 0.20, 0.01 * night), night):
                false += 1
                break
    assert false / months <= 0.05


def test_a_month_of_small_losses_against_each_new_champion_never_adds_up_past_the_margin() -> None:
    generator = np.random.default_rng(2026)
    months, false = 60, 0
    for _ in range(months):
        sunk = 0.0  # true out-of-domain loss of the champion against the base
        for night in range(1, NIGHTS + 1):
            sets = anchored_sets(generator, sunk, step=0.02)
            if is_promoted(sets, night):
                sunk += 0.02
        false += sunk > SETTINGS.margin + 1e-9
    assert false / months <= 0.05


def anchored_sets(
    generator: np.random.Generator, sunk: float, step: float, churn: float = 0.05
) -> list[PairedSet]:
    """A night with base, champion (`sunk` below it) and challenger (`step` below the champion) out
    of domain.
    """
    sets: list[PairedSet] = []
    for number in range(4):
        champion, challenger = simulated_pairs(generator, 64, 0.5, 0.20 + churn, churn)
        sets.append(PairedSet(f"in{number}", "in_domain", True, champion, challenger, champion))
    for number in range(3):
        base = generator.random(64) < 0.6
        champion = base ^ (generator.random(64) < np.where(base, (sunk + churn) / 0.6, churn / 0.4))
        fall = np.where(champion, (step + churn) / (0.6 - sunk), churn / (0.4 + sunk))
        challenger = champion ^ (generator.random(64) < fall)
        verdicts = [tuple(one.tolist()) for one in (champion, challenger, base)]
        sets.append(
            PairedSet(f"out{number}", "out_of_domain", True, verdicts[0], verdicts[1], verdicts[2])
        )
    return sets


def test_a_first_night_with_the_gain_of_the_table_is_promoted_as_often_as_the_table_says() -> None:
    generator = np.random.default_rng(2027)
    churn, first = 0.05, spendable_alpha(1, True, SETTINGS)
    gain = 0.10  # the discordance is then 0.20, for which the table says 8.8 points at 80 %
    assert smallest_gain(256, gain + 2 * churn, first) <= gain
    nights = [is_promoted(simulated_sets(generator, gain, 0, churn), 1) for _ in range(300)]
    assert np.mean(nights) >= 0.8


def test_the_power_tables_of_the_documentation_are_what_the_formulas_give() -> None:
    text = (Path(__file__).parents[3] / "docs" / "gate.md").read_text("utf-8")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    lines = [[cell.strip() for cell in row] for row in rows]
    numbers = [
        [float(cell) for cell in line] for line in lines if len(line) == 10 and line[0].isdigit()
    ]
    nights = [spendable_alpha(night, True, SETTINGS) for night in (1, 10, 30)]
    gains, margins = numbers[:5], numbers[5:]
    assert len(margins) == 6
    for questions, *cells in (row for row in gains if row[0] <= 256):
        expected = [
            smallest_gain(int(questions), share, alpha)
            for share in (0.1, 0.2, 0.3)
            for alpha in nights
        ]
        assert cells == [round(100 * value, 1) for value in expected]
    for questions, *cells in margins:
        expected = [
            smallest_margin(int(questions), share, alpha)
            for share in (0.1, 0.15, 0.2)
            for alpha in nights
        ]
        assert cells == [round(100 * value, 1) for value in expected]


@pytest.mark.parametrize("night", [1, 30])
@pytest.mark.parametrize("lost", [0.15, 0.25])
def test_a_true_loss_of_the_margin_passes_no_more_often_than_the_night_may_spend(
    night: int, lost: float
) -> None:
    generator, spent, trials = (
        np.random.default_rng(night),
        spendable_alpha(night, True, SETTINGS),
        40_000,
    )
    counts = generator.multinomial(
        64, [lost - SETTINGS.margin, lost, 1 - 2 * lost + SETTINGS.margin], size=(trials, 3)
    )
    strata = [
        [(int(gained), int(gone), 64) for gained, gone, _ in night_] for night_ in counts[:trials]
    ]
    passed = sum(
        tango_no_loss(three, SETTINGS.margin) <= spent for three in strata if promising(three)
    )
    # four standard errors above what is allowed, so that the seed decides nothing
    assert passed / trials <= spent + 4 * np.sqrt(spent / trials)


def promising(three: list[tuple[int, int, int]]) -> bool:
    """Only a difference well above the margin can pass; the others need not be computed."""
    return sum(gained - lost for gained, lost, _ in three) / sum(each[2] for each in three) > -0.08
