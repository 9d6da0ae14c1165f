"""Promotion on a real store.

The decision, the alias that follows, crashes between, roll-back, people's say.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from storage.errors import InputError
from storage.mlflow_tracking import Tracking
from storage.open_store import Store
from storage.records import Model, Promotion, Round
from tasks.promotion.promote import (
    Word,
    carry_out,
    current_champion,
    decide_promotion,
    overrule,
    repair,
    roll_back,
)
from tasks.settings import Settings
from tests.fakes.small_store import (
    BASE,
    CHALLENGER,
    Clock,
    clock,
    model,
    questions_of,
    round_of,
    small_store,
)
from tests.fakes.small_store import SETS as QUESTION_SETS
from tests.tasks.evaluation.test_evaluate_model import evaluated, right_below

LINE = "base/test"


class Crash(Exception):
    """The process ends here."""


@dataclass
class Aliases:
    """A registry in memory; `crash` says when a move fails."""

    names: dict[str, UUID] = field(default_factory=dict[str, UUID])
    crash: str = ""

    def champion(self, line: str) -> UUID | None:
        return self.names.get(line)

    def move_champion(self, line: str, model: Model, location: str = "") -> str:
        if self.crash == "before":
            raise Crash
        self.names[line] = model.id
        if self.crash == "after":
            raise Crash
        return "1"


def played(
    store: Store,
    number: int,
    champion: Model,
    challenger: Model,
    before: int,
    after: int,
    ticks: Clock,
) -> Promotion:
    """A round in which the champion answers `before` questions of each set rightly and the
    challenger `after`.
    """
    round = round_of(number, champion)
    questions = [one for each in QUESTION_SETS for one in questions_of(each, "gate", 64, number)]
    store.append([round, challenger, *questions])
    roles = {"base": (BASE, before if champion == BASE else 20), "challenger": (challenger, after)}
    if champion != BASE:
        roles["champion"] = (champion, before)
    for role, (who, limit) in roles.items():
        words = f"{who.name}: the answer is"
        evaluated(store, right_below(limit, words), questions, model=who, number=number, role=role)
    return decide_promotion(
        store, round=round, challenger=challenger, champion=champion, settings=Settings(), now=ticks
    )


def test_a_better_challenger_is_pending_until_the_alias_has_moved(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    aliases = Aliases()
    promotion = played(store, 1, BASE, CHALLENGER, 20, 50, clock())
    assert (promotion.outcome, promotion.state) == ("promoted", "pending")
    assert carry_out(store, aliases, promotion).state == "done"
    assert aliases.names == {LINE: CHALLENGER.id}
    assert current_champion(store, BASE, LINE) == CHALLENGER


def test_a_worse_challenger_is_refused_and_the_base_stays(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    aliases = Aliases()
    promotion = carry_out(store, aliases, played(store, 1, BASE, CHALLENGER, 40, 20, clock()))
    assert (promotion.outcome, promotion.state, aliases.names) == ("refused", "done", {})
    assert current_champion(store, BASE, LINE) == BASE


def test_a_decision_is_made_once(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    ticks = clock()
    first = played(store, 1, BASE, CHALLENGER, 20, 50, ticks)
    again = decide_promotion(
        store,
        round=round_of(1),
        challenger=CHALLENGER,
        champion=BASE,
        settings=Settings(),
        now=ticks,
    )
    assert again == first
    assert len(store.select(Promotion)) == 1


def test_the_figures_and_the_number_of_tests_are_kept(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    ticks = clock()
    played(store, 1, BASE, CHALLENGER, 20, 21, ticks)
    second = played(store, 2, BASE, model("base+round2", "round2"), 20, 50, ticks)
    figures = json.loads(second.statistics)
    assert second.tests_so_far == 2
    assert figures["gain"]["pairs"] == {
        "questions": 64,
        "before": 20,
        "after": 50,
        "gained": 30,
        "lost": 0,
    }
    assert 0 < figures["smallest_gain"] < 0.5


def test_the_base_is_an_anchor_once_it_is_champion_no_more(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    ticks = clock()
    carry_out(store, Aliases(), played(store, 1, BASE, CHALLENGER, 20, 50, ticks))
    second = played(store, 2, CHALLENGER, model("base+round2", "round2"), 50, 52, ticks)
    tests = json.loads(second.statistics)["non_inferiority"]
    assert [(test["anchor"], test["reading"]) for test in tests] == [
        (anchor, reading) for anchor in ("champion", "base") for reading in ("strict", "lenient")
    ]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_around_the_alias_mends_itself_on_the_next_run(tmp_path: Path, moment: str) -> None:
    store, _ = small_store(tmp_path)
    aliases = Aliases(crash=moment)
    promotion = played(store, 1, BASE, CHALLENGER, 20, 50, clock())
    with pytest.raises(Crash):
        carry_out(store, aliases, promotion)
    aliases.crash = ""
    said = repair(store, aliases, base=BASE, line=LINE)
    assert len(said) == 1
    assert "left pending" in said[0]
    assert aliases.names[LINE] == CHALLENGER.id
    assert [one.state for one in store.select(Promotion)] == ["done"]
    assert repair(store, aliases, base=BASE, line=LINE) == []


def test_an_alias_that_somebody_moved_is_put_back_and_said(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    aliases = Aliases()
    carry_out(store, aliases, played(store, 1, BASE, CHALLENGER, 20, 50, clock()))
    aliases.names[LINE] = BASE.id
    said = repair(store, aliases, base=BASE, line=LINE)
    assert "as the store says" in said[0]
    assert aliases.names[LINE] == CHALLENGER.id


def test_a_roll_back_restores_the_champion_before_and_keeps_the_reason(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    aliases, ticks = Aliases(), clock()
    carry_out(store, aliases, played(store, 1, BASE, CHALLENGER, 20, 50, ticks))
    rolled = roll_back(store, aliases, base=BASE, line=LINE, reason="It is rude.", now=ticks)
    assert (rolled.decided_by, rolled.reasons, rolled.state) == (
        "rollback",
        "Rolled back. It is rude.",
        "done",
    )
    assert current_champion(store, BASE, LINE) == BASE
    assert aliases.names[LINE] == BASE.id


def test_a_roll_back_to_a_model_that_never_was_champion_is_refused(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    carry_out(store, Aliases(), played(store, 1, BASE, CHALLENGER, 20, 50, clock()))
    with pytest.raises(InputError, match="goes to an earlier champion"):
        roll_back(store, Aliases(), base=BASE, line=LINE, to=model("base+other", "other"))


def test_without_any_promotion_there_is_nothing_to_roll_back(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    with pytest.raises(InputError, match="needs an earlier champion"):
        roll_back(store, Aliases(), base=BASE, line=LINE)


def test_a_person_forces_what_the_gate_refused(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    aliases, ticks = Aliases(), clock()
    refused = played(store, 1, BASE, CHALLENGER, 40, 20, ticks)
    forced = overrule(
        store, aliases, refused, "promoted", Word("Ada", "A demo.", ticks()), base=BASE
    )
    assert (forced.decided_by, forced.reasons) == ("Ada", "Forced. A demo.")
    assert current_champion(store, BASE, LINE) == CHALLENGER


def test_a_veto_of_the_champion_brings_back_the_one_before(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    aliases, ticks = Aliases(), clock()
    promoted = carry_out(store, aliases, played(store, 1, BASE, CHALLENGER, 20, 50, ticks))
    overrule(store, aliases, promoted, "refused", Word("Ada", "Leaks.", ticks()), base=BASE)
    assert current_champion(store, BASE, LINE) == BASE
    assert aliases.names[LINE] == BASE.id


def test_a_person_must_give_name_and_reason(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    promotion = played(store, 1, BASE, CHALLENGER, 20, 50, clock())
    with pytest.raises(InputError, match="a name and a reason"):
        overrule(store, Aliases(), promotion, "refused", Word("Ada", " ", clock()()), base=BASE)


def test_a_champion_without_evaluation_stops_the_decision_by_name(tmp_path: Path) -> None:
    store, questions = small_store(tmp_path)
    round: Round = round_of(1)
    store.append([round])
    evaluated(store, right_below(30), questions, model=CHALLENGER)
    with pytest.raises(InputError, match="has no evaluation on 'sums' in round 1"):
        decide_promotion(
            store, round=round, challenger=CHALLENGER, champion=BASE, settings=Settings()
        )


@pytest.mark.parametrize("lacking", [0, 2])
def test_only_what_one_model_answered_and_another_did_not_is_called_left_out(
    lacking: int, tmp_path: Path
) -> None:
    store, _ = small_store(tmp_path)
    all_of_the_sets = [one for each in QUESTION_SETS for one in questions_of(each, "gate", 70, 0)]
    asked = [one for each in QUESTION_SETS for one in questions_of(each, "gate", 64, 0)]
    store.append([round_of(1), CHALLENGER, *all_of_the_sets])
    for role, who, some in (("base", BASE, asked), ("challenger", CHALLENGER, asked[lacking:])):
        evaluated(store, right_below(40, f"{role}: it is"), some, model=who, role=role)

    decision = decide_promotion(
        store, round=round_of(1), challenger=CHALLENGER, champion=BASE, settings=Settings()
    )

    told = "2 questions were left out, because not every model answered them"
    assert (told in decision.reasons) == bool(lacking)
    assert ("left out" in decision.reasons) == bool(lacking)


def test_mlflows_own_alias_follows_promotion_and_roll_back(tmp_path: Path) -> None:
    store, _ = small_store(tmp_path)
    tracking, ticks = Tracking(tmp_path), clock()
    carry_out(store, tracking, played(store, 1, BASE, CHALLENGER, 20, 50, ticks))
    assert tracking.champion(LINE) == CHALLENGER.id
    roll_back(store, tracking, base=BASE, line=LINE, reason="A test.", now=ticks)
    assert tracking.champion(LINE) == BASE.id
    assert repair(store, tracking, base=BASE, line=LINE) == []
