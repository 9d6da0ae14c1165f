"""Asking a model held-out questions: what is planned, what is stored, and asking the rest.

Answers are rows like any other, committed in micro-batches; `tasks.evaluation.evaluate_model`
counts them.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from storage.errors import InputError, Stopped
from storage.ids import content_id, seed_of
from storage.records import Answer, FailedRequest, Model, Prompt, Question
from storage.store.micro_batches import Committer
from tasks.asking import Asking
from tasks.engines.engine import AllFailed, Completion, RequestFailed, capacity_of
from tasks.rules.answers.verdicts import VERIFIER_VERSION, Judgement
from tasks.rules.ladder.prompts import Turns, ask_question
from tasks.rules.ladder.requests import StagePlan, clean, plan_stage, whole_text
from tasks.settings import Sampling, Settings
from tasks.verification.verify_paths import case_of

if TYPE_CHECKING:
    from storage.open_store import Store

IN_FLIGHT = 1024
"""Requests handed to the engine at once; it decides how many of them a server sees."""


@dataclass(frozen=True)
class PlannedAnswer:
    """One answer that is wanted, under the id that it has or will have."""

    id: UUID
    question: Question
    plan: StagePlan
    draw: int
    sample: int

    @property
    def turns(self) -> Turns:
        """The conversation, as in training."""
        return ask_question(self.plan.template, self.question)


def answer_plan(
    prompts: Mapping[str, Prompt], settings: Settings, sampling: Sampling | None = None
) -> StagePlan:
    """The prompt and sampling of held-out answers; greedy unless another sampling is given."""
    if "answer" not in prompts:
        raise InputError(
            "Evaluation asks with the prompt 'answer'; the prompts have none. Add answer.txt to"
            " them."
        )
    return plan_stage(prompts["answer"], sampling or settings.evaluation.sampling, settings.model)


def planned_answers(
    questions: Sequence[Question], model: Model, plan: StagePlan, draw: int, sample: int = 0
) -> list[PlannedAnswer]:
    """What is wanted of these questions.

    A greedy answer belongs to its question's draw: it is asked for only once.
    """
    greedy = plan.sampling.temperature == 0
    wanted: list[PlannedAnswer] = []
    for question in {question.id: question for question in questions}.values():
        # the same in every round: a model that is asked again has answered already
        own = question.draw if greedy else draw
        identity = content_id(
            "answers", question.id, model.id, plan.prompt.id, plan.sampling_text, own, sample
        )
        wanted.append(PlannedAnswer(identity, question, plan, own, sample))
    return wanted


def known_answers(store: "Store", wanted: Sequence[PlannedAnswer]) -> dict[UUID, Answer]:
    """Answers that the store has, by id."""
    if not wanted:
        return {}
    return {answer.id: answer for answer in store.select(Answer, id=[one.id for one in wanted])}


async def ask_missing(
    asking: Asking,
    missing: Sequence[PlannedAnswer],
    ready: Sequence[Answer] = (),
    known: int = 0,
) -> None:
    """Ask for these answers and commit each soon after it came, `ready` ones first.

    `known` answers, which were there before, count as done in what `asking.on_answer` is told.

    A request that fails at once or after all retries becomes a failed request. Where none can
    succeed any more, or none has, what has arrived is committed and the error raised: a transient
    one where trying again may help. At a limit of the run what is under way is awaited, then
    Stopped is raised.
    """
    stop: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_error(error: BaseException) -> None:
        if not stop.done():
            stop.set_exception(error)

    committing = asking.settings.synthesis
    committer = Committer(
        asking.store,
        seconds=committing.commit_seconds,
        rows=committing.commit_rows,
        on_error=on_error,
    )
    committer.add(ready)
    committer.start()
    source, failures = iter(missing), AllFailed(in_flight=capacity_of(asking.engine))
    came = _Came(asking, len(missing), known + len(ready))
    workers = [
        asyncio.ensure_future(_ask_in_turn(asking, source, committer, failures, came))
        for _ in range(min(IN_FLIGHT, len(missing)))
    ]
    try:
        waiting = asyncio.gather(*workers)
        # either all workers are done, or storage has failed, and then asking on would be in vain
        await asyncio.wait([waiting, stop], return_when=asyncio.FIRST_COMPLETED)
        if not stop.done():
            stop.cancel()
            if error := next(filter(None, await waiting), None) or failures.at_the_end():
                raise error
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        # after the workers: what they brought is committed whatever ended them
        await committer.close()
    if not stop.cancelled():
        stop.result()


async def ask_one(asking: Asking, wanted: PlannedAnswer) -> Answer:
    """One answer with its verdicts, not stored yet."""
    turns = wanted.turns
    seed = seed_of(wanted.id)
    prompt_ids = asking.renderer.prompt_ids(turns)
    completion = await asking.engine.complete(
        prompt_ids, wanted.plan.sampling, seed, cached=asking.cached
    )
    text = whole_text(turns.prefill, completion.text)
    judgement = await asking.judge.judge_one(
        case_of(wanted.question, text, completion.finish_reason)
    )
    return _answer(asking, wanted, completion, text, judgement)


class _Came:
    """Tells of each answer that came, or failed for good."""

    def __init__(self, asking: Asking, missing: int, known: int) -> None:
        self._asking, self._missing, self._known = asking, missing, known
        self._done, self._began = 0, time.monotonic()

    def tell(self) -> None:
        self._done += 1
        left = (time.monotonic() - self._began) / self._done * (self._missing - self._done)
        self._asking.on_answer(self._known + self._done, self._known + self._missing, left)


async def _ask_in_turn(
    asking: Asking,
    source: Iterator[PlannedAnswer],
    committer: Committer,
    failures: AllFailed,
    came: _Came,
) -> Stopped | None:
    """Asks for one after another; the limit that ended it, where one did."""
    for wanted in source:
        await committer.room()
        try:
            committer.add([await ask_one(asking, wanted)])
            failures.succeeded()
            came.tell()
        except RequestFailed as error:
            committer.add([_failed(asking, wanted, error)])
            if error.fatal:
                raise
            if end := failures.failed(error):
                raise end from error
            came.tell()
        except Stopped as stopped:
            return stopped
    return None


def _answer(
    asking: Asking, wanted: PlannedAnswer, completion: Completion, text: str, judgement: Judgement
) -> Answer:
    return Answer(
        id=wanted.id,
        question_id=wanted.question.id,
        model_id=asking.model.id,
        prompt_id=wanted.plan.prompt.id,
        sampling=wanted.plan.sampling_text,
        draw=wanted.draw,
        sample=wanted.sample,
        hinted=False,
        text=text,
        finish_reason=completion.finish_reason,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        seed=seed_of(wanted.id),
        endpoint=completion.endpoint,
        round_id=asking.round.id if asking.round else None,
        created_at=asking.now(),
        strict_verdict=judgement.verdict,
        strict_extracted=judgement.extracted,
        lenient_verdict=judgement.lenient_verdict,
        lenient_extracted=judgement.lenient_extracted,
        reason=judgement.reason,
        verifier_version=VERIFIER_VERSION,
    )


def _failed(asking: Asking, wanted: PlannedAnswer, error: RequestFailed) -> FailedRequest:
    now = asking.now()
    return FailedRequest(
        id=content_id("failed_requests", wanted.id, now.isoformat()),
        request_id=wanted.id,
        question_id=wanted.question.id,
        stage="answer",
        reason=error.reason,
        message=clean(str(error))[:500],
        attempts=error.attempts,
        draw=wanted.draw,
        round_id=asking.round.id if asking.round else None,
        created_at=now,
    )
