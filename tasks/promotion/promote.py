"""The promote step: the gate's decision, the champion alias, roll-back, and people's decisions.

The store decides who is champion; MLflow's alias follows. A promotion is written `pending`, the
alias moved, the row written `done`; `repair` completes on the next run
what a crash left between.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from storage.errors import InputError
from storage.ids import content_id
from storage.records import Adapter, Model, Outcome, Promotion, Round
from tasks.promotion.verdict_pairs import paired_sets
from tasks.rules.answers.cut_shares import cut_shares, cut_sql, cut_warnings
from tasks.rules.gate.gate_reasons import decide
from tasks.settings import Settings

if TYPE_CHECKING:
    from storage.open_store import Store

# `decided_by` of decisions that no person took by name
GATE, ROLLBACK = "gate", "rollback"


@dataclass(frozen=True)
class Word:
    """What a person says over the gate: who, why and when."""

    person: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Change:
    """Which model meets which, and with what outcome."""

    challenger: UUID
    champion: UUID
    outcome: Outcome


class Registry(Protocol):
    """The part of `storage.mlflow_tracking.Tracking` that is used."""

    def champion(self, line: str) -> UUID | None:
        """The model that the line's `champion` alias names."""
        ...

    def move_champion(self, line: str, model: Model, location: str = "") -> str:
        """Point the alias at this model."""
        ...


def decide_promotion(
    store: "Store",
    *,
    round: Round,
    challenger: Model,
    champion: Model,
    settings: Settings,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Promotion:
    """The gate's decision, stored; one that is already there stays.

    `pending` where the alias has yet to move.
    """
    identity = content_id("promotions", round.id, challenger.id, champion.id)
    # a rerun after a crash must not count as another test of the line
    if found := store.get(Promotion, identity):
        return found
    # each decision of the gate spends a part of alpha; a person's word spends none
    earlier = [one for one in promotions_of(store, round.line) if one.decided_by == GATE]
    sets, left_out = paired_sets(store, round, challenger, champion)
    decision = decide(sets, len(earlier) + 1, settings.gate)
    reasons = decision.reasons
    held_out = [
        one
        for one in cut_shares(store.query(cut_sql(round)).to_pylist())
        if one.stage == "held-out answer"
    ]
    if left_out:
        reasons += f" {left_out} questions were left out, because not every model answered them."
    reasons += "".join(f" {line}" for line in cut_warnings(held_out))
    promotion = Promotion(
        id=identity,
        round_id=round.id,
        challenger_model_id=challenger.id,
        champion_model_id=champion.id,
        outcome=decision.outcome,
        state="pending" if decision.outcome == "promoted" else "done",
        decided_by=GATE,
        reasons=reasons,
        statistics=json.dumps(decision.as_json(), sort_keys=True),
        tests_so_far=len(earlier) + 1,
        created_at=now(),
    )
    store.append([challenger, champion, promotion])
    return promotion


def carry_out(store: "Store", registry: Registry, promotion: Promotion) -> Promotion:
    """Move the champion alias for a pending promotion and write it `done`; else do nothing."""
    if promotion.state == "done":
        return promotion
    model = _model(store, promotion.challenger_model_id)
    # The alias first, the row after it: a kill between them leaves `pending`, and moving again is
    # harmless.
    registry.move_champion(_round(store, promotion).line, model, _location(store, model))
    done = replace(promotion, state="done")
    store.update(done)
    return done


def current_champion(store: "Store", base: Model, line: str) -> Model:
    """The champion by the store's books: the latest promoted model of the line, or its base."""
    promoted = _promoted(store, line)
    return _model(store, promoted[-1].challenger_model_id) if promoted else base


def repair(store: "Store", registry: Registry, *, base: Model, line: str) -> list[str]:
    """Carry out what is pending, give the store's champion its alias, and say what was repaired."""
    promoted = _promoted(store, line)
    said: list[str] = []
    for promotion in promoted:
        if promotion.state == "pending":
            if promotion is promoted[-1]:
                carry_out(store, registry, promotion)
            else:  # a later one has moved the alias on
                store.update(replace(promotion, state="done"))
            said.append(f"Promotion {promotion.id} was left pending; it is done now.")
    champion = current_champion(store, base, line)
    named = registry.champion(line)
    if promoted and named != champion.id:
        registry.move_champion(line, champion, _location(store, champion))
        said.append(
            f"MLflow's champion was {named}; it is {champion.name} ({champion.id}) again, as the"
            " store says."
        )
    return said


def repair_all(store: "Store", registry: Registry) -> list[str]:
    """The same for every line of the store, as after a restore; returns what was repaired."""
    bases = {one.line: one.base_model_id for one in store.select(Round)}
    return [
        f"{line}: {said}"
        for line, base in sorted(bases.items())
        for said in repair(store, registry, base=_model(store, base), line=line)
    ]


def roll_back(
    store: "Store",
    registry: Registry,
    *,
    base: Model,
    line: str,
    to: Model | None = None,
    reason: str = "",
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Promotion:
    """Make an earlier champion champion again: `to`, or the one before; the reason is kept.

    Raises InputError where there is no earlier one, or `to` never was champion of this line.
    """
    promoted = _promoted(store, line)
    if not promoted:
        raise InputError(
            f"A roll-back needs an earlier champion; {line!r} has promoted none. The base serves."
        )
    present = promoted[-1].challenger_model_id
    former = [base.id, *(one.challenger_model_id for one in promoted)]
    target = to.id if to else promoted[-1].champion_model_id
    if target not in former or target == present:
        raise InputError(
            f"A roll-back goes to an earlier champion of {line!r} that is not champion now; found"
            f" {target}. They were:"
            f" {', '.join(str(one) for one in dict.fromkeys(former) if one != present)}."
        )
    word = Word(ROLLBACK, f"Rolled back. {reason}".strip(), now())
    # a roll-back belongs to no round of its own; it is told with the newest
    newest = store.select(Round, line=line, order_by="number")[-1]
    return _carry_out_word(store, registry, newest, Change(target, present, "promoted"), word)


def overrule(
    store: "Store",
    registry: Registry,
    promotion: Promotion,
    outcome: Outcome,
    word: Word,
    *,
    base: Model,
) -> Promotion:
    """A person forces (`promoted`) or vetoes (`refused`) a decision; name and reason are kept.

    A veto of the present champion brings back the one before it.
    """
    if not word.person.strip() or not word.reason.strip():
        raise InputError(
            f"A person's decision needs a name and a reason; found {word.person!r} and"
            f" {word.reason!r}."
        )
    round = _round(store, promotion)
    champion = current_champion(store, base, round.line)
    challenger = promotion.challenger_model_id
    serves = champion.id == challenger
    if outcome == "promoted":
        if serves:
            raise InputError(f"{champion.name!r} is champion already; there is nothing to force.")
        forced = replace(word, reason=f"Forced. {word.reason}")
        return _carry_out_word(
            store, registry, round, Change(challenger, champion.id, "promoted"), forced
        )
    vetoed = replace(word, reason=f"Vetoed. {word.reason}")
    if serves:
        change = Change(promotion.champion_model_id, champion.id, "promoted")
    else:
        change = Change(challenger, champion.id, "refused")
    return _carry_out_word(store, registry, round, change, vetoed)


def promotions_of(store: "Store", line: str) -> list[Promotion]:
    """All decisions of a line, in order of time."""
    rounds = [round.id for round in store.select(Round, line=line)]
    return store.select(Promotion, order_by="created_at, id", round_id=rounds) if rounds else []


def _promoted(store: "Store", line: str) -> list[Promotion]:
    return [one for one in promotions_of(store, line) if one.outcome == "promoted"]


def _carry_out_word(
    store: "Store", registry: Registry, round: Round, change: Change, word: Word
) -> Promotion:
    promotion = Promotion(
        id=content_id(
            "promotions",
            round.id,
            change.challenger,
            change.champion,
            word.person,
            word.at.isoformat(),
        ),
        round_id=round.id,
        challenger_model_id=change.challenger,
        champion_model_id=change.champion,
        outcome=change.outcome,
        state="pending" if change.outcome == "promoted" else "done",
        decided_by=word.person,
        reasons=word.reason,
        statistics="{}",
        tests_so_far=sum(one.decided_by == GATE for one in promotions_of(store, round.line)),
        created_at=word.at,
    )
    store.append([promotion])
    return carry_out(store, registry, promotion)


def _round(store: "Store", promotion: Promotion) -> Round:
    round = store.get(Round, promotion.round_id) if promotion.round_id else None
    if round is None:
        raise InputError(
            f"Promotion {promotion.id} belongs to a round; found {promotion.round_id!r}. Run:"
            " regenesis doctor"
        )
    return round


def _model(store: "Store", identity: UUID) -> Model:
    model = store.get(Model, identity)
    if model is None:
        raise InputError(
            f"Model {identity} is not in the store, though a promotion names it. Run: regenesis"
            " doctor"
        )
    return model


def _location(store: "Store", model: Model) -> str:
    adapter = store.get(Adapter, model.adapter_id) if model.adapter_id else None
    return adapter.location if adapter else ""
