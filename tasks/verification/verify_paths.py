"""The verify step: texts in, verdicts out; quick rules here, algebra in workers that can be killed.

It stores one verdict per path and verifier version, and never generates.
"""

import asyncio
import json
import marshal
import multiprocessing
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, cast
from uuid import UUID

from storage.errors import InputError
from storage.ids import content_id
from storage.records import AnswerKind, Label, Path, Question, Verdict
from tasks.engines.algebra.math_verify_worker import expressions_equal, prepare
from tasks.rules.answers.compared import DIFFERS, EQUAL, Compared, Undecided
from tasks.rules.answers.verdicts import (
    VERIFIER_VERSION,
    Case,
    Judgement,
    Pending,
    decided,
    judged_quickly,
)
from tasks.settings import VerificationSettings

if TYPE_CHECKING:
    from storage.open_store import Store

# what marshal takes: plain tuples and texts
PackedCase = tuple[str, str, AnswerKind, tuple[str, ...], str, str, tuple[str, ...]]
PackedJudgement = tuple[Label, str, str | None, Label, str | None]
# paths that are judged and committed together: a kill loses one batch at most
BATCH = 2048
# cases for a worker at a time; fewer than two chunks are judged here, for sending costs more
CHUNK = 2000
# quick rules take milliseconds per case; a chunk that takes a minute met a text that they cannot
# read
CHUNK_SECONDS = 60.0
TIMED_OUT = Compared("unjudged", "timed_out")
WORKER_DIED = Compared("unjudged", "worker_died")
FAILED = Compared("unjudged", "comparison_failed")


class _Pool(Protocol):
    def schedule(
        self, function: Callable[..., object], args: Sequence[object], timeout: float
    ) -> Future[object]: ...
    def stop(self) -> None: ...
    def join(self) -> None: ...


class Judge:
    """Judges cases; a context manager, because its workers end with it.

    They start when first needed.
    """

    def __init__(self, settings: VerificationSettings | None = None) -> None:
        self._settings = settings or VerificationSettings()
        self._pool: _Pool | None = None
        self.cpu_seconds = 0.0
        """What `judge_one` has spent in this process; what workers spend is theirs."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end_workers()

    def judge(self, cases: Sequence[Case]) -> list[Judgement]:
        """One judgement per case, in order; a killed case leaves its neighbours unharmed."""
        # all quick judgements first, so that the workers compare while nothing else is waited for
        quick = self._quick(cases)
        waiting = {
            i: self._compare(one.undecided)
            for i, one in enumerate(quick)
            if isinstance(one, Pending)
        }
        return [
            decided(one, _outcome(waiting[i]), cases[i]) if isinstance(one, Pending) else one
            for i, one in enumerate(quick)
        ]

    async def judge_one(self, case: Case) -> Judgement:
        """The judgement of one case, without blocking the event loop."""
        began = time.thread_time()
        quick = judged_quickly(case)
        self.cpu_seconds += time.thread_time() - began
        if isinstance(quick, Judgement):
            return quick
        future = self._compare(quick.undecided)
        # wait, because it raises nothing: a time-out of the worker is an outcome
        await asyncio.wait([asyncio.wrap_future(future)])
        return decided(quick, _outcome(future), case)

    def algebra_says_equal(self, undecided: Undecided) -> bool:
        """Whether two expressions are equal; one that could not be compared is not."""
        return _outcome(self._compare(undecided)) == EQUAL

    def _quick(self, cases: Sequence[Case]) -> list[Judgement | Pending]:
        """The quick rules, over all workers where the batch is worth it."""
        if self._settings.workers == 1 or len(cases) < 2 * CHUNK:
            return [judged_quickly(case) for case in cases]
        chunks = [cases[start : start + CHUNK] for start in range(0, len(cases), CHUNK)]
        packed = (marshal.dumps([_packed(case) for case in chunk]) for chunk in chunks)
        futures = [self._schedule(judged_chunk, (rows,), CHUNK_SECONDS) for rows in packed]
        return [
            one
            for future, chunk in zip(futures, chunks, strict=True)
            for one in _chunk(future, chunk)
        ]

    def _compare(self, undecided: Undecided) -> Future[object]:
        arguments = (undecided.answer, undecided.references)
        return self._schedule(expressions_equal, arguments, self._settings.deadline_seconds)

    def _schedule(
        self, function: Callable[..., object], arguments: Sequence[object], timeout: float
    ) -> Future[object]:
        try:
            return self._workers().schedule(function, args=arguments, timeout=timeout)
        # pebble's own sign that its pool is no longer active
        except RuntimeError:  # all workers were lost at once; new ones take over
            self._end_workers()
            return self._workers().schedule(function, args=arguments, timeout=timeout)

    def _end_workers(self) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
            self._pool = None

    def _workers(self) -> _Pool:
        if self._pool is None:
            try:
                from pebble import ProcessPool
            except ImportError as error:
                raise InputError(
                    "Judging expressions needs pebble and math-verify. Type: make setup"
                ) from error
            # fork would copy this process's threads' locks as they are; spawn would import
            # math-verify, which takes seconds, in each worker
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload(
                ["tasks.engines.algebra.math_verify_warm", "tasks.verification.verify_paths"]
            )
            pool = ProcessPool(
                max_workers=self._settings.workers, initializer=prepare, context=context
            )
            self._pool = cast(_Pool, pool)
        return self._pool


def judged_chunk(packed: bytes) -> tuple[bytes, list[Pending]]:
    """What a worker makes of a chunk; None in it stands for the next that is pending.

    Tuples by marshal travel between our own processes at a quarter of the cost of pickled records.
    """
    # marshal and not pickle: it holds no code. It is not for files, as its format changes with
    # Python.
    rows: list[PackedCase] = marshal.loads(packed)
    judged = [judged_quickly(Case(*row)) for row in rows]
    packed_judgements = [
        None if isinstance(one, Pending) else _packed_judgement(one) for one in judged
    ]
    return marshal.dumps(packed_judgements), [one for one in judged if isinstance(one, Pending)]


def _packed(case: Case) -> PackedCase:
    return (
        case.text,
        case.answer,
        case.answer_kind,
        case.choices,
        case.finish_reason,
        case.question,
        case.also_accepted,
    )


def _packed_judgement(one: Judgement) -> PackedJudgement:
    return one.verdict, one.reason, one.extracted, one.lenient_verdict, one.lenient_extracted


def _chunk(future: Future[object], cases: Sequence[Case]) -> list[Judgement | Pending]:
    """A chunk's judgements; in this process where its worker was lost."""
    try:
        packed, waiting = cast("tuple[bytes, list[Pending]]", future.result())
    except Exception:
        return [judged_quickly(case) for case in cases]
    rows: list[PackedJudgement | None] = marshal.loads(packed)
    pending = iter(waiting)
    return [next(pending) if row is None else Judgement(*row) for row in rows]


def _outcome(future: Future[object]) -> Compared:
    from pebble import ProcessExpired

    try:
        return EQUAL if future.result() else DIFFERS
    except TimeoutError:
        return TIMED_OUT
    except ProcessExpired:
        return WORKER_DIED
    except Exception:
        return FAILED


def case_of(question: Question, text: str, finish_reason: str) -> Case:
    """The case that a text makes as an answer to a question."""
    return Case(
        text,
        question.answer,
        question.answer_kind,
        tuple(question.choices),
        finish_reason,
        question.text,
        tuple(question.other_answers or ()),
    )


def verdict_id(path_id: UUID, verifier: str, version: str) -> UUID:
    """One verdict per path, verifier and version."""
    return content_id("verdicts", path_id, verifier, version)


def verdict_record(path: Path, judgement: Judgement, now: datetime) -> Verdict:
    """The row of a judgement against the reference."""
    return Verdict(
        id=verdict_id(path.id, "reference", VERIFIER_VERSION),
        path_id=path.id,
        draw=path.draw,
        verifier="reference",
        verifier_version=VERIFIER_VERSION,
        verdict=judgement.verdict,
        reason=judgement.reason,
        extracted=judgement.extracted,
        lenient_verdict=judgement.lenient_verdict,
        lenient_extracted=judgement.lenient_extracted,
        rater=None,
        details=json.dumps({}),
        created_at=now,
    )


def verify_paths(
    store: "Store",
    judge: Judge,
    *,
    draw: int | None = None,
    round_id: UUID | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Judge stored paths that lack a verdict of this version; returns how many."""
    draws = store.query(
        "SELECT DISTINCT draw FROM paths WHERE draw = coalesce(?, draw)"
        " AND (?::UUID IS NULL OR round_id = ?) ORDER BY draw",
        [draw, round_id, round_id],
    )["draw"].to_pylist()
    of_round = {"round_id": round_id} if round_id is not None else {}
    return sum(
        _verify(store, judge, page, now)
        for own_draw in draws
        for page in store.pages(Path, size=4 * BATCH, draw=own_draw, **of_round)
    )


def _verify(
    store: "Store", judge: Judge, paths: Sequence[Path], now: Callable[[], datetime]
) -> int:
    """Judge those of one draw's paths that lack a verdict."""
    ids = {path.id: verdict_id(path.id, "reference", VERIFIER_VERSION) for path in paths}
    known = store.existing(Verdict, list(ids.values()), draw=paths[0].draw)
    missing = [path for path in paths if ids[path.id] not in known]
    questions = {
        q.id: q for q in store.select(Question, id=list({path.question_id for path in missing}))
    }
    # batch by batch, and what is there is left out at the next run
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        cases = [
            case_of(questions[path.question_id], path.text, path.finish_reason) for path in batch
        ]
        judgements = judge.judge(cases)
        store.append(
            [
                verdict_record(path, judgement, now())
                for path, judgement in zip(batch, judgements, strict=True)
            ]
        )
    return len(missing)
