"""From a request and its completion to the row that is stored."""

import json
from dataclasses import replace
from datetime import datetime
from typing import TypedDict
from uuid import UUID

from storage.ids import content_id, seed_of
from storage.records import AdaptedGuideline, AnswerKind, FailedRequest, Path, Structure, Verdict
from tasks.engines.engine import Completion, RequestFailed
from tasks.rules.answers.finish_reasons import is_natural_stop
from tasks.rules.answers.verdicts import Judgement
from tasks.rules.ladder.ladder import Chain, Ladder
from tasks.rules.ladder.requests import (
    Request,
    clean,
    closing_words,
    ended,
    whole_sentences,
    whole_text,
)
from tasks.verification.verify_paths import verdict_record

# a server's error may quote the whole prompt; its beginning tells what failed
MESSAGE_LENGTH = 300


class _Common(TypedDict):
    """The columns of `storage.records.Generated`."""

    id: UUID
    question_id: UUID
    model_id: UUID
    prompt_id: UUID
    sampling: str
    draw: int
    sample: int
    hinted: bool
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    seed: int
    endpoint: str
    round_id: UUID | None
    created_at: datetime


def generated_record(
    ladder: Ladder,
    chain: Chain,
    request: Request,
    completion: Completion,
    round_id: UUID | None,
    now: datetime,
) -> AdaptedGuideline | Structure | Path:
    """The row of one completion; its text includes the words begun for the model."""
    common: _Common = {
        "id": request.id,
        "question_id": chain.question.id,
        "model_id": ladder.model_id,
        "prompt_id": request.plan.prompt.id,
        "sampling": request.plan.sampling_text,
        "draw": ladder.draw,
        "sample": chain.sample,
        "hinted": chain.hinted,
        "text": _kept_text(request, completion),
        "finish_reason": completion.finish_reason,
        "prompt_tokens": completion.prompt_tokens,
        "completion_tokens": completion.completion_tokens,
        "seed": seed_of(request.id),
        "endpoint": completion.endpoint,
        "round_id": round_id,
        "created_at": now,
    }
    head = chain.guideline.id if chain.guideline else None
    if request.stage == "path" or head is None:
        return Path(
            **common,
            strategy=ladder.settings.strategy,
            guideline_id=head,
            adapted_guideline_id=chain.adapted_id,
            structure_id=chain.structure_id,
            closed=False,
            cut=_was_cut(completion),
        )
    if request.stage == "structure":
        return Structure(**common, guideline_id=head, adapted_guideline_id=chain.adapted_id)
    return AdaptedGuideline(**common, guideline_id=head)


def _was_cut(completion: Completion) -> bool:
    """Whether a limit ended the text, by whatever name the server calls it."""
    return not is_natural_stop(completion.finish_reason)


def _kept_text(request: Request, completion: Completion) -> str:
    """The stored text; advice or a plan that was cut goes on as the sentences that are whole."""
    text = whole_text(request.turns.prefill, completion.text)
    fragment = request.stage in ("adapted_guideline", "structure") and _was_cut(completion)
    return whole_sentences(text) if fragment else text


def closed_path(path: Path, prefill: str, completion: Completion, kind: AnswerKind) -> Path:
    """The path with its answer extraction: one text, tokens summed, `closed`."""
    words, finish_reason = closing_words(completion.text, completion.finish_reason, kind)
    return replace(
        path,
        text=ended(whole_text(prefill, words)),
        finish_reason=finish_reason,
        prompt_tokens=path.prompt_tokens + completion.prompt_tokens,
        completion_tokens=path.completion_tokens + completion.completion_tokens,
        closed=True,
    )


def failed_request(
    ladder: Ladder,
    chain: Chain,
    request: Request,
    error: RequestFailed,
    round_id: UUID | None,
    now: datetime,
) -> FailedRequest:
    """The row of a request that failed in every retry."""
    return FailedRequest(
        id=content_id("failed_requests", request.id, now.isoformat()),
        request_id=request.id,
        question_id=chain.question.id,
        stage=request.stage,
        reason=error.reason,
        message=clean(str(error))[:MESSAGE_LENGTH],
        attempts=error.attempts,
        draw=ladder.draw,
        round_id=round_id,
        created_at=now,
    )


def verdict_of(
    path: Path, judgement: Judgement, remarks: dict[str, object], now: datetime
) -> Verdict:
    """The path's verdict; `remarks` (self-check, summary) join its details."""
    verdict = verdict_record(path, judgement, now)
    return (
        replace(verdict, details=json.dumps(json.loads(verdict.details) | remarks))
        if remarks
        else verdict
    )


def says_yes(reply: str) -> bool | None:
    """What a self-check's reply says: its first yes or no; None where it has neither."""
    words = [word.strip(".,;:!?\"'*()[]").casefold() for word in reply.split()]
    return next((word == "yes" for word in words if word in ("yes", "no")), None)
