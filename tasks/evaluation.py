"""The evaluate step: a model and held-out questions in; its answers and one evaluation a set and part out.

In-domain and out-of-domain sets are never mixed, and `final` is answered and counted like `gate` but read by no
decision. It does not decide; that is `tasks.promotion`.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast
from uuid import UUID

from storage.errors import InputError, PermanentError
from storage.ids import content_id
from storage.records import Answer, Evaluation, Model, Part, Prompt, Question, QuestionSet, Round
from tasks.answering import (
    Asking,
    Judges,
    PlannedAnswer,
    Renders,
    answer_plan,
    ask_missing,
    ask_one,
    known_answers,
    planned_answers,
)
from tasks.engines.engine import Engine
from tasks.rules.requests import StagePlan, whole_text
from tasks.rules.statistics import wilson_interval
from tasks.settings import Settings

if TYPE_CHECKING:
    from storage.repository import Store

PROBES = 16
"""Greedy answers of which at least one must differ before an adapter is believed to be at work."""
MOST_MISSING = 0.05
"""Share of questions without an answer above which an evaluation says nothing."""


@dataclass(frozen=True)
class Noise:
    """What a second run of the same greedy answers changes; the floor under every difference."""

    questions: int
    changed_texts: int
    changed_verdicts: int


def evaluate_model(
    store: "Store", engine: Engine, renderer: Renders, judge: Judges, *, model: Model, questions: Sequence[Question],
    prompts: Mapping[str, Prompt], settings: Settings, round: Round | None, role: str, draw: int,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Evaluation]:  # fmt: skip
    """Answers and evaluations of a model, stored; an answer that is known is not generated again.

    Raises PermanentError where an adapter changes nothing, or more than 5 % of the questions got no answer.
    """
    return asyncio.run(
        evaluate(
            store, engine, renderer, judge, model=model, questions=questions, prompts=prompts, settings=settings,
            round=round, role=role, draw=draw, now=now,
        )
    )  # fmt: skip


async def evaluate(
    store: "Store", engine: Engine, renderer: Renders, judge: Judges, *, model: Model, questions: Sequence[Question],
    prompts: Mapping[str, Prompt], settings: Settings, round: Round | None, role: str, draw: int,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Evaluation]:  # fmt: skip
    """`evaluate_model` within a running event loop. An engine that is an async context manager is entered."""
    plan = answer_plan(prompts, settings)
    await asyncio.to_thread(store.append, [model, plan.prompt])
    greedy = planned_answers(questions, model, plan, draw)
    sampled_plan = answer_plan(prompts, settings, settings.evaluation.sampled)
    several = range(settings.evaluation.samples if settings.evaluation.samples > 1 else 0)
    sampled = [one for sample in several for one in planned_answers(questions, model, sampled_plan, draw, sample)]
    known = await asyncio.to_thread(known_answers, store, [*greedy, *sampled])
    missing = [one for one in [*greedy, *sampled] if one.id not in known]
    if missing:
        async with _entered(engine) as running:
            asking = Asking(store, running, renderer, judge, model, round, settings, now)
            probed = await _probe(asking, [one for one in missing if one.sample == 0 and one.plan is plan])
            done = {answer.id for answer in probed}
            await ask_missing(asking, [one for one in missing if one.id not in done], probed)
    return await asyncio.to_thread(_count, store, greedy, model, plan, round, role, now())


def measure_noise(
    store: "Store", engine: Engine, renderer: Renders, judge: Judges, *, model: Model, questions: Sequence[Question],
    prompts: Mapping[str, Prompt], settings: Settings, round: Round | None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Noise:  # fmt: skip
    """The A/A run: every greedy answer asked for again as sample 1, in the other order, and compared with the first."""

    async def ask_again() -> Noise:
        plan = answer_plan(prompts, settings)
        first, second = (planned_answers(questions, model, plan, 0, sample) for sample in (0, 1))
        known = known_answers(store, [*first, *second])
        async with _entered(engine) as running:
            asking = Asking(store, running, renderer, judge, model, round, settings, now)
            await ask_missing(asking, [one for one in first if one.id not in known])
            await ask_missing(asking, [one for one in reversed(second) if one.id not in known])
        answers = known_answers(store, [*first, *second])
        pairs = [(answers.get(a.id), answers.get(b.id)) for a, b in zip(first, second, strict=True)]
        both = [(a, b) for a, b in pairs if a and b]
        return Noise(
            len(both),
            sum(a.text != b.text for a, b in both),
            sum(a.strict_verdict != b.strict_verdict for a, b in both),
        )

    return asyncio.run(ask_again())


def probe_adapter(
    engine_base: Engine, engine_challenger: Engine, renderer: Renders, questions: Sequence[Question], *,
    prompts: Mapping[str, Prompt], settings: Settings,
) -> int:  # fmt: skip
    """How many of the probes' greedy texts the adapter changes; raises PermanentError for none. Stores nothing."""

    async def texts(engine: Engine) -> list[str]:
        plan = answer_plan(prompts, settings)
        anyone = Model(
            id=UUID(int=0), name="probe", base_model_id=UUID(int=0), adapter_id=None, revision="", chat_template_hash=""
        )
        wanted = planned_answers(questions[:PROBES], anyone, plan, 0)
        async with _entered(engine) as running:
            prompts_ids = [renderer.prompt_ids(one.turns) for one in wanted]
            answers = await asyncio.gather(*(running.complete(ids, plan.sampling, 0) for ids in prompts_ids))
        return [whole_text(one.turns.prefill, answer.text) for one, answer in zip(wanted, answers, strict=True)]

    before, after = asyncio.run(texts(engine_base)), asyncio.run(texts(engine_challenger))
    return _changed(before, after, "the adapter")


async def _probe(asking: Asking, missing: Sequence[PlannedAnswer]) -> list[Answer]:
    """The first answers of a model with an adapter, held back until one differs from the base's; else PermanentError.

    Compared with the base's stored answers, so it costs no token. Empty for a base, or before the base has answered.
    """
    if asking.model.adapter_id is None or not missing:
        return []
    base = replace(asking.model, id=asking.model.base_model_id, adapter_id=None)
    plan = missing[0].plan
    theirs = planned_answers([one.question for one in missing], base, plan, missing[0].draw)
    of_base = {one.question.id: one.id for one in theirs}
    known = await asyncio.to_thread(lambda: {a.id: a for a in asking.store.select(Answer, id=list(of_base.values()))})
    probes = [one for one in missing if of_base[one.question.id] in known][:PROBES]
    if len(probes) < PROBES:
        return []
    answers = await asyncio.gather(*(ask_one(asking, one) for one in probes))
    before = [known[of_base[one.question.id]].text for one in probes]
    _changed(before, [answer.text for answer in answers], asking.model.name)
    return list(answers)


def _changed(before: Sequence[str], after: Sequence[str], name: str) -> int:
    changed = sum(old != new for old, new in zip(before, after, strict=True))
    if not changed:
        raise PermanentError(
            f"An adapter must change what the model answers; with {name!r} all {len(before)} probes gave the base's "
            "very texts. The server does not apply it (a wrong module prefix, or another adapter under its name), or "
            'training changed nothing. Set evaluation.adapter = "merged", or look at the loss curve.'
        )
    return changed


@asynccontextmanager
async def _entered(engine: Engine) -> AsyncGenerator[Engine]:
    if hasattr(engine, "__aenter__"):
        async with cast("AbstractAsyncContextManager[Engine]", engine) as running:
            yield running
    else:
        yield engine


def _count(
    store: "Store", wanted: Sequence[PlannedAnswer], model: Model, plan: StagePlan, round: Round | None, role: str,
    now: datetime,
) -> list[Evaluation]:  # fmt: skip
    """One row a set and part, from the answers that the store has."""
    answers = known_answers(store, wanted)
    missing = [one for one in wanted if one.id not in answers]
    if len(missing) > MOST_MISSING * len(wanted):
        raise PermanentError(
            f"An evaluation needs an answer to at least {1 - MOST_MISSING:.0%} of its questions; {model.name!r} gave "
            f"none to {len(missing)} of {len(wanted)} (first: question {missing[0].question.id}). Why: regenesis sql "
            "\"SELECT reason, message, count(*) FROM failed_requests WHERE stage = 'answer' GROUP BY ALL\""
        )
    groups: defaultdict[tuple[UUID, Part], list[PlannedAnswer]] = defaultdict(list)
    for one in wanted:
        if one.id in answers:
            groups[one.question.question_set_id, one.question.part].append(one)
    sets = {one.id: one for one in store.select(QuestionSet, id=list({key[0] for key in groups}))}
    rows: list[Evaluation] = []
    for (set_id, part), ones in groups.items():
        if set_id not in sets:
            raise InputError(f"Question set {set_id} is not in the store. Run: regenesis ingest")
        given = [answers[one.id] for one in ones]
        key = content_id(
            "evaluations", round.id if round else None, model.id, set_id, part, plan.prompt.id, plan.sampling_text
        )
        rows.append(_evaluation(key, given, sets[set_id], part, ones[0].question.draw, model, round, role, now))
    store.append(rows)
    stored = {row.id: row for row in store.select(Evaluation, id=[row.id for row in rows])}
    return [stored[row.id] for row in rows]


def _evaluation(
    key: UUID, answers: Sequence[Answer], question_set: QuestionSet, part: Part, draw: int, model: Model,
    round: Round | None, role: str, now: datetime,
) -> Evaluation:  # fmt: skip
    strict = sum(answer.strict_verdict == "correct" for answer in answers)
    lenient = sum(answer.lenient_verdict == "correct" for answer in answers)
    strict_interval, lenient_interval = wilson_interval(strict, len(answers)), wilson_interval(lenient, len(answers))
    return Evaluation(
        id=key,
        round_id=round.id if round else None,
        model_id=model.id,
        question_set_id=question_set.id,
        domain=question_set.domain,
        part=part,
        draw=draw,
        role=role,
        questions=len(answers),
        strict_correct=strict,
        lenient_correct=lenient,
        unjudged=sum(answer.strict_verdict == "unjudged" for answer in answers),
        stopped=sum(answer.finish_reason == "stop" for answer in answers),
        mean_tokens=sum(answer.completion_tokens for answer in answers) / len(answers),
        strict_low=strict_interval.low,
        strict_high=strict_interval.high,
        lenient_low=lenient_interval.low,
        lenient_high=lenient_interval.high,
        created_at=now,
    )
