"""The evaluate step: a model and held-out questions in, answers and evaluations out.

In-domain and out-of-domain sets are never mixed, and `final` is answered and counted like `gate`
but read by no decision. It does not decide; that is `tasks.promotion.promote`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from storage.errors import PermanentError
from storage.records import Adapter, Answer, Evaluation, Model, Prompt, Question
from tasks.asking import Asking
from tasks.engines.engine import Engine, Renders, RequestFailed, entered
from tasks.evaluation.answering import (
    PlannedAnswer,
    answer_plan,
    ask_missing,
    ask_one,
    known_answers,
    planned_answers,
)
from tasks.evaluation.evaluation_rows import count_answers
from tasks.rules.ladder.requests import StagePlan, whole_text
from tasks.settings import Settings

PROBES = 16
"""Greedy answers of which at least one must differ before an adapter is believed to be at work."""


def evaluate_model(asking: Asking, questions: Sequence[Question], role: str) -> list[Evaluation]:
    """Answers and evaluations of a model, stored; an answer that is known is not generated again.

    Raises PermanentError where an adapter changes nothing, or more than 5 % of the questions got no
    answer.
    """
    store, settings, model = asking.store, asking.settings, asking.model
    plan = answer_plan(asking.prompts, settings)
    store.append([model, plan.prompt])
    greedy = planned_answers(questions, model, plan, asking.draw)
    sampled_plan = answer_plan(asking.prompts, settings, settings.evaluation.sampled)
    several = range(settings.evaluation.samples if settings.evaluation.samples > 1 else 0)
    sampled = [
        one
        for sample in several
        for one in planned_answers(questions, model, sampled_plan, asking.draw, sample)
    ]
    known = known_answers(store, [*greedy, *sampled])
    if missing := [one for one in [*greedy, *sampled] if one.id not in known]:
        asyncio.run(_ask(asking, missing, plan, len(known)))
    return count_answers(asking, greedy, sampled, plan, role)


async def _ask(
    asking: Asking, missing: Sequence[PlannedAnswer], greedy: StagePlan, known: int
) -> None:
    async with entered(asking.engine) as engine:
        asking = replace(asking, engine=engine)
        # before the many: a server that ignores the adapter is found after 16 answers
        probed = await _probe(
            asking, [one for one in missing if one.sample == 0 and one.plan is greedy]
        )
        done = {answer.id for answer in probed}
        await ask_missing(asking, [one for one in missing if one.id not in done], probed, known)


def probe_adapter(
    engine_base: Engine,
    engine_challenger: Engine,
    renderer: Renders,
    questions: Sequence[Question],
    *,
    prompts: Mapping[str, Prompt],
    settings: Settings,
) -> int:
    """How many of the probes' greedy texts the adapter changes; raises PermanentError for none.

    Stores nothing.

    They are asked one at a time: how requests meet in a batch decides how bfloat16 rounds, and so
    some texts.
    """

    async def texts(engine: Engine) -> list[str]:
        plan = answer_plan(prompts, settings)
        anyone = Model(
            id=UUID(int=0),
            name="probe",
            base_model_id=UUID(int=0),
            adapter_id=None,
            revision="",
            chat_template_hash="",
        )
        wanted = planned_answers(questions[:PROBES], anyone, plan, 0)
        async with entered(engine) as running:
            prompts_ids = [renderer.prompt_ids(one.turns) for one in wanted]
            answers = [await running.complete(ids, plan.sampling, 0) for ids in prompts_ids]
        return [
            whole_text(one.turns.prefill, answer.text)
            for one, answer in zip(wanted, answers, strict=True)
        ]

    before, after = asyncio.run(texts(engine_base)), asyncio.run(texts(engine_challenger))
    return _changed(before, after, "the adapter")


async def _probe(asking: Asking, missing: Sequence[PlannedAnswer]) -> list[Answer]:
    """The first answers of an adapter, held back until one differs from the base's.

    Raises PermanentError where none does.

    The answers are compared with the base's stored ones, so the probe costs no token. The list is
    empty for a base and before the base has answered. It is empty for full weights, too: a server
    cannot leave those aside as it can an adapter, and after training with a small learning rate
    they may answer in the base's very words.
    """
    if asking.model.adapter_id is None or not missing:
        return []
    adapter = await asyncio.to_thread(asking.store.get, Adapter, asking.model.adapter_id)
    if adapter is not None and adapter.kind == "full":
        return []
    base = replace(asking.model, id=asking.model.base_model_id, adapter_id=None)
    plan = missing[0].plan
    theirs = planned_answers([one.question for one in missing], base, plan, missing[0].draw)
    of_base = {one.question.id: one.id for one in theirs}
    known = await asyncio.to_thread(
        lambda: {a.id: a for a in asking.store.select(Answer, id=list(of_base.values()))}
    )
    probes = [one for one in missing if of_base[one.question.id] in known][:PROBES]
    if len(probes) < PROBES:
        return []
    asked = await asyncio.gather(*(_answer_or_none(asking, one) for one in probes))
    answers = [answer for answer in asked if answer is not None]
    before = [known[of_base[answer.question_id]].text for answer in answers]
    if answers:
        _changed(before, [answer.text for answer in answers], asking.model.name)
    return answers


async def _answer_or_none(asking: Asking, wanted: PlannedAnswer) -> Answer | None:
    """None where the request failed: it is made again among the others, which count failures."""
    try:
        return await ask_one(asking, wanted)
    except RequestFailed as error:
        if error.fatal:
            raise
        return None


def _changed(before: Sequence[str], after: Sequence[str], name: str) -> int:
    changed = sum(old != new for old, new in zip(before, after, strict=True))
    if not changed:
        raise PermanentError(
            f"An adapter must change what the model answers; with {name!r} all {len(before)} probes"
            " gave the base's very texts. The server does not apply it (a wrong module prefix, or"
            " another adapter under its name), or training changed nothing. Set evaluation.adapter"
            ' = "merged", or look at the loss curve.'
        )
    return changed
