"""The vote step: majority verdicts for all questions; references show what a vote is worth.

Stored paths in, verdicts of verifier `majority` out, with share, margin and entropy in their
details.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from storage.records import Path, Question, Verdict
from tasks.rules.answers.majority import Vote, majority_vote
from tasks.rules.answers.verdicts import VERIFIER_VERSION
from tasks.settings import VerificationSettings
from tasks.verification.verify_paths import Judge, verdict_id

if TYPE_CHECKING:
    from storage.open_store import Store

# with 25 chains a question 12,500 paths, which are 50 MB as Python objects
QUESTIONS_AT_ONCE = 500


def vote_paths(
    store: "Store",
    judge: Judge,
    settings: VerificationSettings,
    *,
    draw: int,
    paths: Sequence[Path] | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Votes on each question of the draw, or of its `paths`; says how many verdicts are new.

    Hinted paths do not vote.

    A comparison gives the paths of one pool, so that those alone vote together that were written in
    the same way.
    """
    if paths is not None:
        return _vote_among(store, [path for path in paths if not path.hinted], judge, settings, now)
    asked = store.query(
        "SELECT DISTINCT question_id AS id FROM paths WHERE draw = ? ORDER BY id", [draw]
    )["id"].to_pylist()
    new = 0
    for start in range(0, len(asked), QUESTIONS_AT_ONCE):
        some = asked[start : start + QUESTIONS_AT_ONCE]
        # a hinted path was shown the answer: its voice would be the reference's
        voting = store.select(Path, draw=draw, hinted=False, question_id=some, order_by="id")
        new += _vote_among(store, voting, judge, settings, now)
    return new


def _vote_among(
    store: "Store",
    voting: Sequence[Path],
    judge: Judge,
    settings: VerificationSettings,
    now: Callable[[], datetime],
) -> int:
    rows: list[Verdict] = []
    by_question: defaultdict[UUID, list[Path]] = defaultdict(list)
    for path in voting:
        by_question[path.question_id].append(path)
    for question in store.select(Question, id=list(by_question), order_by="id"):
        voters = by_question[question.id]
        vote = _vote(question, voters, judge, settings)
        rows.extend(_record(vote, place, path, now()) for place, path in enumerate(voters))
    return store.append(rows) if rows else 0


def _vote(
    question: Question, paths: list[Path], judge: Judge, settings: VerificationSettings
) -> Vote:
    return majority_vote(
        [(path.text, path.finish_reason) for path in paths],
        question.answer_kind,
        tuple(question.choices),
        question=question.text,
        min_share=settings.majority_min_share,
        min_paths=settings.majority_min_paths,
        equal=judge.algebra_says_equal,
    )


def _record(vote: Vote, place: int, path: Path, now: datetime) -> Verdict:
    label, reason, stated = vote.labels[place], vote.reasons[place], vote.stated[place]
    details = {
        "share": vote.share,
        "margin": vote.margin,
        "entropy": vote.entropy,
        "winner": vote.winner,
    }
    return Verdict(
        id=verdict_id(path.id, "majority", VERIFIER_VERSION),
        path_id=path.id,
        draw=path.draw,
        verifier="majority",
        verifier_version=VERIFIER_VERSION,
        verdict=label,
        reason=reason,
        extracted=stated,
        lenient_verdict=label,
        lenient_extracted=stated,
        rater=None,
        details=json.dumps(details),
        created_at=now,
    )
